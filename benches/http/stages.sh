#!/usr/bin/env bash
# The seed's load profile: 0 to 300 requests/s, 500, 1,000, 1,500 and back to 0 in stages of 5, 15, 13, 7 and 4 minutes, here so many times
# as fast; then a minute at 1,500/s. One service, the mix of a frontend, 200,000 entries. Exit 1 unless fewer than 1 % fail and
# 95 % of each stage take less than 300 ms, and at the steady 1,500/s less than 20 ms.
#
# The seed counts people who ask once a second; here requests are counted, which a slow service cannot slow down.
#
# Usage: benches/http/stages.sh [TIMES] [STEADY_SECONDS]      (needs psql, curl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

times=${1:-20} steady=${2:-60}
. benches/http/common.sh psql curl python3
serve_mix
postmaster=$(head -1 "$work/d/pgdata/postmaster.pid")

plan=$(python3 -c '
import sys
times, steady = map(float, sys.argv[1:])
stages = [(5, 300), (15, 500), (13, 1000), (7, 1500), (4, 0)]
print(",".join(f"{minutes * 60 / times:g}:{rate}" for minutes, rate in stages) + f",{steady:g}:=1500")' "$times" "$steady")
echo "$(sql -c 'SELECT count(*) FROM apontamentos') entries; one service, one PostgreSQL, the client beside them, $(nproc) cores"
before=$(ticks "$server" "$postmaster")
"$load" http://127.0.0.1:8096 "$work/data.json" "$plan" >"$work/load.txt"
cpu=$(($(ticks "$server" "$postmaster") - before))
sed '$d' "$work/load.txt"
results=benches/results/stages-$(date +%F).json
python3 - "$work/load.txt" "$cpu" "$hertz" "$(resident "$server" VmHWM)" "$results" "$(git log -1 --format=%h)" "$(lscpu | sed -n 's/^Model name: *//p')" <<'PY'
import json, sys
load, cpu, hertz, resident, results, commit, model = sys.argv[1:]
told = json.loads(open(load).read().splitlines()[-1])
stages, steady = told[:6], told[5]
requests, failed = (sum(stage[key] for stage in stages) for key in ("requests", "failed"))
cpu = float(cpu) / float(hertz) / requests * 1000
print(f"CPU of service and PostgreSQL: {cpu:.3f} s/1,000 requests; resident at its peak: {resident} MiB")
json.dump({"commit": commit, "machine": model, "cpu_s_per_1000": cpu, "resident_mib": float(resident), "lines": told}, open(results, "w"), indent=1)
broken = [f"p95 of {stage['title']} is {stage['p95_ms']:.1f} ms" for stage in stages if stage["p95_ms"] >= 300]
if steady["p95_ms"] >= 20:
    broken.append(f"p95 of {steady['title']} is {steady['p95_ms']:.1f} ms")
if failed * 100 >= requests:
    broken.append(f"{failed} of {requests} failed")
if broken:
    raise SystemExit("FAILED: " + "; ".join(broken))
PY
