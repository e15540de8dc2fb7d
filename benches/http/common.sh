# What the benchmarks share: a folder that goes away, a release build, a migrated database, servers, a stand-in for Azure
# DevOps. Sourced from the project's root, with the tools that the benchmark needs as arguments. Leaves $work, $aponta,
# $url, $libpq and $token.

work=$(mktemp -d) && chmod 755 "$work"
pids=()
huge_pages=$(cat /proc/sys/vm/nr_hugepages)
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
    [ "$(cat /proc/sys/vm/nr_hugepages)" = "$huge_pages" ] || echo "$huge_pages" >/proc/sys/vm/nr_hugepages
}
trap cleanup EXIT

for tool in "$@"; do
    command -v "$tool" >/dev/null || {
        echo "this needs $tool; all that benchmarks need is installed by:" >&2
        echo "apt-get install -y nginx postgresql wrk jq curl openssl python3 && cargo install --locked oha" >&2
        exit 1
    }
done
cargo build --release --locked --quiet
aponta=target/release/aponta

start_database() {
    "$aponta" dev --only-database --data-dir "$work/d" >"$work/database.log" 2>&1 &
    pids+=($!)
    until url=$(grep -m1 '^postgres://' "$work/database.log"); do sleep 0.1; done
    libpq=$(sed 's/%2F/\//g' <<<"$url")
}
start_database
DATABASE_URL=$url RUST_LOG=warn "$aponta" migrate

# A PAT's shape; the stand-ins accept any.
token=$(head -c 63 /dev/zero | tr '\0' p)

sql() { PGOPTIONS='-c search_path=api_aponta' psql -qAt -v ON_ERROR_STOP=1 "$libpq" "$@"; }

# PostgreSQL as docs/operations.md installs it: the settings of deploy/postgres/postgresql.conf, without its network, archive and log, and,
# for root, huge pages. Before anything that has an address of the database.
database_as_installed() {
    sed -nE "s/^([a-z_]+) = '?([^']*)'?$/ALTER SYSTEM SET \1 = '\2';/p" deploy/postgres/postgresql.conf |
        grep -vE ' SET (listen_addresses|tcp_|wal_level|archive_|log_)' | sql
    kill -INT "${pids[-1]}"
    wait "${pids[-1]}" || true
    # 512 MB of shared_buffers in pages of 2 MB, and what else is shared.
    [ "$(id -u)" != 0 ] || [ "$huge_pages" != 0 ] || echo 300 >/proc/sys/vm/nr_hugepages || true
    start_database
    echo "PostgreSQL: $(sql -c "SELECT string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings WHERE name IN ('shared_buffers', 'huge_pages', 'commit_delay', 'fsync')"), $(awk '/HugePages_Total/ { print $2 }' /proc/meminfo) huge pages"
}

serve() { # port, variables; its process id is the last of $pids
    local port=$1
    shift
    env DATABASE_URL="$url" ENVIRONMENT=development API_HOST=127.0.0.1 API_PORT="$port" RATE_LIMIT_ENABLED=false AUTH_CACHE_TTL=300 \
        DATABASE_POOL_MIN=8 DATABASE_POOL_MAX=8 LOG_FORMAT=json SHUTDOWN_DELAY_SECONDS=0 ENTRY_MAX_AGE_DAYS=3652059 "$@" "$aponta" serve >"$work/serve-$port.log" 2>&1 &
    pids+=($!)
    until curl -sf "http://127.0.0.1:$port/ready" >/dev/null; do sleep 0.1; done
}

# Entries of 2,000 people on 20,000 work items in 50 organisations, so many of each person.
plant_entries() { # entries a person
    sql -v each="$1" <<'SQL'
CREATE TEMPORARY TABLE org AS
    SELECT n, format('org%s', lpad(n::text, 2, '0')) AS nome, gen_random_uuid() AS projeto, gen_random_uuid() AS atividade
      FROM generate_series(0, 49) n;
INSERT INTO projetos (id, external_id, nome, organizacao) SELECT projeto, projeto, 'Projeto ' || nome, nome FROM org;
INSERT INTO atividades (id, nome) SELECT atividade, 'Codificação ' || nome FROM org;
INSERT INTO atividade_projeto (id_atividade, id_projeto) SELECT atividade, projeto FROM org;
INSERT INTO write_back (organizacao, work_item_id, id_projeto, versao_escrita, estado)
    SELECT org.nome, item, org.projeto, 1, 'sincronizado' FROM org, generate_series(1, 400) item;
INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade, usuario_id,
                          usuario_nome, versao_escrita, criado_em)
    SELECT gen_random_uuid(), org.nome, org.projeto, 1 + (k * 7 + person) % 400, '2026-01-01'::date + k / 2, 15 + 15 * (k % 8),
           org.atividade, format('00000000-0000-4000-8000-%s', lpad((org.n * 40 + person)::text, 12, '0')),
           'Pessoa ' || person, 1, timestamptz '2026-01-01' + k * interval '12 hours'
      FROM org, generate_series(0, 39) person, generate_series(1, :each) k;
VACUUM ANALYZE apontamentos, minutos_do_dia, write_back, atividades, projetos, atividade_projeto;
SQL
}

# What the mix of a frontend names: a work item list's project, and where and on what entries are made and changed.
mix_data() {
    sql <<'SQL'
SELECT json_build_object(
    'projeto', (SELECT id FROM projetos WHERE organizacao = 'org00'),
    'projeto_2', (SELECT id FROM projetos WHERE organizacao = 'org02'),
    'atividade', (SELECT id FROM atividades WHERE nome LIKE '% org02'),
    'entries', (SELECT json_agg(id) FROM apontamentos WHERE organizacao = 'org01'),
    'days', (SELECT json_agg(d::date) FROM generate_series('2025-01-01'::date, '2025-10-27', '1 day') d));
SQL
}

# One service under the mix, on port 8096, PostgreSQL as installed: leaves $server, $load (the client) and $work/data.json.
serve_mix() { # variables
    cargo build --release --locked --quiet --example load
    load=target/release/examples/load
    database_as_installed
    plant_entries 100
    mix_data >"$work/data.json"
    serve 8096 AUTH_ENABLED=false WRITEBACK_MODE=off "$@"
    server=${pids[-1]}
    mkdir -p benches/results
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
        body = json.dumps({"authenticatedUser": {"id": sys.argv[1], "providerDisplayName": "Ada"},
                           "instanceId": "2ad38d1e-3eaf-4769-931c-3a2da67bbb01"}).encode()
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

# Clock ticks of a process and its children, also those that are gone: PostgreSQL has one a connection.
ticks() { python3 - "$@" <<'PY'
import os, sys
def stat(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return int(fields[1]), sum(map(int, fields[11:15]))
total, roots = 0, set(map(int, sys.argv[1:]))
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        parent, used = stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        continue
    if int(pid) in roots or parent in roots:
        total += used
print(total)
PY
}
hertz=$(getconf CLK_TCK)

# Resident memory of a process in MiB: VmRSS now, VmHWM at its peak.
resident() { awk -v key="$2:" '$1 == key { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }
