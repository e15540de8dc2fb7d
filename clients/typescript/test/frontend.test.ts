/** The frontend's way through its pages: the caller, the team's sprint, the week, half an hour, the week again. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { type ApontaClient, idempotencyKey, type Schemas, unwrap } from "../src/index.js";
import { ACTIVITY, connect, ORGANIZATION, PROJECT } from "./service.js";

type Week = Schemas["FolhaResponse"];
type Node = Schemas["NoResponse"];

const WORK_ITEM = 4711;

/** Returns a node of the tree of work items. */
function find(nodes: Node[], id: number): Node | undefined {
  for (const node of nodes) {
    const found = node.id === id ? node : find(node.children, id);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

/** Returns the hours that a week shows for today on the work item. */
function today(week: Week): { data: string; horas: number; entries: string[] } {
  const node = find(week.work_items, WORK_ITEM);
  const found = node?.dias.find((dia) => dia.eh_hoje);
  assert.ok(node && found, "the week shows the work item and today");
  return {
    data: found.data,
    horas: node.total_semana_horas,
    entries: found.apontamentos.map((entry) => entry.id),
  };
}

async function week(aponta: ApontaClient, team: string, iteration: string | null): Promise<Week> {
  const query = {
    organization_name: ORGANIZATION,
    project_id: PROJECT,
    team_id: team,
    ...(iteration === null ? {} : { iteration_id: iteration }),
  };
  return (await unwrap(aponta.GET("/api/v1/timesheet", { params: { query } }))).data;
}

test("half an hour logged in the week is shown there and goes with its entry", async () => {
  const aponta = connect();
  const project = { organization_name: ORGANIZATION, project_id: PROJECT };

  const { data: user } = await unwrap(aponta.GET("/api/v1/user"));
  assert.ok(user.displayName.length > 0);
  const { data: teams } = await unwrap(aponta.GET("/api/v1/teams", { params: { query: project } }));
  const team = teams.default_team_id ?? teams.teams[0]?.id;
  assert.ok(team);
  const query = { ...project, team_id: team };
  const { data: sprints } = await unwrap(aponta.GET("/api/v1/iterations", { params: { query } }));
  const before = await week(aponta, team, sprints.current_iteration_id);
  assert.ok(before.semana_label.length > 0);
  const shown = today(before);

  const search = { ...project, query: "CEP", limit: 10 };
  const { data: found } = await unwrap(aponta.GET("/api/v1/work-items/search", { params: { query: search } }));
  assert.ok(found.results.every((item) => item.title.length > 0));
  const active = { ativo: true };
  const { data: activities } = await unwrap(aponta.GET("/api/v1/atividades", { params: { query: active } }));
  assert.ok(activities.items.some((activity) => activity.id === ACTIVITY));

  const { data: entry } = await unwrap(
    aponta.POST("/api/v1/apontamentos", {
      params: { header: { "Idempotency-Key": idempotencyKey() } },
      body: {
        ...project,
        work_item_id: WORK_ITEM,
        id_atividade: ACTIVITY,
        data_apontamento: shown.data,
        duracao: "00:30",
      },
    }),
  );
  assert.equal(entry.usuario_nome, user.displayName);

  const after = today(await week(aponta, team, sprints.current_iteration_id));
  assert.equal(after.horas, shown.horas + 0.5);
  assert.deepEqual(after.entries.filter((id) => !shown.entries.includes(id)), [entry.id]);

  const path = { apontamento_id: entry.id };
  await unwrap(aponta.DELETE("/api/v1/apontamentos/{apontamento_id}", { params: { path } }));
  assert.equal(today(await week(aponta, team, sprints.current_iteration_id)).horas, shown.horas);
});
