"""A small HTTP/1.1 client for asyncio that keeps its connections."""

import asyncio
import base64
import collections
import time

# The service closes idle connections after 15 s; a younger one is safe to use again.
IDLE = 5
Answer = collections.namedtuple("Answer", "status body closes")


def basic(token, user=""):
    """The value of `Authorization` that shows a PAT as clients of Azure DevOps do."""
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def request_head(path, address=None, method="GET", length=0, authorization=None):
    """The head of a request, as the trusted proxy of the client with this address passes it on."""
    lines = [f"{method} {path} HTTP/1.1", "Host: aponta.example", "Accept-Encoding: gzip"]
    if address:
        lines.append(f"X-Forwarded-For: {address}")
    if authorization:
        lines.append(f"Authorization: {authorization}")
    if method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def read_answer(reader):
    """One answer, whose end its length or its last chunk tells."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        body = await reader.readexactly(int(fields.get("content-length", 0)))
    return Answer(int(first.split()[1]), body, fields.get("connection") == "close")


class Client:
    """One simulated client. Each request takes an idle connection or opens one."""

    def __init__(self, port, address=None, timeout=10, keep=True):
        self.port, self.address, self.timeout, self.keep = port, address, timeout, keep
        self.idle = []

    async def ask(self, path, authorization=None, method="GET", body=b""):
        """Status (or how it failed instead), body of the answer."""
        head = request_head(path, self.address, method, len(body), authorization)
        try:
            answer = await asyncio.wait_for(self.exchange(head + body), self.timeout)
            return answer.status, answer.body
        except asyncio.TimeoutError:
            return "timeout", b""
        except (asyncio.IncompleteReadError, OSError) as error:
            return type(error).__name__, b""

    async def exchange(self, request):
        reader, writer = await self.connection()
        try:
            writer.write(request)
            answer = await read_answer(reader)
        except BaseException:
            writer.close()
            raise
        if answer.closes or not self.keep:
            writer.close()
        else:
            self.idle.append((time.monotonic(), reader, writer))
        return answer

    async def connection(self):
        """The idle connection used last, else a new one."""
        while self.idle:
            since, reader, writer = self.idle.pop()
            if time.monotonic() - since < IDLE and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)

    def close(self):
        """Closes what is idle."""
        for _, _, writer in self.idle:
            writer.close()
        self.idle.clear()
