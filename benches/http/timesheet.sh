#!/usr/bin/env bash
# A week of 300 work items and 500 entries: what it takes to put it together and write it, once Azure DevOps has told what it knows.
# Drives GET /api/v1/timesheet with one client, so that latency is work and not waiting, and says how often Azure DevOps was
# asked.
#
# Usage: benches/http/timesheet.sh [SECONDS]      (needs oha, psql, curl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-10}
. benches/http/common.sh oha psql curl python3

# Stands in for Azure DevOps: Ada, an epic, 29 stories and 270 tasks under them.
python3 - "$work/asked" <<'PY' &
import collections, http.server, json, sys
ADA = {"id": "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d", "displayName": "Ada", "uniqueName": "ada@contoso.example"}
asked = collections.Counter()
def item(id):
    kind, parent = ("Epic", None) if id == 1 else ("User Story", 1) if id <= 30 else ("Task", 2 + id % 29)
    fields = {"System.TeamProject": "Portal", "System.WorkItemType": kind, "System.State": "Doing", "System.Title": f"Item {id} da semana",
              "System.AssignedTo": ADA, "Microsoft.VSTS.Scheduling.OriginalEstimate": 8.0, "Microsoft.VSTS.Scheduling.CompletedWork": 2.5}
    if parent: fields["System.Parent"] = parent
    return {"id": id, "rev": 3, "fields": fields, "url": f"https://dev.azure.com/contoso/_apis/wit/workItems/{id}"}
class Azure(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body):
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        open(sys.argv[1], "w").write(json.dumps(asked))
    def do_GET(self):
        name = self.path.split("?")[0].rsplit("/", 1)[1]
        asked[name] += 1
        if name == "workitemtypes":
            states = [{"name": "Doing", "category": "InProgress"}, {"name": "Done", "category": "Completed"}]
            self.answer({"value": [{"name": n, "states": states, "fields": []} for n in ("Epic", "User Story", "Task")]})
        else:
            self.answer({"authenticatedUser": {**ADA, "providerDisplayName": "Ada", "properties": {"Account": {"$value": ADA["uniqueName"]}}},
                         "instanceId": "2ad38d1e-3eaf-4769-931c-3a2da67bbb01"})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = self.path.split("?")[0].rsplit("/", 1)[1]
        asked[name] += 1
        if name == "wiql":
            self.answer({"workItemRelations": [{"target": {"id": id}} for id in range(1, 301)]})
        else:
            self.answer({"value": [item(id) for id in body["ids"]]})
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8097), Azure).serve_forever()
PY
pids+=($!)

sql <<'SQL'
INSERT INTO projetos (id, external_id, nome, organizacao)
    VALUES ('6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001', '6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001', 'Portal', 'contoso');
INSERT INTO atividades (id, nome) VALUES ('01932b5c-7c00-7000-8000-000000000001', 'Codificação');
INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade, usuario_id, usuario_nome)
    SELECT gen_random_uuid(), 'contoso', '6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001', 31 + n % 270, '2026-01-12'::date + n % 7, 1 + n % 15,
           '01932b5c-7c00-7000-8000-000000000001', '3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d', 'Ada'
      FROM generate_series(1, 500) n;
VACUUM ANALYZE;
SQL

serve 8098 AZURE_DEVOPS_PROBE_INTERVAL=0 AZURE_DEVOPS_ORG_URL=http://127.0.0.1:8097/contoso

path="http://127.0.0.1:8098/api/v1/timesheet?organization_name=contoso&project_id=Portal&week_start=2026-01-12"
first=$(curl -s -o "$work/week.json" -w '%{time_total}' -H "Authorization: Bearer $token" "$path")
python3 - "$work/week.json" "$work/asked" "$first" <<'PY'
import json, sys
week = json.load(open(sys.argv[1]))
print(f"{week['total_work_items']} work items, {week['total_geral_formatado']} hours, {len(open(sys.argv[1]).read()) / 1e3:.0f} kB")
print(f"first: {float(sys.argv[3]) * 1e3:.1f} ms; Azure DevOps was asked {json.load(open(sys.argv[2]))}")
PY
oha --no-tui -c 1 -z "${seconds}s" -H "Authorization: Bearer $token" --output-format json "$path" >"$work/out.json"
python3 - "$work/out.json" "$work/asked" "$work/serve-8098.log" <<'PY'
import json, sys
out = json.load(open(sys.argv[1]))
p = out["latencyPercentiles"]
print(f"warm, at the client:  {out['summary']['requestsPerSec']:.0f}/s  p50 {p['p50'] * 1e3:.2f} ms  p99 {p['p99'] * 1e3:.2f} ms  {out['statusCodeDistribution']}")
# The first one, which asked Azure DevOps, is left out.
took = sorted(event["elapsed_ms"] for event in map(json.loads, open(sys.argv[3])) if "timesheet" in json.dumps(event) and "elapsed_ms" in event)[:-1]
print(f"warm, in the service: {len(took)} requests  p50 {took[len(took) // 2]:.2f} ms  p99 {took[len(took) * 99 // 100]:.2f} ms  (log: elapsed_ms)")
print(f"Azure DevOps was asked {json.load(open(sys.argv[2]))}")
PY
