"""Drives the seed's mix through nginx while replicas are killed, restarted and rolled, and says what the clients noticed. The data and the
database are benches/http/replicas.sh's, which starts this.

Usage: rolling.py SECONDS RATE FOLDER BINARY DATABASE_URL DATA.json
"""

import asyncio
import json
import sys
import time

from load import Load, Request, percentile
from stack import EDGE, NAME, Nginx, Replica, free_ports

# Everybody asks less often than both limits allow (10/s), which stay on.
PERSONS = 300
P95_MS = 50
# Operations of ten requests: grid 40 %, item list 20 %, create 20 %, update 10 %, summary 10 %.
MIX = ("grid", "item", "create", "grid", "update", "grid", "item", "create", "grid", "summary")


class Mix:
    """Request n of the mix."""

    def __init__(self, data):
        self.data = data
        self.place = f"organization_name=org00&project_id={data['projeto']}"

    def __call__(self, n):
        person = f"198.18.{n % PERSONS // 250}.{n % PERSONS % 250 + 1}"
        operation, base = MIX[n % 10], "/api/v1/apontamentos"
        item = 1 + n * 7 % 400
        if operation == "grid":
            return Request(operation, "GET", "/api/v1/atividades?limit=20", person)
        if operation == "item":
            return Request(operation, "GET", f"{base}/work-item/{item}?{self.place}", person)
        if operation == "summary":
            return Request(operation, "GET", f"{base}/work-item/{item}/resumo?{self.place}", person)
        if operation == "update":
            entries = self.data["entries"]
            body = json.dumps({"duracao": f"00:{20 + n // 10 % 30}"}).encode()
            return Request(operation, "PUT", f"{base}/{entries[n // 10 % len(entries)]}", person, body)
        body = json.dumps({"data_apontamento": self.data["days"][n % len(self.data["days"])], "duracao": "00:01", "work_item_id": item,
                           "id_atividade": self.data["atividade"], "project_id": self.data["projeto_2"], "organization_name": "org02"}).encode()
        return Request(operation, "POST", base, person, body, key=f"rolling-{n}")


class Story:
    """What happens to the servers meanwhile."""

    def __init__(self, nginx, replicas, seconds):
        self.nginx, self.replicas, self.seconds, self.done, self.start = nginx, replicas, seconds, False, time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.start:6.1f} s  {text}", flush=True)

    async def until(self, share):
        await asyncio.sleep(max(0, self.start + share * self.seconds - time.monotonic()))

    async def tell(self):
        self.start = time.monotonic()
        run = lambda work: asyncio.get_running_loop().run_in_executor(None, work)
        victim = self.replicas[0]
        await self.until(0.2)
        self.say("a replica is killed (SIGKILL)")
        victim.process.kill()
        await run(victim.process.wait)
        await self.until(0.3)
        await run(victim.start)
        await run(victim.wait_ready)
        self.say("it is back")
        await self.until(0.45)
        await run(self.nginx.reload)
        self.say("nginx has reloaded its configuration")
        await self.until(0.55)
        for number, replica in enumerate(self.replicas, 1):
            await run(replica.stop)
            await run(replica.start)
            await run(replica.wait_ready)
            self.say(f"replica {number} of {len(self.replicas)} was stopped (SIGTERM) and is back")
        self.done = True


async def drive(seconds, rate, nginx, replicas, mix):
    warm = Load(nginx.https, NAME, nginx.certificate, EDGE)
    await warm.run(rate / 5, 3, mix)
    if warm.failed():
        raise SystemExit(f"FAILED while warming up: {dict(warm.errors)} {warm.example[-400:]}")
    load = Load(nginx.https, NAME, nginx.certificate, EDGE)
    story = Story(nginx, replicas, seconds)
    telling = asyncio.create_task(story.tell())
    # The warm-up used the first keys.
    kept = await load.run(rate, seconds, lambda n: mix(n + 1_000_000), lambda: not telling.done())
    await telling
    return load, kept


def report(load, kept, rate):
    everything = [took for values in load.took.values() for took in values]
    broken = []
    for name, values in (*sorted(load.took.items()), ("all", everything)):
        p50, p95, p99 = (percentile(values, share) * 1e3 for share in (0.5, 0.95, 0.99))
        errors = dict(load.errors[name]) if name in load.errors else {}
        count = load.failed() if name == "all" else sum(errors.values())
        print(f"{name:8} {len(values):7} requests  p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  p99 {p99:6.1f} ms  "
              f"longest {max(values) * 1e3:7.1f} ms  errors {count} {errors or ''}")
        if p95 >= P95_MS:
            broken.append(f"p95 of {name} is {p95:.1f} ms")
    for what, count in sorted(load.counts.items()):
        print(f"         {count:7} {what}")
    print(f"rate: {kept:.0f}/s of {rate:.0f}/s")
    if load.failed():
        broken.append(f"{load.failed()} errors, the last: {load.example[-300:]}")
    if kept < rate * 0.99:
        broken.append("the rate was not kept")
    if broken:
        raise SystemExit("FAILED: " + "; ".join(broken))


def main():
    seconds, rate, folder, binary, url, data = sys.argv[1:]
    environment = {
        "DATABASE_URL": url, "AUTO_MIGRATE": "false", "AUTH_ENABLED": "false", "ALLOW_INSECURE_AUTH": "true", "WRITEBACK_MODE": "off",
        "ENTRY_WHEN_UPSTREAM_DOWN": "accept", "DATABASE_POOL_MIN": "8", "DATABASE_POOL_MAX": "8"}
    replicas = [Replica(binary, folder, port, environment) for port in free_ports(3)]
    nginx = Nginx(folder, [replica.port for replica in replicas])
    try:
        for replica in replicas:
            replica.start()
        for replica in replicas:
            replica.wait_ready()
        nginx.start()
        report(*asyncio.run(drive(float(seconds), float(rate), nginx, replicas, Mix(json.load(open(data))))), float(rate))
    finally:
        nginx.stop()
        for replica in replicas:
            replica.stop(10)


if __name__ == "__main__":
    main()
