"""Drives the seed's mix through nginx while replicas are killed, restarted and rolled, and says what the clients noticed. The data and the
database are benches/http/replicas.sh's, which starts this.

Usage: rolling.py SECONDS RATE FOLDER BINARY LOAD DATABASE_URL DATA.json
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

from stack import EDGE, NAME, Nginx, Replica, free_ports

P95_MS = 50
# To the database, of each replica. Two cores cannot use more than these dozen at once; more would only wait inside PostgreSQL, and each
# plans every statement anew when its replica starts.
CONNECTIONS = 4
# Of each replica: what tokio takes for itself under the limit of one core that docker-compose.yml sets.
THREADS = 1
# Seconds before anything counts: at a fifth of the rate, and on the way up to it.
WARM, RISE = 3, 5


def processor():
    """Seconds that the processes which live now have used, by the program's name."""
    used = collections.Counter()
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = path.read_text().split("(", 1)[1].rsplit(") ", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        used[name] += sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")
    return used


class Story:
    """What happens to the servers meanwhile."""

    def __init__(self, nginx, replicas, seconds, rate):
        self.nginx, self.replicas, self.seconds, self.rate, self.start = nginx, replicas, seconds, rate, time.monotonic() + WARM + RISE

    def say(self, text):
        print(f"{time.monotonic() - self.start:6.1f} s  {text}", flush=True)

    def until(self, share):
        time.sleep(max(0, self.start + share * self.seconds - time.monotonic()))

    def quiet(self):
        """Who needs how much of the machine while nothing happens."""
        self.until(0.02)
        before = processor()
        self.until(0.19)
        used = processor() - before
        parts = ", ".join(f"{name} {seconds / (0.17 * self.seconds * self.rate) * 1e3:.2f}" for name, seconds in used.most_common(4))
        self.say(f"ms of processor a request: {parts}")

    def tell(self):
        self.quiet()
        victim = self.replicas[0]
        self.until(0.2)
        self.say("a replica is killed (SIGKILL)")
        victim.process.kill()
        victim.process.wait()
        self.until(0.3)
        victim.start()
        victim.wait_ready()
        self.say("it is back")
        self.until(0.45)
        self.nginx.reload()
        self.say("nginx has reloaded its configuration")
        for number, replica in enumerate(self.replicas, 1):
            # One after the other, and not before the one before has found its feet (`minReadySeconds`).
            self.until(0.45 + 0.12 * number)
            replica.stop()
            replica.start()
            replica.wait_ready()
            self.say(f"replica {number} of {len(self.replicas)} was stopped (SIGTERM) and is back")


def drive(seconds, rate, nginx, replicas, load, data):
    """The report of the client."""
    plan = f"{WARM}:={rate / 5:g},{RISE}:{rate:g},{seconds:g}:={rate:g}"
    client = subprocess.Popen([load, f"https://{NAME}:{nginx.https}", data, plan, nginx.certificate, EDGE], stdout=subprocess.PIPE, text=True)
    try:
        Story(nginx, replicas, seconds, rate).tell()
        if client.poll() is not None:
            raise SystemExit("FAILED: the client was done before everything had happened")
        said, _ = client.communicate(timeout=seconds + 120)
    finally:
        client.kill()
    if client.returncode != 0:
        raise SystemExit(f"FAILED: the client ended with {client.returncode}")
    return said.splitlines()


def judge(lines):
    print("\n".join(lines[2:-1]))
    # The first two lines are the warm-up.
    warm, rise, *told = json.loads(lines[-1])
    broken = [f"p95 of {line['title']} is {line['p95_ms']:.1f} ms" for line in told if line["p95_ms"] >= P95_MS]
    broken += [f"{line['failed']} failed in {line['title']}" for line in (warm, rise, told[0]) if line["failed"]]
    if broken:
        raise SystemExit("FAILED: " + "; ".join(broken))


def main():
    seconds, rate, folder, binary, load, url, data = sys.argv[1:]
    environment = {
        "DATABASE_URL": url, "AUTO_MIGRATE": "false", "AUTH_ENABLED": "false", "ALLOW_INSECURE_AUTH": "true", "WRITEBACK_MODE": "off",
        "ENTRY_WHEN_UPSTREAM_DOWN": "accept", "DATABASE_POOL_MIN": str(CONNECTIONS), "DATABASE_POOL_MAX": str(CONNECTIONS),
        "TOKIO_WORKER_THREADS": str(THREADS)}
    replicas = [Replica(binary, folder, port, environment) for port in free_ports(3)]
    nginx = Nginx(folder, [replica.port for replica in replicas])
    try:
        for replica in replicas:
            replica.start()
        for replica in replicas:
            replica.wait_ready()
        nginx.start()
        judge(drive(float(seconds), float(rate), nginx, replicas, load, data))
    finally:
        nginx.stop()
        for replica in replicas:
            replica.stop(10)


if __name__ == "__main__":
    main()
