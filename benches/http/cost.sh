#!/usr/bin/env bash
# What a request costs: processor time of the service and of PostgreSQL, endpoint by endpoint, in milliseconds of one core a request;
# and the service's memory. Two hundred thousand entries of 2,000 people in 50 organisations; authentication and write-back off,
# everything else as in production.
#
# Usage: benches/http/cost.sh [REQUESTS]      (needs oha, psql, curl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

requests=${1:-3000}
. benches/http/common.sh oha psql curl python3
plant_entries 100
serve 8096 AUTH_ENABLED=false
service=${pids[-1]} base=http://127.0.0.1:8096
projeto=$(sql -c "SELECT id FROM projetos WHERE organizacao = 'org00'")
atividade=$(sql -c "SELECT id FROM atividades WHERE nome LIKE '% org02'")
projeto_2=$(sql -c "SELECT id FROM projetos WHERE organizacao = 'org02'")
place="organization_name=org00&project_id=$projeto"
items() { for item in $(seq 400); do echo "$base/api/v1/apontamentos/work-item/$item$1?$place"; done; }
ids() { sql -c "SELECT id FROM apontamentos WHERE organizacao = '$1' ORDER BY md5(id::text) LIMIT $2" | sed "s|^|$base/api/v1/apontamentos/|"; }
items '' >"$work/items"
items /resumo >"$work/resumo"
ids org00 2000 >"$work/get"
ids org01 4000 >"$work/put"
echo "$base/health" >"$work/health"
echo "$base/api/v1/projetos" >"$work/projetos"
echo "$base/api/v1/atividades?limit=20" >"$work/atividades"
echo "$base/api/v1/apontamentos" >"$work/post"
for n in $(seq 4000); do
    printf '{"data_apontamento":"%s","duracao":"00:01","id_atividade":"%s","work_item_id":%d,"project_id":"%s","organization_name":"org02"}\n' \
        "$(date -d "2025-01-01 + $((n % 300)) days" +%F)" "$atividade" $((1 + n % 400)) "$projeto_2"
done >"$work/bodies"

postmaster=$(head -1 "$work/d/pgdata/postmaster.pid")
cost() { # name, urls, oha's options
    local name=$1 urls=$2 service_before postgres_before
    shift 2
    service_before=$(ticks "$service") postgres_before=$(ticks "$postmaster")
    oha --no-tui --urls-from-file -n "$requests" -c 4 --output-format json "$@" "$work/$urls" >"$work/out.json"
    python3 - "$name" "$work/out.json" "$requests" "$hertz" $(($(ticks "$service") - service_before)) \
        $(($(ticks "$postmaster") - postgres_before)) "$(awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$service/status")" <<'PY'
import json, sys
name, out, n, hertz, service, postgres, resident = sys.argv[1:]
codes = json.load(open(out))["statusCodeDistribution"]
bad = {code: count for code, count in codes.items() if not code.startswith("2")}
each = 1000 / float(hertz) / float(n)
print(f"{name:34} service {float(service) * each:6.3f} ms  PostgreSQL {float(postgres) * each:6.3f} ms  "
      f"together {(float(service) + float(postgres)) * each:6.3f} ms  resident {float(resident):5.1f} MiB  not 2xx: {bad or 'none'}")
PY
}
for urls in health atividades items resumo get; do
    oha --no-tui --urls-from-file -n 500 -c 8 "$work/$urls" >/dev/null
done
cost 'GET  /health' health
cost 'GET  /projetos (50)' projetos
cost 'GET  /atividades?limit=20' atividades
cost 'GET  /apontamentos/{id}' get
cost 'GET  /work-item/{id} (10)' items
cost 'GET  /work-item/{id}/resumo' resumo
cost 'PUT  /apontamentos/{id}' put -m PUT -T application/json -d '{"duracao": "00:20"}'
cost 'POST /apontamentos' post -m POST -T application/json -Z "$work/bodies"
