"""End to end through a real nginx: clients on loopback, nginx with the project's configuration, three replicas of the service on one
PostgreSQL. Each function below is one promise; .ci/nginx runs them all.

Usage: nginx/tests/e2e.py [PROMISE ...]      (APONTA_BIN: the service, NGINX_BIN: nginx)
"""

import asyncio
import base64
import http.client
import http.server
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import warnings

import config_files
from echo import Echoes, Names
from load import Load, Request, percentile
from stack import EDGE, NAME, NGINX, OTHER_EDGE, STRANGER, Nginx, Replica, free_ports, wait

PROBLEM = "application/problem+json"
ORIGIN = "https://contoso.visualstudio.com"
_clients = itertools.count(1)


def a_client():
    """An address that has asked for nothing yet."""
    n = next(_clients)
    return f"198.18.{n // 250}.{n % 250 + 1}"


def expect(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(part) for part in what))


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)

    def problem(self, status, code, request_id=None):
        """Whether it is a problem document of ours."""
        expect(self.status == status, "status", self.status, "instead of", status, self.body[:200])
        expect(self.headers.get_all("Content-Type") == [PROBLEM], self.headers.get_all("Content-Type"))
        body = self.json()
        expect(list(body) == ["type", "title", "status", "detail", "instance", "code", "message"], list(body))
        expect(body["code"] == code and body["status"] == status and body["type"] == f"urn:aponta:erro:{code}", body)
        expect(body["detail"] == body["message"] and body["title"], body)
        expect(body["instance"] == self.headers["X-Request-Id"] == (request_id or body["instance"]), body["instance"])
        return self


