"""What happens to requests and answers on their way through, and when replicas fail. A promise each; the docstring of e2e.py says
how they run."""

import asyncio
import concurrent.futures
import json
import re
import socket
import time
import uuid

from echo import Echoes, Names
from load import Load, Request, percentile
from stack import EDGE, NAME, free_ports, wait
from world import a_client, expect, pat


# --- requests and answers

def the_request_id_goes_all_the_way(w):
    given = f"trace_1.{uuid.uuid4()}"
    expect(w.ask("GET", "/api/v1", a_client(), headers=[("X-Request-ID", given)]).headers.get_all("X-Request-Id") == [given], "not echoed")
    made = w.ask("GET", "/api/v1", a_client()).headers["X-Request-Id"]
    replaced = w.ask("GET", "/api/v1", a_client(), headers=[("X-Request-ID", 'a"b} {')]).headers["X-Request-Id"]
    expect(re.fullmatch("[0-9a-f]{32}", made) and re.fullmatch("[0-9a-f]{32}", replaced), made, replaced)
    for request_id in (given, made, replaced):
        expect(w.logged(request_id, "nginx") and w.logged(request_id, "service"), "not logged")


def a_large_body_is_413(w):
    mebibyte = 1024 * 1024
    w.ask("POST", "/api/v1/atividades", a_client(), body=b" " * (mebibyte + 1)).problem(413, "corpo_grande_demais")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    raw = w.context.wrap_socket(socket.create_connection(("127.0.0.1", w.nginx.https), 10, source_address=(EDGE, 0)), server_hostname=NAME)
    with raw:
        raw.sendall(f"POST /api/v1/atividades HTTP/1.1\r\nHost: {NAME}\r\nCF-Connecting-IP: {a_client()}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(17):
            raw.sendall(chunk)
        expect(b" 413 " in raw.recv(200), "a large chunked body passes")
    answer = w.ask("POST", "/api/v1/atividades", a_client(), body=b" " * mebibyte, headers=[("Authorization", f"Bearer {pat(1)}")])
    expect(answer.status == 422, "1 MiB, which the service takes, gets", answer.status)


def answers_are_compressed_once_and_their_tags_still_count(w):
    import gzip
    plain = w.ask("GET", "/openapi.json", a_client())
    packed = w.ask("GET", "/openapi.json", a_client(), headers=[("Accept-Encoding", "gzip")])
    expect(packed.headers.get_all("Content-Encoding") == ["gzip"] and "Content-Encoding" not in plain.headers, packed.headers.items())
    expect(gzip.decompress(packed.body) == plain.body, "not the same after one decompression")
    user = ("Authorization", f"Bearer {pat(1)}")
    synced = w.ask("POST", "/api/v1/integracao/sincronizar", a_client(), headers=[user], body=b"")
    expect(synced.status == 200, synced.status, synced.body)
    project = w.ask("GET", "/api/v1/projetos", a_client(), headers=[user]).json()[0]["id"]
    made = w.ask("POST", "/api/v1/atividades", a_client(), headers=[user, ("Content-Type", "application/json")],
                 body=json.dumps({"nome": "Comprimida", "descricao": "x" * 1500, "ids_projetos": [project]}).encode())
    expect(made.status == 201, made.status, made.body)
    path = f"/api/v1/atividades/{made.json()['id']}"
    packed = w.ask("GET", path, a_client(), headers=[user, ("Accept-Encoding", "gzip")])
    tag = packed.headers["ETag"]
    expect(packed.headers["Content-Encoding"] == "gzip" and tag.startswith("W/"), "the premise: nginx made the tag weak", tag)
    change = [user, ("Content-Type", "application/json"), ("If-Match", tag)]
    expect(w.ask("PUT", path, a_client(), headers=change, body=b'{"nome": "Outra"}').status == 200, "the tag of a compressed answer is refused")
    expect(w.ask("PUT", path, a_client(), headers=change, body=b'{"nome": "Mais uma"}').status == 412, "an outdated tag is taken")


def nobody_gets_the_answer_of_another(w):
    async def run():
        load = Load(w.nginx.https, NAME, w.nginx.certificate, EDGE, 24)
        wrong = []
        async def one(n):
            user = n % 20
            request = Request("user", "GET", "/api/v1/user", f"198.19.0.{user + 1}", headers=f"Authorization: Bearer {pat(user)}\r\n")
            status, answer = await load.once(request, request.encode(NAME))
            if str(uuid.uuid5(uuid.NAMESPACE_OID, pat(user))).encode() not in answer:
                wrong.append((status, answer[-300:]))
        await asyncio.gather(*(one(n) for n in range(300)))
        expect(not wrong, len(wrong), "of 300 answers are not the caller's", wrong[:1])
    asyncio.run(run())
    answer = w.ask("GET", "/api/v1/user", a_client(), headers=[("Authorization", f"Bearer {pat(3)}")])
    expect(answer.headers["Cache-Control"] in ("no-store", "private, no-cache"), answer.headers["Cache-Control"])
    expect(w.ask("GET", "/api/v1/user", a_client()).status == 401, "an answer is kept for somebody without credential")


def queries_are_not_logged(w):
    secret = uuid.uuid4().hex
    w.send(f"GET /%00?token={secret} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
    for status, path in ((200, f"/api/v1?token={secret}"), (308, f"/x?token={secret}"), (404, f"/metrics?token={secret}")):
        answer = w.ask("GET", path, a_client(), tls=status != 308, headers=[("Referer", f"https://dev.azure.com/?t={secret}")])
        expect(answer.status == status, path, answer.status)
    w.logged(answer.headers["X-Request-Id"], "nginx")
    expect(secret not in w.nginx.access_log.read_text(), "the access log holds a query or a referrer")


# --- replicas that fail

def only_safe_requests_are_sent_twice(w):
    echoes = w.echo_instead()
    try:
        # The replica reads the request and closes the connection; it may have done what the request says.
        for method in ("POST", "PATCH", "PUT", "DELETE"):
            for body in (b"{}", b" " * 200_000, None):
                path = f"/die/{method}/{len(body or b'')}"
                answer = w.ask(method, path, a_client(), body=body).problem(502, "servico_indisponivel")
                expect(answer.headers["Retry-After"] == "1", "no Retry-After")
                expect(echoes.seen[f"{method} {path}"] == 1, method, "was sent", echoes.seen[f"{method} {path}"], "times")
        # All replicas count as failed for a second, which nginx measures in whole ones.
        time.sleep(2.5)
        for method in ("GET", "HEAD", "OPTIONS"):
            path = f"/die-once/{method}"
            answer = w.ask(method, path, a_client())
            expect(answer.status == 200 and echoes.seen[f"{method} {path}"] == 2, method, answer.status, echoes.seen)
        for method in ("PUT", "DELETE"):
            answer = w.ask(method, f"/echo/{method}", a_client(), body=b"{}")
            expect((answer.status, answer.json()["path"]) == (200, f"/echo/{method}"), method, answer.status)
            answer = w.ask(method, "/busy", a_client(), body=b"{}")
            expect((answer.status, answer.headers["Retry-After"], echoes.seen[f"{method} /busy"]) == (503, "7", 1), method, "503 was not passed on once")
        w.ask("GET", "/die/always", a_client()).problem(502, "servico_indisponivel")
        answer = w.ask("GET", "/busy", a_client())
        expect((answer.status, answer.headers["Retry-After"], echoes.seen["GET /busy"]) == (503, "7", 1), "the service's 503 was not passed on once")
    finally:
        w.replicas_again()


def unsafe_requests_pass_replicas_that_refuse_them(w):
    echoes = Echoes(1)
    # Two of three replicas are gone: nothing was sent to them, so that another one may be asked.
    w.nginx.replicas([*free_ports(2), *echoes.ports])
    w.nginx.reload()
    try:
        for n in range(40):
            for method in ("PUT", "DELETE", "POST", "PATCH", "GET"):
                path = f"/echo/{method}/{n}"
                answer = w.ask(method, path, a_client(), body=None if method == "GET" else b'{"n": 1}')
                expect(answer.status == 200 and echoes.seen[f"{method} {path}"] == 1, method, answer.status, n)
        w.nginx.replicas(free_ports(3))
        w.nginx.reload()
        for method in ("PUT", "DELETE"):
            w.ask(method, "/echo", a_client(), body=b"{}").problem(502, "servico_indisponivel")
    finally:
        w.replicas_again()
        echoes.stop()


def a_limit_counts_unsafe_requests_once(w):
    w.echo_instead()
    try:
        client = a_client()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            statuses = list(pool.map(lambda _: w.ask("PUT", "/echo", client, body=b"{}").status, range(80)))
        expect(set(statuses) == {200, 429} and statuses.count(200) >= 20, statuses)
    finally:
        w.replicas_again()


def a_killed_replica_fails_no_get(w):
    victim = w.replicas[0]

    async def run():
        load = Load(w.nginx.https, NAME, w.nginx.certificate, EDGE, 32)
        request = lambda n: Request("GET", "GET", "/api/v1/projetos", f"198.19.1.{n % 100 + 1}", headers=f"Authorization: Bearer {pat(n % 20)}\r\n")
        # /projetos asks the database each time.
        sending = asyncio.create_task(load.run(80, 7, request))
        await asyncio.sleep(1.5)
        victim.kill()
        await asyncio.sleep(2)
        victim.start()
        await sending
        took = load.took["GET"]
        expect(not load.failed(), "failed:", dict(load.errors["GET"]), load.example[-300:])
        return len(took), percentile(took, 0.95) * 1e3, dict(load.counts)
    count, p95, notes = asyncio.run(run())
    victim.wait_ready()
    mark = f"again-{uuid.uuid4().hex}"
    def served_again():
        w.ask("GET", "/health", headers=[("X-Request-ID", f"{mark}-{time.monotonic_ns()}")])
        # An answer comes up to 10 ms before its line: what was asked the last time counts, too.
        return mark in victim.log()
    wait("the restarted replica is asked again", served_again, 15)
    return f"{count} GETs, none failed, p95 {p95:.1f} ms, {notes}"


def a_reload_and_a_stopped_replica_fail_nothing(w):
    async def run():
        load = Load(w.nginx.https, NAME, w.nginx.certificate, EDGE, 32)
        loop = asyncio.get_running_loop()
        request = lambda n: Request("GET", "GET", "/api/v1/projetos", f"198.19.2.{n % 100 + 1}", headers=f"Authorization: Bearer {pat(n % 20)}\r\n")
        sending = asyncio.create_task(load.run(80, 6, request))
        for _ in range(2):
            await asyncio.sleep(1)
            await loop.run_in_executor(None, w.nginx.reload)
        await loop.run_in_executor(None, w.replicas[1].stop)
        w.replicas[1].start()
        await sending
        expect(not load.failed(), "failed:", dict(load.errors["GET"]), load.example[-300:])
        return len(load.took["GET"]), dict(load.counts)
    count, notes = asyncio.run(run())
    w.replicas[1].wait_ready()
    return f"{count} GETs, none failed, {notes}"


def all_replicas_gone_is_told_and_soon_forgotten(w):
    get = lambda: w.ask("GET", "/api/v1", a_client())
    try:
        for replica in w.replicas:
            replica.kill()
        for _ in range(20):
            get().problem(502, "servico_indisponivel")
        expect(w.ask("GET", "/nginx-health").status == 200, "nginx is not healthy by itself")
    finally:
        for replica in w.replicas:
            replica.start()
        for replica in w.replicas:
            replica.wait_ready()
    started = time.monotonic()
    wait("requests are answered after the replicas are back", lambda: get().status == 200, 3)
    return f"answered {time.monotonic() - started:.1f} s after the last was ready"


def replaced_replicas_are_found_without_a_reload(w):
    if not w.nginx.modern:
        return "NOT TRIED: this nginx is older than 1.28; NGINX_BIN names another program"
    old, new = ["127.0.0.21", "127.0.0.22"], ["127.0.0.23"]
    port, = free_ports(1)
    echoes, names = Echoes(0, old + new, port), Names(old)
    asked = lambda: {w.ask("GET", "/echo", a_client()).json().get("replica") for _ in range(8)}
    try:
        w.nginx.replicas_by_name(names.address, port)
        w.nginx.reload()
        wait("both addresses are asked", lambda: asked() == set(old), 10)
        names.addresses = new
        started = time.monotonic()
        wait("the new address is asked", lambda: asked() == set(new), 10)
        return f"found after {time.monotonic() - started:.1f} s"
    finally:
        w.replicas_again()
        echoes.stop()
        names.stop()
