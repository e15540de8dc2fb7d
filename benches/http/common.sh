# What the benchmarks share: a folder that goes away, a release build, a migrated database, servers, a stand-in for Azure
# DevOps. Sourced from the project's root, with the tools that the benchmark needs as arguments. Leaves $work, $aponta,
# $url, $libpq and $token.

work=$(mktemp -d) && chmod 755 "$work"
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

for tool in "$@"; do
    command -v "$tool" >/dev/null || { echo "this needs $tool (oha: cargo install oha)" >&2; exit 1; }
done
cargo build --release --locked --quiet
aponta=target/release/aponta

"$aponta" dev --only-database --data-dir "$work/d" >"$work/database.log" 2>&1 &
pids+=($!)
until url=$(grep -m1 '^postgres://' "$work/database.log"); do sleep 0.1; done
libpq=$(sed 's/%2F/\//g' <<<"$url")
DATABASE_URL=$url RUST_LOG=warn "$aponta" migrate

# A PAT's shape; the stand-ins accept any.
token=$(head -c 63 /dev/zero | tr '\0' p)

sql() { PGOPTIONS='-c search_path=api_aponta' psql -qAt -v ON_ERROR_STOP=1 "$libpq" "$@"; }

serve() { # port, variables; its process id is the last of $pids
    local port=$1
    shift
    env DATABASE_URL="$url" ENVIRONMENT=development API_HOST=127.0.0.1 API_PORT="$port" RATE_LIMIT_ENABLED=false AUTH_CACHE_TTL=300 \
        DATABASE_POOL_MIN=8 DATABASE_POOL_MAX=8 LOG_FORMAT=json SHUTDOWN_DELAY_SECONDS=0 "$@" "$aponta" serve >"$work/serve-$port.log" 2>&1 &
    pids+=($!)
    until curl -sf "http://127.0.0.1:$port/ready" >/dev/null; do sleep 0.1; done
}

# Azure DevOps on port 8097 where everybody is Ada with that id. Counts in $work/asked how often it was asked who somebody is.
azure_knows_ada() { # id
    python3 - "$1" "$work/asked" <<'PY' &
import http.server, json, sys
class Azure(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        if self.headers.get("Authorization"):
            Azure.asked += 1
            open(sys.argv[2], "w").write(str(Azure.asked))
        body = json.dumps({"authenticatedUser": {"id": sys.argv[1], "providerDisplayName": "Ada"}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8097), Azure).serve_forever()
PY
    pids+=($!)
}
