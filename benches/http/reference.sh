#!/usr/bin/env bash
# How much of what the machine itself delivers reaches the client. Reads: each endpoint of a release build against pgbench with the
# service's own statements, scope and row-level security included, over as many connections, in turns. /health: against a server that
# does nothing else. Prints a table and writes it, with what the tools said, into benches/results/.
#
# requests/s: wrk, 32 clients, one thread (two for /health). p50 to p99: oha at half that rate, an open model, corrected for coordinated
# omission. CPU: seconds of service and PostgreSQL a 1,000 requests at that rate. Start: until /ready says 200, on a migrated database.
#
# Usage: benches/http/reference.sh [ROUNDS] [SECONDS]      (needs wrk, oha, pgbench, psql, jq, curl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-3} seconds=${2:-8}
connections=8 clients=32 port=8099
. benches/http/common.sh wrk oha pgbench psql jq curl python3
cargo build --release --locked --quiet --example bare

# 100 activities with 1 to 3 projects each come first in the list.
plant_entries 20
sql <<'SQL'
INSERT INTO projetos (id, external_id, nome)
SELECT id, id, 'Projeto ' || n FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 20) n) p;
INSERT INTO atividades (id, nome, descricao, criado_por)
SELECT gen_random_uuid(), 'Atividade ' || n, 'Descrição da atividade ' || n, 'ana@contoso.com' FROM generate_series(1, 100) n;
INSERT INTO atividade_projeto (id_atividade, id_projeto, posicao)
SELECT a.id, p.id, p.n
  FROM (SELECT id, row_number() OVER (ORDER BY nome) AS n FROM atividades WHERE nome LIKE 'Atividade %') a
  CROSS JOIN LATERAL (SELECT id, row_number() OVER (ORDER BY nome) AS n FROM projetos WHERE nome LIKE 'Projeto %'
                       ORDER BY md5(id::text || a.n) LIMIT 1 + a.n % 3) p;
VACUUM ANALYZE atividades, projetos, atividade_projeto;
SQL

results=benches/results/reference-$(date +%F).txt
mkdir -p benches/results
{
    date -u '+%FT%TZ'
    git log -1 --format='commit %h'
    lscpu | grep -E '^(Model name|CPU\(s\))'
    grep MemTotal /proc/meminfo
    uname -sr
    "$aponta" --version
    sql -c 'SELECT version()'
    echo "rounds of $seconds s"
} >"$results"

# --- the reference ---

