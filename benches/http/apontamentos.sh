#!/usr/bin/env bash
# Time entries among a million: each endpoint alone at a steady 200 requests/s (open model: a late answer delays no request), with a
# million entries of 2,000 users on 20,000 work items in 50 organisations. Prints p50, p99 and errors of each, and
# how often PostgreSQL read a whole table meanwhile (it must not).
#
# Reads are those of a member of one organisation, authentication on, row-level security and all. Writes run without
# Azure DevOps, whose time is not ours: authentication off, no organisation configured.
#
# Usage: benches/http/apontamentos.sh [SECONDS] [RATE]      (needs oha, psql, curl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-10} rate=${2:-200}
. benches/http/common.sh oha psql curl python3
azure_knows_ada 00000000-0000-4000-8000-000000000000

echo "planting a million entries ..."
plant_entries 500
echo "$(sql -c 'SELECT count(*) FROM apontamentos') entries, $(sql -c "SELECT pg_size_pretty(pg_total_relation_size('apontamentos'))") with their indexes"

serve 8098 AUTH_ENABLED=true AZURE_DEVOPS_ORG_URL=http://127.0.0.1:8097/org00
serve 8099 AUTH_ENABLED=false
read_at=http://127.0.0.1:8098/api/v1/apontamentos write_at=http://127.0.0.1:8099/api/v1/apontamentos
projeto=$(sql -c "SELECT id FROM projetos WHERE organizacao = 'org00'")
atividade=$(sql -c "SELECT id FROM atividades WHERE nome LIKE '% org00'")
place="organization_name=org00&project_id=$projeto"

items() { for item in $(seq 400); do echo "$read_at/work-item/$item$1?$place"; done; }
ids() { sql -c "SELECT id FROM apontamentos WHERE organizacao = '$1' ORDER BY md5(id::text) LIMIT $2"; }
items '' >"$work/work-item"
items /resumo >"$work/resumo"
ids org00 2000 | sed "s|^|$read_at/|" >"$work/get"
for month in 01 02 03 04 05 06; do echo "$read_at?data_inicio=2026-$month-01&data_fim=2026-$month-28"; done >"$work/month"
echo "$read_at?limit=100" >"$work/list"
echo "${read_at%/apontamentos}/integracao/sincronizacao" >"$work/status"
ids org01 20000 | sed "s|^|$write_at/|" >"$work/put"
ids org02 $((rate * seconds + 100)) | sed "s|^|$write_at/|" >"$work/delete"
echo "$write_at" >"$work/post"
for n in $(seq 2000); do
    printf '{"data_apontamento":"%s","duracao":"00:01","id_atividade":"%s","work_item_id":%d,"project_id":"%s","organization_name":"org00"}\n' \
        "$(date -d "2025-01-01 + $((n % 300)) days" +%F)" "$atividade" $((1 + n % 400)) "$projeto"
done >"$work/bodies"

measure() { # name, urls, oha's options
    local name=$1 urls=$2
    shift 2
    oha --no-tui --urls-from-file --latency-correction -q "$rate" -z "${seconds}s" -c 16 -H "Authorization: Bearer $token" \
        --output-format json "$@" "$work/$urls" >"$work/out.json" 2>"$work/oha.err" || { cat "$work/oha.err" >&2; exit 1; }
    python3 - "$name" "$work/out.json" <<'PY'
import json, sys
out = json.load(open(sys.argv[2]))
codes = out["statusCodeDistribution"]
bad = {code: n for code, n in codes.items() if not code.startswith("2")}
bad.update({e: n for e, n in out["errorDistribution"].items() if "deadline" not in e})
p = out["latencyPercentiles"]
print(f"{sys.argv[1]:34} {out['summary']['requestsPerSec']:6.0f}/s  p50 {p['p50'] * 1e3:6.2f} ms  p99 {p['p99'] * 1e3:6.2f} ms  not 2xx: {bad or 'none'}")
PY
}
scans() { sql -c "SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_user_tables WHERE relname IN ('apontamentos', 'write_back', 'minutos_do_dia', 'idempotencia')"; }
all() {
    measure 'GET  /apontamentos (500 of mine)' list
    measure 'GET  /apontamentos (a month)' month
    measure 'GET  /apontamentos/{id}' get
    measure 'GET  /work-item/{id}' work-item
    measure 'GET  /work-item/{id}/resumo' resumo
    measure 'GET  /integracao/sincronizacao' status
    measure 'PUT  /apontamentos/{id}' put -m PUT -T application/json -d '{"duracao": "00:20"}'
    measure 'POST /apontamentos' post -m POST -T application/json -Z "$work/bodies"
    # Addresses are drawn at random; one that is drawn again is gone.
    measure 'DELETE /apontamentos/{id}' delete -m DELETE
}
seconds_of_run=$seconds
seconds=2; for urls in list month get work-item resumo; do measure warm-up $urls >/dev/null; done; seconds=$seconds_of_run
sleep 1; before=$(scans)
all
sleep 1
echo "whole tables read meanwhile: $(($(scans) - before))"
