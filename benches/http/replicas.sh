#!/usr/bin/env bash
# Three replicas behind nginx under the seed's mix (grid 40 %, item list 20 %, create 20 %, update 10 %, summary 10 %) while one is
# killed (-9) and restarted, nginx reloads, and all replicas are rolled by SIGTERM. Prints p50, p95, p99 and errors of each operation; exit 1
# if a p95 reaches 50 ms, a request fails or the rate is not kept.
#
# Open model over TLS: times count from when a request was due. 300 people of 5 requests/s at 1,500/s, each with an address of their own
# that the client names as an edge of Cloudflare would, so that the limits of nginx and the service stay as in production. Authentication and
# write-back are off (Azure DevOps' time is not ours); the list of activities stands for the grid. As real clients do, a POST that a
# killed replica left unanswered is sent again under its Idempotency-Key, and a request whose kept connection had closed goes over another
# one; both are counted apart.
#
# Usage: benches/http/replicas.sh [SECONDS] [RATE]      (needs nginx, psql, curl, openssl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-120} rate=${2:-1500}
export PATH=$PATH:/usr/sbin PYTHONDONTWRITEBYTECODE=1
. benches/http/common.sh nginx psql curl openssl python3

cargo build --release --locked --quiet --example load
database_as_installed
plant_entries 100
mix_data >"$work/data.json"
echo "$(sql -c 'SELECT count(*) FROM apontamentos') entries; $rate requests/s for $seconds s through $(nginx -v 2>&1), 3 replicas, one PostgreSQL, $(nproc) cores"
python3 nginx/tests/rolling.py "$seconds" "$rate" "$work" "$PWD/$aponta" "$PWD/target/release/examples/load" "$url" "$work/data.json"
