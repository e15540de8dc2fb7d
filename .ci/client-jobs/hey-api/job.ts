/**
 * One job with the client that hey-api generates: log half an hour twice under one key, change it with If-Match, read
 * problems, walk the pages of a list and delete the entry.
 */

import assert from "node:assert/strict";

import { client } from "./generated/client.gen.js";
import type { ApontamentoCreate } from "./generated/types.gen.js";
import {
  createApontamento,
  deleteApontamento,
  getApontamento,
  listApontamentos,
  patchApontamento,
} from "./generated/sdk.gen.js";

client.setConfig({
  baseUrl: process.env["APONTA_URL"],
  // Without the condition the token would go out as `Basic`, the last scheme of the document.
  auth: ({ scheme }) => (scheme === "bearer" ? process.env["APONTA_TOKEN"] : undefined),
});

function day(offset: number): string {
  return new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
}

function halfAnHour(date: string): ApontamentoCreate {
  return {
    organization_name: "contoso",
    project_id: "Portal do Contribuinte",
    work_item_id: 4711,
    id_atividade: "01932b5c-7c00-7000-8000-000000000001",
    data_apontamento: date,
    duracao: "00:30",
  };
}

/** Returns the ids of all entries of the caller, in pages of two. */
async function pages(): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const query: { limit: number; cursor?: string } = cursor === null ? { limit: 2 } : { limit: 2, cursor };
    const { data } = await listApontamentos({ query, throwOnError: true });
    ids.push(...data.items.map((entry) => entry.id));
    cursor = data.next_cursor;
  } while (cursor !== null);
  return ids;
}

const before = await pages();
const headers = { "Idempotency-Key": `"${crypto.randomUUID()}"` };
const log = () => createApontamento({ headers, body: halfAnHour(day(-1)), throwOnError: true });
const { data: first } = await log();
const repeated = await log();
assert.equal(repeated.data.id, first.id);
assert.equal(repeated.response.headers.get("Idempotency-Replayed"), "true");
assert.equal(first.duracao_horas, 0.5);

const path = { apontamento_id: first.id };
const shown = await getApontamento({ path, throwOnError: true });
const etag = shown.response.headers.get("ETag");
assert.ok(etag);
const change = (duracao: string) => patchApontamento({ path, headers: { "If-Match": etag }, body: { duracao } });
assert.equal((await change("00:45")).data?.duracao, "00:45");
const { error: outdated } = await change("01:00");
assert.equal(outdated?.status, 412);
assert.equal(outdated.code, "versao_desatualizada");

const { error: invalid } = await createApontamento({ body: { ...halfAnHour(day(-1)), duracao: "25:00" } });
assert.equal(invalid?.status, 422);
assert.equal(invalid.code, "dados_invalidos");
assert.equal(invalid.errors?.[0]?.loc.at(-1), "duracao");

const after = await pages();
assert.equal(after.length, before.length + 1);
assert.equal(after.filter((id) => id === first.id).length, 1);
await deleteApontamento({ path, throwOnError: true });
assert.deepEqual(await pages(), before);
console.log("hey-api: done");
