"""A stand-in for Azure DevOps that knows one call, `connectionData`, and judges each token by its first word.

`member-NAME-…` proves that member after 100 ms, `unknown-…` is 401 after 100 ms, `failing-…` is 503 at once,
`hanging-…` is never answered. `GET /asked` tells how many questions about each kind there were."""

import asyncio
import base64
import collections
import json
import signal
import uuid

DELAY = 0.1
LONGER_THAN_ANY_TIMEOUT = 120
INSTANCE_ID = "2ad38d1e-3eaf-4769-931c-3a2da67bbb01"
REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 503: "Service Unavailable"}


def token(kind, *words):
    """A token of this kind, as long as PATs are."""
    return "-".join([kind, *map(str, words), ""]).ljust(52, "p")


def shown(head):
    """The token in the head of a request, whatever its form; empty if there is none."""
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "authorization":
            scheme, _, rest = value.strip().partition(" ")
            return base64.b64decode(rest).decode().partition(":")[2] if scheme.lower() == "basic" else rest
    return ""


def identity(name):
    """What `connectionData` tells of a member."""
    person = {"id": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), "providerDisplayName": f"Member {name}",
              "properties": {"Account": {"$type": "System.String", "$value": f"{name}@contoso.example"}}}
    return {"authenticatedUser": person, "authorizedUser": person, "instanceId": INSTANCE_ID}


class Azure:
    """Answers, and counts what it was asked."""

    def __init__(self):
        self.asked = collections.Counter()

    async def answer(self, head):
        """Status and content for one request."""
        path = head.split(b" ", 2)[1]
        if path == b"/asked":
            return 200, self.asked
        if b"/_apis/connectionData" not in path:
            return 404, {"message": "not there"}
        kind, _, rest = shown(head).partition("-")
        self.asked[kind or "unsigned"] += 1
        if kind == "hanging":
            await asyncio.sleep(LONGER_THAN_ANY_TIMEOUT)
        if kind == "failing":
            return 503, {"message": "not now"}
        await asyncio.sleep(DELAY)
        return (200, identity(rest.partition("-")[0])) if kind == "member" else (401, {"message": "unknown"})

    async def serve(self, reader, writer):
        """One connection, to its end."""
        try:
            while True:
                status, content = await self.answer(await reader.readuntil(b"\r\n\r\n"))
                body = json.dumps(content).encode()
                head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
                writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


async def main():
    """Listens on a free port, tells it, and serves until SIGTERM."""
    server = await asyncio.start_server(Azure().serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    await end.wait()


if __name__ == "__main__":
    asyncio.run(main())