# A statement of the service by its beginning. Its parameters become variables of pgbench or literal nulls (null:type). pgbench has no
# variable that is null, and without the parameter PostgreSQL would plan less: the expression for `scope` is null only when it is evaluated.
# (Not for lists, where it would be evaluated with each row.)
statement() { # beginning, value of each parameter
    jq -r --arg start "$1" '.query | select(startswith($start))' .sqlx/*.json | python3 -c '
import re, sys
text, values = sys.stdin.read().strip(), sys.argv[1:]
def put(match):
    value = values[int(match[1]) - 1]
    if value == "scope":
        return "nullif(CAST(:scope AS text[]), \x27{}\x27)"
    return f"CAST(NULL AS {value[5:]})" if value.startswith("null:") else f":{value}"
if not text or text.count(text[:24]) > 1:
    raise SystemExit("FAILED: none or several of the statements begin so: " + text[:24])
print(re.sub(r"\$(\d+)", put, text) + ";")' "${@:2}"
}
read_as_service() { # name; the statements come on stdin
    {
        printf '\\startpipeline\nBEGIN READ ONLY;\nSET LOCAL ROLE api_aponta_app;\nSET LOCAL aponta.organizacoes = '"'*'"';\n\\endpipeline\n'
        cat
        echo 'ROLLBACK;'
    } >"$work/$1.sql"
}
page_ids=$(sql -c "SELECT array_agg(id) FROM atividades WHERE nome LIKE 'Atividade %'")
activity=$(sql -c "SELECT id FROM atividades WHERE nome = 'Atividade 50'")
entry=$(sql -c "SELECT id FROM apontamentos WHERE organizacao = 'org07' LIMIT 1")
{
    statement 'SELECT total AS "total!", id AS' null:boolean null:uuid hundred zero null:text[] null:text null:uuid
    statement 'WITH links AS MATERIALIZED (' page_ids null:text[]
} | read_as_service list
statement 'SELECT a.id AS "id: AtividadeId"' activity scope | read_as_service activity
statement 'SELECT a.id AS "id!: ApontamentoId"' entry scope | read_as_service entry
pg_rate() { # name
    PGOPTIONS="-c search_path=api_aponta -c plan_cache_mode=force_generic_plan -c jit=off" pgbench -n -M prepared -c $connections -j 2 \
        -T "$seconds" -D hundred=100 -D zero=0 -D "page_ids=$page_ids" -D "activity=$activity" -D "entry=$entry" -D 'scope={}' \
        -f "$work/$1.sql" "$libpq" >"$work/pgbench.txt" 2>&1 || { cat "$work/pgbench.txt" >&2; exit 1; }
    { echo "--- pgbench $1"; sed "s|$work/||" "$work/pgbench.txt"; } >>"$results"
    awk '/^tps/ { print $3 }' "$work/pgbench.txt"
}

# --- ours ---

serve $port AUTH_ENABLED=false
server=${pids[-1]} base=http://127.0.0.1:$port
postmaster=$(head -1 "$work/d/pgdata/postmaster.pid")
target/release/examples/bare $((port + 1)) "$(curl -s "$base/health")" &
pids+=($!)
until curl -sf "http://127.0.0.1:$((port + 1))/health" >/dev/null; do sleep 0.1; done

http_rate() { # url, threads of the client; what part of the machine the client took stands in $work/client then
    local TIMEFORMAT='%U %S'
    { time wrk -t"$2" -c$clients -d"${seconds}s" --latency "$1" >"$work/wrk.txt" 2>&1; } 2>"$work/times"
    awk -v s="$seconds" -v n="$(nproc)" '{ print ($1 + $2) / s / n }' "$work/times" >"$work/client"
    { echo "--- wrk"; cat "$work/wrk.txt"; } >>"$results"
    ! grep -E 'Non-2xx|Socket errors' "$work/wrk.txt" >&2 || exit 1
    awk '/Requests\/sec/ { print $2 }' "$work/wrk.txt"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# pgbench is the client of its statements; wrk is one beside the service, on the same processors. The second ratio leaves its part out.
# Against another server both have it, and it needs both threads to be fast enough.
compare() { # title, url, name of the reference or the reference's url, target
    local ratios=() without=() rates=() threads=1 http reference cpu
    case $3 in http*) threads=2 ;; esac
    http_rate "$2" $threads >/dev/null
    for _ in $(seq "$rounds"); do
        case $3 in http*) reference=$(http_rate "$3" $threads) ;; *) reference=$(pg_rate "$3") ;; esac
        http=$(http_rate "$2" $threads)
        rates+=("$http")
        ratios+=("$(awk -v h="$http" -v p="$reference" 'BEGIN { printf "%.3f", h / p }')")
        without+=("$(awk -v h="$http" -v p="$reference" '{ printf "%.3f", h / p / (1 - $1) }' "$work/client")")
    done
    http=$(printf '%s\n' "${rates[@]}" | median)
    cpu=$(ticks "$server" "$postmaster")
    oha --no-tui -z "${seconds}s" -q "$(awk -v h="$http" 'BEGIN { print int(h / 2) }')" -c $clients --latency-correction --output-format json "$2" >"$work/oha.json"
    cpu=$(($(ticks "$server" "$postmaster") - cpu))
    { echo "--- oha $1"; jq -c '{summary, latencyPercentiles, statusCodeDistribution}' "$work/oha.json"; } >>"$results"
    python3 - "$1" "$work/oha.json" "$http" "$cpu" "$hertz" "$(resident "$server" VmHWM)" "$4" "${ratios[*]}" "$([ $threads = 2 ] || echo "${without[@]}")" <<'PY' | tee -a "$results"
import json, sys
title, out, rate, cpu, hertz, resident, target, ratios, without = sys.argv[1:]
out = json.load(open(out))
n, p = sum(out["statusCodeDistribution"].values()), out["latencyPercentiles"]
def told(ratios):
    ratios = ratios.split()
    return f"{sorted(map(float, ratios))[len(ratios) // 2]:.2f} ({', '.join(ratios)})"
ms = "  ".join(f"{name} {p[name] * 1e3:6.2f} ms" for name in ("p50", "p95", "p99"))
print(f"{title:28} {float(rate):7.0f}/s  {ms}  CPU {float(cpu) / float(hertz) / n * 1000:6.3f} s/1,000  resident {resident:>5} MiB  "
      f"ratio {told(ratios)}; wanted {target}" + (f"; without the client {told(without)}" if without else ""))
PY
}
# What the start took in memory goes back with the first load; VmHWM then begins anew.
http_rate "$base/health" 2 >/dev/null
echo "resident at the start: $(resident "$server" VmHWM) MiB; the column below is the peak under load" | tee -a "$results"
echo 5 >"/proc/$server/clear_refs"
compare 'GET /health' "$base/health" "http://127.0.0.1:$((port + 1))/health" 0.85
compare 'GET /atividades?limit=100' "$base/api/v1/atividades?limit=100" list 0.50
compare 'GET /atividades/{id}' "$base/api/v1/atividades/$activity" activity 0.50
compare 'GET /apontamentos/{id}' "$base/api/v1/apontamentos/$entry" entry 0.50

kill "$server" && wait "$server" || true
python3 - "$aponta" "$url" $port <<'PY' | tee -a "$results"
import os, subprocess, sys, time, urllib.error, urllib.request
aponta, url, port = sys.argv[1:]
environment = {**os.environ, "DATABASE_URL": url, "ENVIRONMENT": "development", "API_HOST": "127.0.0.1", "API_PORT": port, "AUTH_ENABLED": "false",
               "LOG_FORMAT": "json", "SHUTDOWN_DELAY_SECONDS": "0"}
took = []
for _ in range(5):
    start = time.monotonic()
    process = subprocess.Popen([aponta, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5).read()
            break
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.002)
    took.append((time.monotonic() - start) * 1e3)
    process.terminate()
    process.wait()
print(f"start to ready: {sorted(took)[2]:.0f} ms ({', '.join(f'{ms:.0f}' for ms in took)}; wanted at most 150)")
PY
echo "written to $results"
