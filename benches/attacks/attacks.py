"""The attacks of the field report. Each runs for some seconds and returns what it saw of the service."""

import asyncio
import collections
import json
import socket
import time

from azure import token
from client import Client, basic, request_head
from report import Check, below

PATS = 20
BODIES_AT_ONCE = 200
BODY_SIZE = 1_000_000
START = b'{"nome":"x","ids_projetos":['
BODY = START + b"1," * ((BODY_SIZE - len(START) - 3) // 2) + b"1]}"
CONNECTIONS = 420
ESTABLISHED = 1


def counted(answers):
    """Answers by status, for people to read."""
    return ", ".join(f"{count} × {status}" for status, count in answers.most_common()) or "none"


async def bodies(world, seconds):
    """7.1: bodies of 1 MB whose list is refused, all from one member: one, then 50 in turn, then 200 at once,
    several times. The member has 20 PATs, or the limit of requests would refuse most of the bodies unread."""
    end = time.monotonic() + seconds
    client = Client(world.port, "198.51.100.1", timeout=20)
    credentials = [basic(token("member", "bodies", number)) for number in range(PATS)]
    for credential in credentials:
        await client.ask("/api/v1/user", credential)
    world.forget_peak()
    before = world.memory("VmHWM")
    status, _ = await client.ask("/api/v1/atividades", credentials[0], "POST", BODY)
    memory = world.memory("VmHWM") - before
    processor = await processor_of_a_body(world, client, credentials)
    reference = f"{processor_of_python():.1f} ms"
    checks = [Check("answer to a body of 1 MB", str(status), "422", status == 422),
              below("memory for one", memory, 8, "MiB"),
              below("processor for one, mean of 50", processor, 10, "ms"),
              Check("processor of Python's `json` for it, the machine's pace", reference)]
    answers = collections.Counter()
    world.forget_peak()
    while world.alive() and time.monotonic() < end:
        pause = asyncio.create_task(asyncio.sleep(4))
        answers.update(await wave(world.port, credentials))
        await pause
    return [*checks, below(f"peak of memory ({counted(answers)})", world.memory("VmHWM"), 256, "MiB")]


async def processor_of_a_body(world, client, credentials):
    """Milliseconds of processor for one body, those for the requests of others left out."""
    pause = 3
    idle = world.processor()
    await asyncio.sleep(pause)
    others = (world.processor() - idle) / pause
    start, used = time.monotonic(), world.processor()
    for number in range(50):
        await client.ask("/api/v1/atividades", credentials[number % PATS], "POST", BODY)
    return (world.processor() - used - others * (time.monotonic() - start)) / 50


def processor_of_python():
    """Milliseconds in which Python reads the same body: other programs on the machine make both slower."""
    used = time.process_time()
    for _ in range(10):
        json.loads(BODY)
    return (time.process_time() - used) * 100


async def wave(port, credentials):
    """200 bodies that are all there but for the last byte before one of them is complete."""
    complete = asyncio.Event()
    asyncio.get_running_loop().call_later(1.5, complete.set)
    sent = (held_body(port, credentials[number % PATS], complete) for number in range(BODIES_AT_ONCE))
    return await asyncio.gather(*sent)


async def held_body(port, credential, complete):
    """Sends one body, its last byte when all are told to; the status, or how it ended."""
    loop = asyncio.get_running_loop()
    head = request_head("/api/v1/atividades", "198.51.100.1", "POST", len(BODY), credential)

    async def exchange(sock):
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, head)
        await loop.sock_sendall(sock, memoryview(BODY)[:-1])
        await complete.wait()
        await loop.sock_sendall(sock, BODY[-1:])
        return (await loop.sock_recv(sock, 4096)).partition(b"\r\n")[0][9:12].decode() or "closed"

    with socket.socket() as sock:
        sock.setblocking(False)
        try:
            return await asyncio.wait_for(exchange(sock), 20)
        except asyncio.TimeoutError:
            return "timeout"
        except OSError as error:
            return type(error).__name__


async def never_read(world, seconds):
    """7.2: 420 connections of one address, which is no proxy's, with 16 requests each whose answers are not
    read. Those that the service closes are opened again."""
    seen = collections.Counter()
    end = time.monotonic() + seconds
    await asyncio.gather(*(unread_connection(world.port, end, seen) for _ in range(CONNECTIONS)))
    return [Check("connections", counted(seen))]


