"""A steady load for nginx: an open model (a late answer delays no request), with the manners of a real client.

Those manners: connections are kept and shared by all persons, as an edge of Cloudflare does. A request whose reused connection
closes without a byte of an answer goes over another one (RFC 9110, 9.2.2), and a POST that a dying replica left
unanswered (502) is sent again under its Idempotency-Key. Both are counted. Anything else that is not 2xx is an error.
"""

import asyncio
import collections
import dataclasses
import re
import ssl
import time

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.I)
CLOSE = re.compile(rb"\r\nconnection: *close", re.I)
# How long a client goes on repeating.
PATIENCE = 10.0


@dataclasses.dataclass
class Request:
    """`person` is the address that Cloudflare would name; `key` makes a POST repeatable."""
    operation: str
    method: str
    path: str
    person: str
    body: bytes = b""
    key: str = ""
    headers: str = ""

    def encode(self, host):
        lines = f"{self.method} {self.path} HTTP/1.1\r\nHost: {host}\r\nCF-Connecting-IP: {self.person}\r\n{self.headers}"
        if self.key:
            lines += f"Idempotency-Key: {self.key}\r\n"
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines += f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
        return lines.encode() + b"\r\n" + self.body


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self):
        self.buffer, self.size, self.waiter, self.answered, self.usable = bytearray(), 0, None, 0, False

    def connection_made(self, transport):
        self.transport, self.usable = transport, True

    def connection_lost(self, _):
        self.usable = False
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)

    def data_received(self, data):
        self.buffer += data
        if not self.size:
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            text = bytes(self.buffer[:head])
            if length := LENGTH.search(text):
                self.size = head + 4 + int(length[1])
            elif not CHUNKED.search(text):
                self.size = head + 4
            elif self.buffer.endswith(b"0\r\n\r\n"):
                self.size = len(self.buffer)
        if self.size and len(self.buffer) >= self.size and self.waiter and not self.waiter.done():
            self.usable = self.usable and not CLOSE.search(self.buffer[:self.size].split(b"\r\n\r\n", 1)[0])
            self.answered += 1
            self.waiter.set_result(bytes(self.buffer))

    async def exchange(self, data):
        """The answer; `None` if the connection closed before its end."""
        self.buffer.clear()
        self.size, self.waiter = 0, asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return await self.waiter


class Load:
    """Sends what `make(n)` gives, `rate` a second."""

    def __init__(self, port, name, certificate, peer, connections=256):
        self.tls = ssl.create_default_context(cafile=str(certificate))
        self.port, self.name, self.peer, self.most = port, name, peer, connections
        self.idle, self.open, self.queue = [], 0, collections.deque()
        self.took = collections.defaultdict(list)
        self.errors = collections.defaultdict(collections.Counter)
        self.counts = collections.Counter()
        self.example = b""

    async def connection(self):
        while True:
            while self.idle:
                if (found := self.idle.pop()).usable:
                    return found
                self.open -= 1
            if self.open < self.most:
                self.open += 1
                try:
                    _, made = await asyncio.get_running_loop().create_connection(
                        Connection, "127.0.0.1", self.port, ssl=self.tls, server_hostname=self.name, local_addr=(self.peer, 0))
                except BaseException:
                    self.open -= 1
                    raise
                return made
            turn = asyncio.get_running_loop().create_future()
            self.queue.append(turn)
            await turn

    def release(self, connection):
        if connection.usable:
            self.idle.append(connection)
        else:
            connection.transport.close()
            self.open -= 1
        while self.queue:
            if not (turn := self.queue.popleft()).done():
                turn.set_result(None)
                break

    async def once(self, request, data):
        """Status of the answer, or what went wrong."""
        while True:
            connection = await self.connection()
            try:
                answer = await connection.exchange(data)
                untouched = answer is None and connection.answered and not connection.buffer
            finally:
                self.release(connection)
            if answer is not None:
                return int(answer[9:12]), answer
            if not untouched or (request.method == "POST" and not request.key):
                return "connection closed", b""
            self.counts["sent again: a kept connection had closed"] += 1

    async def one(self, request, due):
        data = request.encode(self.name)
        try:
            async with asyncio.timeout(60):
                status, answer = await self.once(request, data)
                while status in (502, 409) and request.key and time.monotonic() < due + PATIENCE:
                    # 409: the first attempt is still at work.
                    self.counts[f"{request.operation} sent again under its key after {status}"] += 1
                    await asyncio.sleep(0.05)
                    status, answer = await self.once(request, data)
        except (OSError, TimeoutError) as error:
            status, answer = type(error).__name__, b""
        self.took[request.operation].append(time.monotonic() - due)
        if not (isinstance(status, int) and 200 <= status < 300):
            self.errors[request.operation][status] += 1
            self.example = answer

    async def run(self, rate, seconds, make):
        """Sends for so long; returns the rate that it kept, once every answer is there."""
        start, tasks, n = time.monotonic(), set(), 0
        while (now := time.monotonic() - start) < seconds:
            while n < now * rate:
                task = asyncio.create_task(self.one(make(n), start + n / rate))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                n += 1
            await asyncio.sleep(0.001)
        kept = n / now
        if tasks:
            await asyncio.wait(tasks)
        for connection in self.idle:
            connection.transport.close()
        return kept

    def failed(self):
        return sum(sum(errors.values()) for errors in self.errors.values())


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
