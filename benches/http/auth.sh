#!/usr/bin/env bash
# What authentication costs once the caller is known: GET /api/v1/projetos with a PAT whose proof is remembered, against
# the same without authentication; two servers on one database, driven in turns, in one run.
#
# Usage: benches/http/auth.sh [ROUNDS] [SECONDS]      (needs wrk, psql, curl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-3} seconds=${2:-10}
clients=32
work=$(mktemp -d) && chmod 755 "$work"
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

for tool in wrk psql curl python3; do
    command -v "$tool" >/dev/null || { echo "this needs $tool" >&2; exit 1; }
done
cargo build --release --locked --quiet
aponta=target/release/aponta

# Stands in for Azure DevOps: everybody is Ada; says how often it was asked.
python3 - "$work/asked" <<'PY' &
import http.server, json, sys
class Azure(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        if self.headers.get("Authorization"):
            Azure.asked += 1
            open(sys.argv[1], "w").write(str(Azure.asked))
        body = json.dumps({"authenticatedUser": {"id": "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d", "providerDisplayName": "Ada"}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8097), Azure).serve_forever()
PY
pids+=($!)

"$aponta" dev --only-database --data-dir "$work/d" >"$work/database.log" 2>&1 &
pids+=($!)
until url=$(grep -m1 '^postgres://' "$work/database.log"); do sleep 0.1; done
libpq=$(sed 's/%2F/\//g' <<<"$url")
DATABASE_URL=$url RUST_LOG=warn "$aponta" migrate
PGOPTIONS='-c search_path=api_aponta' psql -q -v ON_ERROR_STOP=1 "$libpq" <<'SQL'
INSERT INTO projetos (id, external_id, nome, organizacao)
SELECT id, id, 'Projeto ' || n, 'contoso' FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 20) n) p;
VACUUM ANALYZE;
SQL

serve() { # port, AUTH_ENABLED
    env DATABASE_URL="$url" ENVIRONMENT=development API_HOST=127.0.0.1 API_PORT="$1" AUTH_ENABLED="$2" AUTH_CACHE_TTL=300 \
        AZURE_DEVOPS_ORG_URL=http://127.0.0.1:8097/contoso RATE_LIMIT_ENABLED=false DATABASE_POOL_MIN=8 DATABASE_POOL_MAX=8 \
        LOG_FORMAT=json SHUTDOWN_DELAY_SECONDS=0 "$aponta" serve >"$work/serve-$1.log" 2>&1 &
    pids+=($!)
    until curl -sf "http://127.0.0.1:$1/ready" >/dev/null; do sleep 0.1; done
}
serve 8098 false
serve 8099 true

# Both get the same header; one of them reads it.
token=$(head -c 63 /dev/zero | tr '\0' p)
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
