#!/usr/bin/env bash
# How much of what PostgreSQL itself delivers reaches the client: GET /api/v1/atividades?limit=100 of a release build
# against pgbench with the same statements, the same connections and the same data, in turns, in one run.
#
# Usage: benches/http/list_atividades.sh [ROUNDS] [SECONDS]      (needs wrk, pgbench, psql, jq, curl)
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-3} seconds=${2:-10}
connections=8 clients=32 port=8099
. benches/http/common.sh wrk pgbench psql jq curl
export PGOPTIONS='-c search_path=api_aponta'

# 100 activities with 1 to 3 projects each.
sql <<'SQL'
INSERT INTO projetos (id, external_id, nome)
SELECT id, id, 'Projeto ' || n FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 20) n) p;
INSERT INTO atividades (id, nome, descricao, criado_por)
SELECT gen_random_uuid(), 'Atividade ' || n, 'Descrição da atividade ' || n, 'ana@contoso.com' FROM generate_series(1, 100) n;
INSERT INTO atividade_projeto (id_atividade, id_projeto, posicao)
SELECT a.id, p.id, p.n
  FROM (SELECT id, row_number() OVER (ORDER BY nome) AS n FROM atividades) a
  CROSS JOIN LATERAL (SELECT id, row_number() OVER (ORDER BY nome) AS n FROM projetos
                       ORDER BY md5(id::text || a.n) LIMIT 1 + a.n % 3) p;
VACUUM ANALYZE;
SQL

# The statements are the service's own, with the values that this request gives to their parameters.
statement() { jq -r --arg start "$1" '.query | select(startswith($start))' .sqlx/*.json; }
ids=$(sql -c "SELECT quote_literal(array_agg(id)) || '::uuid[]' FROM atividades")
{
    statement 'WITH matching' | sed 's/\$1::boolean/NULL::boolean/; s/\$2::uuid/NULL::uuid/; s/= \$1/= NULL::boolean/
        s/= \$2/= NULL::uuid/g; s/\$5::text\[\]/NULL::text[]/; s/ANY (\$5)/ANY (NULL::text[])/; s/LIMIT \$3/LIMIT 100/; s/OFFSET \$4/OFFSET 0/; $s/$/;/'
    statement 'SELECT ap.id_atividade AS "id_atividade' | sed "s/ANY(\$1)/ANY($ids)/; s/\$2::text\[\]/NULL::text[]/; s/ANY (\$2)/ANY (NULL::text[])/; \$s/$/;/"
} >"$work/list.sql"
[ "$(grep -c ';$' "$work/list.sql")" = 2 ] && ! grep -q '\$' "$work/list.sql" ||
    { echo "the statements were not found or a parameter was not replaced" >&2; exit 1; }

serve $port AUTH_ENABLED=false
server=${pids[-1]}
endpoint="http://127.0.0.1:$port/api/v1/atividades?limit=100"
[ "$(curl -s "$endpoint" | jq '.items | length')" = 100 ]
rss() { awk -v key="$1:" '$1 == key { printf "%.1f", $2 / 1024 }' "/proc/$server/status"; }
echo "resident before load: $(rss VmRSS) MiB; answer: $(curl -s "$endpoint" | wc -c) bytes"

http_rate() { wrk -t2 -c$clients -d"$1s" --latency "$endpoint" >"$work/wrk.txt"; awk '/Requests\/sec/ { print $2 }' "$work/wrk.txt"; }
pg_rate() { pgbench -n -M prepared -c $connections -j 2 -T "$1" -f "$work/list.sql" "$libpq" 2>/dev/null | awk '/^tps/ { print $3 }'; }

http_rate 3 >/dev/null; pg_rate 3 >/dev/null   # warm-up
for ((round = 1; round <= rounds; round++)); do
    pg=$(pg_rate "$seconds")
    http=$(http_rate "$seconds")
    p50=$(awk '$1 == "50%" { print $2 }' "$work/wrk.txt") p99=$(awk '$1 == "99%" { print $2 }' "$work/wrk.txt")
    awk -v r="$round" -v p="$pg" -v h="$http" -v m="$p50" -v x="$p99" \
        'BEGIN { printf "round %d: pgbench %.0f/s  http %.0f/s  ratio %.2f  p50 %s  p99 %s\n", r, p, h, h / p, m, x }' |
        tee -a "$work/rounds.txt"
    grep -E 'Non-2xx|Socket errors' "$work/wrk.txt" || true
done
sed 's/.*ratio \([0-9.]*\).*/\1/' "$work/rounds.txt" | sort -n |
    awk '{ v[NR] = $1 } END { printf "median ratio: %.2f\n", v[int((NR + 1) / 2)] }'
echo "resident after load: $(rss VmRSS) MiB, at its peak $(rss VmHWM) MiB"