async def unread_connection(port, end, seen):
    loop = asyncio.get_running_loop()
    requests = request_head("/docs/swagger-ui-bundle.js") * 16
    while time.monotonic() < end:
        held = False
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.bind(("127.0.1.1", 0))
            try:
                await loop.sock_connect(sock, ("127.0.0.1", port))
                seen["opened"] += 1
                await loop.sock_sendall(sock, requests)
                while time.monotonic() < end and is_established(sock):
                    await asyncio.sleep(1)
                held = is_established(sock)
            except OSError:
                await asyncio.sleep(1)
        seen["held to the end" if held else "ended by the service"] += 1


def is_established(sock):
    """Whether the service has neither closed nor reset it; reading would tell, but nothing may be read."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


async def made_up_tokens(world, seconds, kind, address, per_second):
    """7.3, 7.4: so many made-up tokens a second from one address, each another one. The stand-in answers them
    according to their kind."""
    client, answers = Client(world.port, address, timeout=20), collections.Counter()
    asked = await questions(world)
    start = time.monotonic()

    async def show(number):
        await asyncio.sleep(start + number / per_second - time.monotonic())
        status, _ = await client.ask("/api/v1/user", f"Bearer {token(kind, number)}")
        answers[status] += 1

    await asyncio.gather(*map(show, range(seconds * per_second)))
    client.close()
    more = (await questions(world)).get(kind, 0) - asked.get(kind, 0)
    return [Check("answers to the attacker", counted(answers)),
            Check("Azure DevOps was asked", f"{more} times")]


async def questions(world):
    """How often the stand-in was asked about each kind of token."""
    _, body = await Client(world.azure_port, keep=False).ask("/asked")
    return json.loads(body)


async def documents(world, seconds):
    """7.12: documents in a loop over one connection."""
    client, answers = Client(world.port, "198.51.100.6"), collections.Counter()
    log, used = world.log_bytes(), world.processor()
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        for path in ("/openapi.json", "/docs/swagger-ui-bundle.js"):
            status, _ = await client.ask(path)
            answers[status] += 1
    client.close()
    lasted = time.monotonic() - start
    written = (world.log_bytes() - log) / 1000 / lasted
    busy = (world.processor() - used) / 1000 / lasted
    return [Check("answers to the attacker", counted(answers)),
            below("log, the lines of others included", written, 200, "kB/s"),
            Check("processor, others included", f"{busy:.0%} of one core")]


async def spellings(world, seconds):
    """1.6: one PAT in five spellings, each in a loop over a connection of its own. They share one budget of
    10 a second and 20 at once."""
    pat = token("member", "spelled")
    forms = [basic(pat, "u1"), basic(pat, "u2"), basic(pat), f"bearer {pat}", f"BEARER {pat}"]
    answers, start = collections.Counter(), time.monotonic()

    async def ask(authorization):
        client = Client(world.port, "198.51.100.7")
        while time.monotonic() < start + seconds:
            status, _ = await client.ask("/api/v1/user", authorization)
            answers[status] += 1
        client.close()

    await asyncio.gather(*map(ask, forms))
    most = 21 + round(10 * (time.monotonic() - start))
    good = answers[200]
    return [Check(f"answers 200 ({counted(answers)})", str(good), f"1 to {most}", 0 < good <= most)]


# Name, attack, seconds, seconds of quiet, which count with the attack: trouble may outlast it.
ATTACKS = (
    ("A 7.1 bodies of 1 MB", bodies, 20, 5),
    ("B 7.2 answers that are never read", never_read, 20, 5),
    ("C 7.3 150 made-up tokens a second",
     lambda world, seconds: made_up_tokens(world, seconds, "unknown", "198.51.100.3", 150), 15, 5),
    ("C 7.3 one a second that hangs",
     lambda world, seconds: made_up_tokens(world, seconds, "hanging", "198.51.100.4", 1), 20, 5),
    ("D 7.4 one a second that fails with 503",
     lambda world, seconds: made_up_tokens(world, seconds, "failing", "198.51.100.5", 1), 15, 5),
    ("E 7.12 documents in a loop", documents, 15, 5),
    ("F 1.6 one PAT in five spellings", spellings, 15, 5),
)
