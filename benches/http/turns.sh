#!/usr/bin/env bash
# Compares two builds of aponta under the mix of a frontend, in turns against one database: 500, 1,000 and 1,500
# requests/s for 5 s each. Prints the CPU of the service and of PostgreSQL for 1,000 requests, p50 and p95 of each
# rate, and the mean difference with its standard error. Runs of one build differ by 14 %; turns even that out.
#
# Usage: benches/http/turns.sh BASELINE NEW [ROUNDS]      (paths of release builds; needs psql, curl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

baseline=$(realpath "$1") new=$(realpath "$2") rounds=${3:-12}
. benches/http/common.sh psql curl python3
cargo build --release --locked --quiet --example load
load=target/release/examples/load
database_as_installed
plant_entries 100
mix_data >"$work/data.json"
for build in baseline new; do
    aponta=${!build}
    [ "$build" = baseline ] && port=8096 || port=8097
    serve $port AUTH_ENABLED=false WRITEBACK_MODE=off
    declare "$build=${pids[-1]}"
done
postmaster=$(head -1 "$work/d/pgdata/postmaster.pid")

turn() { # build, port
    local process=${!1} service database
    service=$(ticks "$process") database=$(ticks "$postmaster")
    "$load" "http://127.0.0.1:$2" "$work/data.json" '5:=500,5:=1000,5:=1500' | tail -1 >"$work/load.txt"
    service=$(($(ticks "$process") - service)) database=$(($(ticks "$postmaster") - database))
    echo "$1 $service $database $(cat "$work/load.txt")" >>"$work/turns.txt"
}
for round in $(seq "$rounds"); do
    if ((round % 2)); then turn baseline 8096; turn new 8097; else turn new 8097; turn baseline 8096; fi
done

python3 - "$work/turns.txt" "$hertz" <<'PY'
import json, statistics, sys
turns = {"baseline": [], "new": []}
for line in open(sys.argv[1]):
    build, service, database, told = line.split(" ", 3)
    stages = [stage for stage in json.loads(told) if "/s" in stage["title"]]
    requests = sum(stage["requests"] for stage in stages)
    cpu = [int(ticks) / float(sys.argv[2]) / requests * 1000 for ticks in (service, database)]
    turns[build].append({"cpu": [*cpu, sum(cpu)], "stages": stages})
for build, all_turns in turns.items():
    service, database, both = (statistics.mean(turn["cpu"][n] for turn in all_turns) for n in range(3))
    def median(key):
        return ", ".join(f"{statistics.median(turn['stages'][n][key] for turn in all_turns):.2f}" for n in range(3))
    failed = sum(stage["failed"] for turn in all_turns for stage in turn["stages"])
    print(f"{build:9} CPU {both:.3f} s/1,000 (service {service:.3f}, PostgreSQL {database:.3f})  p50 {median('p50_ms')} ms  "
          f"p95 {median('p95_ms')} ms  failed {failed}")
for n, name in enumerate(("service", "PostgreSQL", "both")):
    changes = [new["cpu"][n] / old["cpu"][n] - 1 for old, new in zip(turns["baseline"], turns["new"])]
    error = statistics.stdev(changes) / len(changes) ** 0.5
    print(f"{name:10} {statistics.mean(changes):+.1%} +- {error:.1%}")
PY
