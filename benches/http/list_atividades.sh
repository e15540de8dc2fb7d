#!/usr/bin/env bash
# How much of what PostgreSQL itself delivers reaches the client: GET /api/v1/atividades?limit=100 of a release build
# against pgbench with the same statements, the same connections and the same data, in turns, in one run.
#
# Usage: benches/http/list_atividades.sh [ROUNDS] [SECONDS]      (needs wrk, pgbench, psql, jq, curl)
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-3} seconds=${2:-10}
connections=8 clients=32
work=$(mktemp -d) && chmod 755 "$work"
port=8099
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -INT "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

for tool in wrk pgbench psql jq curl; do
    command -v "$tool" >/dev/null || { echo "this needs $tool" >&2; exit 1; }
done
cargo build --release --locked --quiet
aponta=target/release/aponta

"$aponta" dev --only-database --data-dir "$work/d" >"$work/database.log" 2>&1 &
pids+=($!)
until url=$(grep -m1 '^postgres://' "$work/database.log"); do sleep 0.1; done
export PGOPTIONS='-c search_path=api_aponta'
libpq=$(sed 's/%2F/\//g' <<<"$url")
DATABASE_URL=$url RUST_LOG=warn "$aponta" migrate

# 100 activities with 1 to 3 projects each.
psql -q -v ON_ERROR_STOP=1 "$libpq" <<'SQL'
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
ids=$(psql -qAt "$libpq" -c "SELECT quote_literal(array_agg(id)) || '::uuid[]' FROM atividades")
{
    statement 'WITH matching' | sed 's/\$1::boolean/NULL::boolean/; s/\$2::uuid/NULL::uuid/; s/= \$1/= NULL::boolean/
        s/= \$2/= NULL::uuid/g; s/\$5::text\[\]/NULL::text[]/; s/ANY (\$5)/ANY (NULL::text[])/; s/LIMIT \$3/LIMIT 100/; s/OFFSET \$4/OFFSET 0/; $s/$/;/'
    statement 'SELECT ap.id_atividade AS "id_atividade' | sed "s/ANY(\$1)/ANY($ids)/; s/\$2::text\[\]/NULL::text[]/; s/ANY (\$2)/ANY (NULL::text[])/; \$s/$/;/"
} >"$work/list.sql"
[ "$(grep -c ';$' "$work/list.sql")" = 2 ] && ! grep -q '\$' "$work/list.sql" ||
    { echo "the statements were not found or a parameter was not replaced" >&2; exit 1; }

env -u PGOPTIONS DATABASE_URL="$url" ENVIRONMENT=development AUTH_ENABLED=false API_HOST=127.0.0.1 API_PORT=$port \
    RATE_LIMIT_ENABLED=false DATABASE_POOL_MIN=$connections DATABASE_POOL_MAX=$connections LOG_FORMAT=json \
    SHUTDOWN_DELAY_SECONDS=0 "$aponta" serve >"$work/serve.log" 2>&1 &
server=$!
pids+=("$server")
endpoint="http://127.0.0.1:$port/api/v1/atividades?limit=100"
until curl -sf "http://127.0.0.1:$port/ready" >/dev/null; do sleep 0.1; done
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
