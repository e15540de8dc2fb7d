#!/usr/bin/env bash
# What authentication costs once the caller is known: GET /api/v1/projetos with a PAT whose proof is remembered, against
# the same without authentication; two servers on one database, driven in turns, in one run.
#
# Usage: benches/http/auth.sh [ROUNDS] [SECONDS]      (needs wrk, psql, curl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-3} seconds=${2:-10}
clients=32
. benches/http/common.sh wrk psql curl python3
azure_knows_ada 3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d
sql <<'SQL'
INSERT INTO projetos (id, external_id, nome, organizacao)
SELECT id, id, 'Projeto ' || n, 'contoso' FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 20) n) p;
VACUUM ANALYZE;
SQL

azure=AZURE_DEVOPS_ORG_URL=http://127.0.0.1:8097/contoso
serve 8098 AUTH_ENABLED=false $azure
serve 8099 AUTH_ENABLED=true $azure

# Both get the same header; one of them reads it.
rate() { # port, seconds
    wrk -t2 -c$clients -d"$2s" -H "Authorization: Bearer $token" "http://127.0.0.1:$1/api/v1/projetos" >"$work/wrk.txt"
    if grep -q 'Non-2xx\|Socket errors' "$work/wrk.txt"; then cat "$work/wrk.txt" >&2; return 1; fi
    awk '/Requests\/sec/ { print $2 }' "$work/wrk.txt"
}
rate 8098 3 >/dev/null; rate 8099 3 >/dev/null   # warm-up
for ((round = 1; round <= rounds; round++)); do
    off=$(rate 8098 "$seconds")
    on=$(rate 8099 "$seconds")
    awk -v r="$round" -v f="$off" -v n="$on" \
        'BEGIN { printf "round %d: off %.0f/s  on %.0f/s  ratio %.3f\n", r, f, n, n / f }' | tee -a "$work/rounds.txt"
done
sed 's/.*ratio \([0-9.]*\).*/\1/' "$work/rounds.txt" | sort -n |
    awk '{ v[NR] = $1 } END { printf "median ratio: %.3f\n", v[int((NR + 1) / 2)] }'
echo "Azure DevOps was asked about the token $(cat "$work/asked") time(s)"