class World:
    """Everything that runs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.binary = pathlib.Path(os.environ.get("APONTA_BIN", "target/debug/aponta")).resolve()
        self.processes, self.echoes = [], None

    def start(self):
        database_log = self.folder / "database.log"
        with database_log.open("w") as log:
            self.database = subprocess.Popen([self.binary, "dev", "--only-database", "--data-dir", self.folder / "data"],
                                             stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)
        url = wait("the database is up", lambda: re.search(r"^postgres://\S+", database_log.read_text(), re.M), 120)[0]
        self.azure = azure_devops()
        self.environment = {
            "DATABASE_URL": url, "DATABASE_POOL_MAX": "8", "DATABASE_ACQUIRE_TIMEOUT_MS": "20000", "RATE_LIMIT_ENABLED": "false", "SHUTDOWN_DELAY_SECONDS": "1",
            "AZURE_DEVOPS_ORG_URL": f"http://127.0.0.1:{self.azure.server_address[1]}/contoso", "CORS_ORIGINS": os.environ.get("CORS_ORIGINS", "")}
        self.environment = {name: value for name, value in self.environment.items() if value}
        subprocess.run([self.binary, "migrate"], env={**os.environ, **self.environment, "RUST_LOG": "warn"}, check=True, timeout=60,
                       cwd=self.folder)
        *ports, self.limited_port = free_ports(4)
        self.replicas = [Replica(self.binary, self.folder, port, self.environment) for port in ports]
        # The same service with its own limit, and production's origins, to compare nginx's words with.
        self.limited = Replica(self.binary, self.folder, self.limited_port,
                               {**self.environment, "RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_BURST": "20"})
        for replica in (*self.replicas, self.limited):
            replica.start()
        for replica in (*self.replicas, self.limited):
            replica.wait_ready()
        self.nginx = Nginx(self.folder, ports)
        self.nginx.start()
        self.context = ssl.create_default_context(cafile=str(self.nginx.certificate))

    def stop(self):
        if hasattr(self, "nginx"):
            self.nginx.stop()
        for replica in (*getattr(self, "replicas", ()), *([self.limited] if hasattr(self, "limited") else ())):
            replica.stop(10)
        if hasattr(self, "database"):
            self.database.send_signal(signal.SIGINT)
            self.database.wait(30)

    def ask(self, method, path, client=None, peer=EDGE, headers=(), body=None, tls=True, host=NAME, sni=NAME, context=None):
        """One request over a connection of its own. `client` is whom the peer claims to speak for."""
        raw = socket.create_connection(("127.0.0.1", self.nginx.https if tls else self.nginx.http), 50, source_address=(peer, 0))
        connection = http.client.HTTPConnection(host)
        connection.sock = (context or self.context).wrap_socket(raw, server_hostname=sni) if tls else raw
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (*([("CF-Connecting-IP", client)] if client else ()), *headers):
                connection.putheader(name, value)
            if isinstance(body, bytes):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body, encode_chunked=False)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def closed(self, **how):
        """Whether nginx hangs up without an answer."""
        try:
            return f"answered {self.ask('GET', '/api/v1', **how).status}"
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return ""

    def logged(self, request_id, where):
        """The service's lines about a request, or nginx's."""
        def found():
            if where == "nginx":
                return [line for line in self.nginx.log() if line["request_id"] == request_id]
            lines = "".join(replica.log() for replica in self.replicas).splitlines()
            return [json.loads(line) for line in lines if request_id in line]
        return wait(f"{where} logs {request_id}", found, 5)

    def tell(self, error):
        """What the logs say of the requests that `error` names."""
        files = [self.nginx.access_log, *(replica.log_path for replica in self.replicas)]
        for request_id in set(re.findall(r'"instance":"([^"]+)"', error)):
            for line in itertools.chain.from_iterable(path.read_text().splitlines() for path in files):
                if request_id in line:
                    print(f"        {line}", flush=True)

    def echo_instead(self):
        self.echoes = self.echoes or Echoes(4)
        self.nginx.replicas(self.echoes.ports)
        self.nginx.reload()
        return self.echoes

    def replicas_again(self):
        self.nginx.replicas([replica.port for replica in self.replicas])
        self.nginx.reload()


def azure_devops():
    """Knows everybody, a user for each PAT, and one project."""
    class Azure(http.server.BaseHTTPRequestHandler):
        # Head and body are two packets; the second must not wait for the first's receipt.
        disable_nagle_algorithm = True

        def do_GET(self):
            kind, _, secret = self.headers.get("Authorization", " ").partition(" ")
            pat = base64.b64decode(secret).decode().partition(":")[2] if kind == "Basic" else secret
            user = str(uuid.uuid5(uuid.NAMESPACE_OID, pat))
            told = {"authenticatedUser": {"id": user, "providerDisplayName": f"Pessoa {user}"}}
            if "/_apis/projects" in self.path:
                told = {"count": 1, "value": [{"id": str(uuid.uuid5(uuid.NAMESPACE_OID, "projeto")), "name": "Portal", "state": "wellFormed"}]}
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128
    server = Server(("127.0.0.1", 0), Azure)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def pat(n):
    return f"{n:02d}".ljust(52, "p")


# --- what a client meets at the door

def port_80_redirects_everything_but_health(w):
    for method, path in (("GET", "/api/v1/projetos?skip=1"), ("POST", "/api/v1/apontamentos"), ("GET", "/"), ("GET", "/ready")):
        answer = w.ask(method, path, tls=False)
        expect((answer.status, answer.headers["Location"]) == (308, f"https://{NAME}{path}"), path, answer.status)
        expect("Strict-Transport-Security" not in answer.headers, "HSTS over plain HTTP")
    for host in (NAME, "127.0.0.1"):
        expect(w.ask("GET", "/nginx-health", tls=False, host=host).status == 200, "no /nginx-health for", host)
        expect(w.ask("GET", "/health", tls=False, host=host).json()["status"] == "healthy", "no /health for", host)
    expect(not w.closed(tls=False, host="evil.example"), "an unknown name is answered on port 80")


def nginx_health_is_plain_and_not_logged(w):
    before = len(w.nginx.log())
    answer = w.ask("GET", "/nginx-health")
    expect(answer.status == 200 and answer.body == b"healthy\n", answer.body)
    expect(answer.headers.get_all("Content-Type") == ["text/plain"], answer.headers.get_all("Content-Type"))
    marker = f"marker-{uuid.uuid4()}"
    w.ask("GET", "/api/v1", a_client(), headers=[("X-Request-ID", marker)])
    w.logged(marker, "nginx")
    expect(not [line for line in w.nginx.log()[before:] if line["path"] == "/nginx-health"], "/nginx-health is logged")


def tls_is_1_2_or_1_3(w):
    def attempt(version):
        context = ssl.create_default_context(cafile=str(w.nginx.certificate))
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = version
            context.minimum_version = version
        return w.ask("GET", "/nginx-health", context=context).status
    expect(attempt(ssl.TLSVersion.TLSv1_2) == 200 and attempt(ssl.TLSVersion.TLSv1_3) == 200, "TLS 1.2 and 1.3")
    try:
        attempt(ssl.TLSVersion.TLSv1_1)
    except ssl.SSLError as error:
        # For want of a common cipher it would be another alert.
        expect("PROTOCOL_VERSION" in str(error), "TLS 1.1 is refused, but not as a version:", error)
    else:
        raise AssertionError("TLS 1.1 was accepted")


def unknown_names_are_turned_away(w):
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    for sni in ("evil.example", None):
        expect(not w.closed(sni=sni, context=anybody), "a handshake without our name succeeds:", sni)
    expect(not w.closed(host="evil.example"), "a request for another name is answered")


def http_2_is_spoken(w):
    done = subprocess.run(
        ["curl", "-sS", "--http2", "--max-time", "10", "--cacert", w.nginx.certificate, "--resolve", f"{NAME}:{w.nginx.https}:127.0.0.1",
         "-o", "/dev/null", "-w", "%{http_version} %{response_code}", f"https://{NAME}:{w.nginx.https}/health"],
        capture_output=True, text=True, timeout=20)
    expect(done.stdout == "2 200", done.stdout, done.stderr)


def headers_of_every_answer(w):
    answer = w.ask("GET", "/health")
    expect(answer.headers.get_all("Strict-Transport-Security") == ["max-age=31536000"], "HSTS", answer.headers.items())
    expect(answer.headers["Server"] == "nginx", "Server:", answer.headers["Server"])


def metrics_stay_inside(w):
    for path in ("/metrics", "/metrics/", "//metrics", "/metrics?x"):
        answer = w.ask("GET", path, a_client()).problem(404, "rota_nao_encontrada")
        lines = w.logged(answer.headers["X-Request-Id"], "nginx")
        expect(lines[0]["replica"] == "", path, "reached", lines[0]["replica"])


def ambiguous_bodies_are_refused(w):
    headers = [("Transfer-Encoding", "chunked"), ("Content-Length", "5")]
    w.ask("POST", "/api/v1/atividades", a_client(), headers=headers).problem(400, "requisicao_invalida")


# --- the limit

def flood(w, count, client=None, peer=EDGE, **how):
    """Statuses of `count` requests as fast as they go, and the last answer that was refused."""
    answers = [w.ask("GET", "/api/v1", client, peer, **how) for _ in range(count)]
    refused = [a for a in answers if a.status == 429]
    return [a.status for a in answers], refused[-1] if refused else None


def excess_gets_the_429_of_the_service(w):
    client = a_client()
    asked = [("Origin", ORIGIN), ("X-Request-ID", "flood-1")]
    started = time.monotonic()
    statuses, refused = flood(w, 60, client, headers=asked)
    allowed = statuses.count(200)
    most = 22 + 10 * (time.monotonic() - started)
    expect(set(statuses) == {200, 429} and 20 <= allowed <= most, "of 60 requests", allowed, "were answered", set(statuses))
    refused.problem(429, "muitas_requisicoes", "flood-1")
    lines = w.logged("flood-1", "nginx")
    expect(all(line["replica"] == "" for line in lines if line["status"] == "429"), "the 429 is not nginx's own")

    connection = http.client.HTTPConnection("127.0.0.1", w.limited_port, timeout=10)
    for _ in range(200):
        connection.request("GET", "/api/v1", headers=dict(asked))
        own = Answer(connection.getresponse())
        if own.status == 429:
            break
    own.problem(429, "muitas_requisicoes", "flood-1")
    expect(refused.json() == own.json(), refused.json(), "is not the service's", own.json())
    for name, value in own.headers.items():
        if name.lower() not in ("date", "content-length", "vary", "access-control-expose-headers"):
            expect(refused.headers[name] == value, name, refused.headers[name], "instead of", value)
    expect("origin" in refused.headers["Vary"].lower(), "Vary", refused.headers["Vary"])

    time.sleep(int(refused.headers["Retry-After"]))
    expect(w.ask("GET", "/api/v1", client).status == 200, "still refused after Retry-After")


def health_is_not_limited(w):
    client = a_client()
    for path in ("/health", "/healthz", "/ready", "/nginx-health"):
        statuses = {w.ask("GET", path, client).status for _ in range(40)}
        expect(statuses == {200}, path, statuses)


def pages_may_read_errors_as_they_may_read_answers(w):
    client = a_client()
    flood(w, 30, client)
    # The default origins are those of production; the replicas run as in development, which adds localhost.
    for origin in ("https://dev.azure.com", "https://a.dev.azure.com", "https://contoso.visualstudio.com", "https://visualstudio.com",
                   "https://p.gallerycdn.vsassets.io", "https://evil.example", "https://dev.azure.com.evil.example",
                   "http://dev.azure.com", "https://evildev.azure.com", "null"):
        answered = w.ask("GET", "/health", headers=[("Origin", origin)])
        refused = next(a for a in iter(lambda: w.ask("GET", "/api/v1", client, headers=[("Origin", origin)]), None) if a.status == 429)
        for name in ("Access-Control-Allow-Origin",):
            expect(answered.headers[name] == refused.headers[name], origin, name, answered.headers[name], refused.headers[name])
        if refused.headers["Access-Control-Allow-Origin"]:
            expect(set(refused.headers["Access-Control-Expose-Headers"].split(",")) <=
                   set(answered.headers["Access-Control-Expose-Headers"].split(",")), "exposed headers")


def clients_behind_one_edge_do_not_share_a_limit(w):
    one, other = a_client(), a_client()
    statuses, _ = flood(w, 40, one)
    expect(429 in statuses, "no limit")
    expect(flood(w, 15, other)[0] == [200] * 15, "another client behind the same edge is refused")
    expect(429 in flood(w, 15, one, OTHER_EDGE)[0], "a client has a limit for each edge")
    expect(w.ask("OPTIONS", "/api/v1", one, headers=[("Origin", ORIGIN), ("Access-Control-Request-Method", "GET")]).status == 200,
           "a preflight uses up the requests")


def an_ipv6_network_is_one_client(w):
    addresses = [f"2001:db8:7:9:{n:x}::1" for n in range(1, 30)]
    statuses = [w.ask("GET", "/api/v1", address).status for address in addresses]
    expect(429 in statuses, "29 addresses of a /64 have 29 limits")
    expect(w.ask("GET", "/api/v1", "2001:db8:7:a::1").status == 200, "the neighbouring /64 is refused")


# --- who the client is

def forged_addresses_are_not_believed(w):
    forged = [("X-Forwarded-For", "6.6.6.6"), ("X-Real-IP", "6.6.6.6"), ("Forwarded", "for=6.6.6.6")]
    statuses = [w.ask("GET", "/api/v1", f"198.51.100.{n}", STRANGER, headers=[("X-Forwarded-For", f"198.51.100.{n}")]).status
                for n in range(1, 41)]
    expect(429 in statuses, "a stranger with 40 forged addresses has 40 limits")
    statuses = [w.ask("GET", "/api/v1", "203.0.113.77", EDGE, headers=[("X-Forwarded-For", f"198.51.100.{n}")]).status
                for n in range(1, 41)]
    expect(429 in statuses, "a client with 40 forged X-Forwarded-For has 40 limits")
    for number, (peer, claimed, real) in enumerate(((STRANGER, "203.0.113.5", STRANGER), (EDGE, "203.0.113.6", "203.0.113.6"),
                                                    (EDGE, "2001:db8::6", "2001:db8::6"))):
        request_id = f"forged-{number}"
        w.ask("GET", "/health", claimed, peer, headers=[*forged, ("X-Request-ID", request_id)])
        clients = {line["client"] for line in w.logged(request_id, "service") if "client" in line}
        # The replicas trust 127.0.0.1 alone, so they show the stranger as nginx named it.
        expect(clients == {real}, "the service took", peer, "with", claimed, "for", clients)
        line = w.logged(request_id, "nginx")[0]
        expect((line["client"], line["peer"]) == (real, peer), line)


def the_service_gets_exactly_these_headers(w):
    w.echo_instead()
    try:
        sent = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "7.7.7.7"), ("X-Real-IP", "6.6.6.6"), ("X-Forwarded-Proto", "http"),
                ("Forwarded", "for=6.6.6.6"), ("X-Request-ID", "id-1"), ("X-Forwarded-Host", "evil.example"), ("Authorization", "Bearer x"),
                ("Idempotency-Key", "k"), ("If-Match", 'W/"a-b"')]
        got = w.ask("GET", "/echo?a=1", "203.0.113.9", headers=sent).json()
        wanted = {"host": NAME, "x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9", "x-forwarded-proto": "https",
                  "x-request-id": "id-1", "x-forwarded-host": NAME, "authorization": "Bearer x", "idempotency-key": "k", "if-match": '"a-b"'}
        expect(sorted(got["headers"]) == sorted(map(list, wanted.items())), got["headers"])
        expect(got["path"] == "/echo?a=1", got["path"])
        got = dict(w.ask("GET", "/echo", "203.0.113.9", STRANGER, headers=sent).json()["headers"])
        expect(got["x-forwarded-for"] == got["x-real-ip"] == STRANGER and "cf-connecting-ip" not in got, got)
    finally:
        w.replicas_again()


def origin_only_refuses_strangers(w):
    snippet = w.nginx.snippet("origin-only.conf")
    off = snippet.read_text()
    expect("default off;" in off, "origin-only is not off by default")
    expect(w.ask("GET", "/api/v1", peer=STRANGER).status == 200, "strangers are refused though origin-only is off")
    client = w.nginx.snippet("client.conf").read_text()
    try:
        snippet.write_text(off.replace("default off;", "default on;"))
        w.nginx.reload()
        for peer, claimed in ((STRANGER, None), (STRANGER, "203.0.113.8"), (EDGE, None)):
            w.ask("GET", "/api/v1", claimed, peer).problem(403, "acesso_negado")
            expect(w.ask("GET", "/api/v1", claimed, peer, tls=False).status == 403, "port 80 answers a stranger")
        expect(w.ask("GET", "/api/v1", "203.0.113.8").status == 200, "Cloudflare is refused")
        for path in ("/nginx-health", "/health", "/ready"):
            expect(w.ask("GET", path, peer=STRANGER).status == 200, "a private health check is refused", path)
        # Now the same peers are on no private network.
        w.nginx.snippet("client.conf").write_text(client.replace("127.0.0.0/8 yes;", "127.0.0.1 yes;"))
        w.nginx.reload()
        for path in ("/nginx-health", "/health", "/ready", "/api/v1"):
            w.ask("GET", path, peer=STRANGER).problem(403, "acesso_negado")
        expect(w.ask("GET", "/health", "203.0.113.8").status == 200, "Cloudflare is refused")
    finally:
        snippet.write_text(off)
        w.nginx.snippet("client.conf").write_text(client)
        w.nginx.reload()


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
    for status, path in ((200, f"/api/v1?token={secret}"), (308, f"/x?token={secret}"), (404, f"/metrics?token={secret}")):
        answer = w.ask("GET", path, a_client(), tls=status != 308, headers=[("Referer", f"https://dev.azure.com/?t={secret}")])
        expect(answer.status == status, path, answer.status)
    w.logged(answer.headers["X-Request-Id"], "nginx")
    expect(secret not in w.nginx.access_log.read_text(), "the access log holds a query or a referrer")


# --- replicas that fail

def only_idempotent_requests_are_sent_twice(w):
    echoes = w.echo_instead()
    try:
        for method in ("POST", "PATCH"):
            answer = w.ask(method, "/die", a_client(), body=b"{}").problem(502, "servico_indisponivel")
            expect(answer.headers["Retry-After"] == "1", "no Retry-After")
            expect(echoes.seen[f"{method} /die"] == 1, method, "was sent", echoes.seen[f"{method} /die"], "times")
        for method in ("GET", "PUT", "DELETE"):
            path = f"/die-once/{method}"
            answer = w.ask(method, path, a_client(), body=b"{}" if method == "PUT" else None)
            expect(answer.status == 200 and echoes.seen[f"{method} {path}"] == 2, method, answer.status, echoes.seen)
        w.ask("GET", "/die/always", a_client()).problem(502, "servico_indisponivel")
        answer = w.ask("GET", "/busy", a_client())
        expect((answer.status, answer.headers["Retry-After"], echoes.seen["GET /busy"]) == (503, "7", 1), "the service's 503 was not passed on once")
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
    def served_again():
        request_id = f"again-{uuid.uuid4()}"
        w.ask("GET", "/health", headers=[("X-Request-ID", request_id)])
        return request_id in victim.log()
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


PROMISES = [promise for name, promise in list(globals().items())
            if callable(promise) and getattr(promise, "__code__", None) and promise.__code__.co_varnames[:1] == ("w",)
            and promise.__code__.co_argcount == 1]


def main(names):
    config_files.check()
    promises = [promise for promise in PROMISES if not names or promise.__name__ in names]
    if not promises:
        raise SystemExit(f"no promise of that name; there are: {', '.join(p.__name__ for p in PROMISES)}")
    failures = 0
    with tempfile.TemporaryDirectory(prefix="aponta-nginx-") as folder:
        os.chmod(folder, 0o755)
        world = World(folder)
        try:
            world.start()
            for promise in promises:
                started = time.monotonic()
                try:
                    note = promise(world)
                except Exception as error:
                    failures += 1
                    print(f"FAILED  {promise.__name__}: {type(error).__name__}: {error}", flush=True)
                    world.tell(str(error))
                else:
                    print(f"ok      {promise.__name__} ({time.monotonic() - started:.1f} s){f': {note}' if note else ''}", flush=True)
        finally:
            world.stop()
    if failures:
        raise SystemExit(f"{failures} of {len(promises)} promises broken")
    print(f"{len(promises)} promises kept")


if __name__ == "__main__":
    main(sys.argv[1:])
