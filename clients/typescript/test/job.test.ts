/** One job: log half an hour twice under one key, change it, read problems, walk pages, delete it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { type ApontaClient, idempotencyKey, isProblem, ProblemError, type Schemas, unwrap } from "../src/index.js";
import { ACTIVITY, connect, day, ORGANIZATION, PROJECT } from "./service.js";

function halfAnHour(date: string): Schemas["ApontamentoCreate"] {
  return {
    organization_name: ORGANIZATION,
    project_id: PROJECT,
    work_item_id: 4711,
    id_atividade: ACTIVITY,
    data_apontamento: date,
    duracao: "00:30",
  };
}

/** Returns the ids of all entries of the caller, in pages of two. */
async function pages(aponta: ApontaClient): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 2 } : { limit: 2, cursor };
    const { data } = await unwrap(aponta.GET("/api/v1/apontamentos", { params: { query } }));
    ids.push(...data.items.map((entry) => entry.id));
    cursor = data.next_cursor;
  } while (cursor !== null);
  return ids;
}

test("entry is logged once, changed, refused when outdated, listed and deleted", async () => {
  const aponta = connect();
  const before = await pages(aponta);
  const header = { "Idempotency-Key": idempotencyKey() };
  const log = () => aponta.POST("/api/v1/apontamentos", { params: { header }, body: halfAnHour(day(-1)) });

  const { data: first } = await unwrap(log());
  const repeated = await log();
  assert.equal(repeated.data?.id, first.id);
  assert.equal(repeated.response.headers.get("Idempotency-Replayed"), "true");
  assert.equal(first.duracao_horas, 0.5);

  const path = { apontamento_id: first.id };
  const { etag } = await unwrap(aponta.GET("/api/v1/apontamentos/{apontamento_id}", { params: { path } }));
  assert.ok(etag);
  const change = (duracao: string) =>
    aponta.PATCH("/api/v1/apontamentos/{apontamento_id}", {
      params: { path, header: { "If-Match": etag } },
      body: { duracao },
    });
  const { data: changed } = await unwrap(change("00:45"));
  assert.equal(changed.duracao, "00:45");
  const { error: outdated } = await change("01:00");
  assert.equal(outdated?.status, 412);
  assert.equal(outdated.code, "versao_desatualizada");

  const after = await pages(aponta);
  assert.equal(after.length, before.length + 1);
  assert.equal(after.filter((id) => id === first.id).length, 1);
  await unwrap(aponta.DELETE("/api/v1/apontamentos/{apontamento_id}", { params: { path } }));
  assert.deepEqual(await pages(aponta), before);
});

test("invalid input is a problem with each failure", async () => {
  const aponta = connect();
  const body = { ...halfAnHour(day(-1)), duracao: "25:00", work_item_id: 0 };
  const { error, response } = await aponta.POST("/api/v1/apontamentos", { body });
  assert.equal(response.status, 422);
  assert.ok(isProblem(error));
  assert.equal(error.code, "dados_invalidos");
  assert.deepEqual(error.errors?.map((failure) => failure.loc.at(-1)).sort(), ["duracao", "work_item_id"]);
  await assert.rejects(unwrap(aponta.POST("/api/v1/apontamentos", { body })), (thrown) => {
    assert.ok(thrown instanceof ProblemError);
    return thrown.problem.status === 422;
  });
});

test("day to come is refused with its code", async () => {
  const { error } = await connect().POST("/api/v1/apontamentos", { body: halfAnHour(day(7)) });
  assert.equal(error?.code, "data_futura");
});
