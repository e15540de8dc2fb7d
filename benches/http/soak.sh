#!/usr/bin/env bash
# Half of the load for half an hour: the service's memory, descriptors, threads and connections must not grow. One sample every ten seconds, from
# a tenth of the time on, when caches and pools are full; exit 1 if the last third lies higher than the first by more than what is
# allowed below, if a request fails, or if the pool is not whole at the end.
#
# Usage: benches/http/soak.sh [MINUTES] [RATE]      (needs psql, curl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

minutes=${1:-30} rate=${2:-750}
. benches/http/common.sh psql curl python3
serve_mix METRICS_ADDR=127.0.0.1:8095
"$load" http://127.0.0.1:8096 "$work/data.json" "5:=$((rate / 5)),$((minutes * 60)):=$rate" >"$work/load.txt" &
client=$!
pids+=($client)
results=benches/results/soak-$(date +%F).txt
python3 - "$server" $client "$minutes" "$results" <<'PY'
import os, re, sys, time, urllib.request
server, load, minutes, results = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
# What is watched, and how much more the last third may have than the first, as a share and beyond that in absolute terms.
ALLOWED = {"resident KiB": (0.05, 1024), "descriptors": (0.0, 16), "threads": (0.0, 0), "connections": (0.0, 0), "tasks": (0.0, 64)}
def metrics():
    return urllib.request.urlopen("http://127.0.0.1:8095/metrics", timeout=5).read().decode()
def total(text, name):
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.M)
    return sum(map(float, found)) if found else None
def sample():
    status = open(f"/proc/{server}/status").read()
    number = lambda key: int(re.search(rf"^{key}:\s+(\d+)", status, re.M)[1])
    text = metrics()
    return {"resident KiB": number("VmRSS"), "descriptors": len(os.listdir(f"/proc/{server}/fd")), "threads": number("Threads"),
            "connections": total(text, "db_client_connection_count"), "tasks": total(text, "aponta_tasks")}
def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False
samples, start = [], time.monotonic()
with open(results, "w") as out:
    while alive(load):
        if not alive(server):
            raise SystemExit("FAILED: the service is gone")
        took = time.monotonic() - start
        samples.append((took, sample()))
        print(f"{took:6.0f} s", samples[-1][1], file=out, flush=True)
        time.sleep(10)
kept = [values for took, values in samples if took >= minutes * 6]
third, broken = max(1, len(kept) // 3), []
mean = lambda values: sum(values) / len(values)
for name, (share, more) in ALLOWED.items():
    if kept[0][name] is None:
        raise SystemExit(f"FAILED: no metric tells of {name}")
    first, last = (mean([values[name] for values in part]) for part in (kept[:third], kept[-third:]))
    print(f"{name:14} first third {first:9.1f}  last third {last:9.1f}  most {max(values[name] for values in kept):9.1f}")
    if last > first * (1 + share) + more:
        broken.append(f"{name} grew from {first:.1f} to {last:.1f}")
if broken:
    raise SystemExit("FAILED: " + "; ".join(broken))
PY
wait $client
sed '$d' "$work/load.txt" | tee -a "$results"
tail -1 "$work/load.txt" | python3 -c 'import json, sys; told = json.load(sys.stdin); sys.exit(any(line["failed"] for line in told[:2]))' ||
    { echo "FAILED: requests failed" >&2; exit 1; }
