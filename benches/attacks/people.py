"""Clients that do nothing wrong, in a process of their own: eight known members, a new member each second,
and a monitor that asks for `/health`.

Each request is sent when it is due, whatever became of those before, and its time counts from then. Standard
output gets one JSON array per request: when it was due (the machine's monotonic clock), the client's role,
milliseconds, and the status, or how it failed instead. Ends on SIGTERM, when all requests are answered.

Usage: people.py PORT"""

import asyncio
import json
import random
import signal
import sys
import time

from azure import token
from client import Client, basic

MEMBERS = 8
PATHS = ("/api/v1/atividades", "/api/v1/user", "/api/v1/projetos")


class People:
    """All of them, and the requests that are under way."""

    def __init__(self, port):
        self.port = port
        self.running = set()

    def send(self, role, client, path, authorization=None):
        """Starts one request."""
        request = asyncio.create_task(self.measured(role, client, path, authorization))
        self.running.add(request)
        request.add_done_callback(self.running.discard)

    async def measured(self, role, client, path, authorization):
        due = time.monotonic()
        status, _ = await client.ask(path, authorization)
        print(json.dumps([due, role, (time.monotonic() - due) * 1000, status]), flush=True)

    async def member(self, number):
        """Asks for something every 100 to 200 ms, from one address with one PAT."""
        chance = random.Random(number)
        client = Client(self.port, f"203.0.113.{number + 1}")
        authorization = basic(token("member", f"known{number}"))
        while True:
            self.send("member", client, chance.choice(PATHS), authorization)
            await asyncio.sleep(chance.uniform(0.1, 0.2))

    async def new_members(self):
        """Each second one with an address and a PAT that were never seen before."""
        number = 0
        while True:
            client = Client(self.port, f"198.18.{number // 250}.{number % 250 + 1}", keep=False)
            self.send("new", client, "/api/v1/user", basic(token("member", f"new{number}")))
            number += 1
            await asyncio.sleep(1)

    async def monitor(self):
        """Asks for `/health` ten times a second, over a new connection each time, as probes do."""
        client = Client(self.port, keep=False)
        while True:
            self.send("health", client, "/health")
            await asyncio.sleep(0.1)


async def main():
    people, end = People(int(sys.argv[1])), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    roles = [*map(people.member, range(MEMBERS)), people.new_members(), people.monitor()]
    tasks = [asyncio.create_task(role) for role in roles]
    await end.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*people.running)


if __name__ == "__main__":
    asyncio.run(main())
