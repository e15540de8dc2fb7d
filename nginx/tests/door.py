"""What a client meets before the service: ports, TLS, the limit, and who it is taken for. A promise each; the docstring of e2e.py says
how they run."""

import concurrent.futures
import http.client
import itertools
import json
import ssl
import subprocess
import time
import uuid
import warnings

from stack import EDGE, NAME, OTHER_EDGE, STRANGER, replace_once
from world import ORIGIN, PROBLEM, Answer, a_client, expect


# --- what a client meets at the door

def port_80_refuses_the_api_and_redirects_pages(w):
    # A redirected client would send its credential in plain text each time.
    credential = [("Authorization", "Bearer x")]
    for method, path in (("GET", "/api/v1/projetos?skip=1"), ("POST", "/api/v1/apontamentos"), ("OPTIONS", "/api/v1"), ("GET", "/api"),
                         ("GET", "//api/v1"), ("GET", "/%61pi/v1"), ("GET", "/docs/../api/v1"), ("GET", "/API/v1"), ("PUT", "/docs")):
        answer = w.ask(method, path, tls=False, headers=credential).problem(403, "https_obrigatorio")
        expect("HTTPS" in answer.json()["detail"], answer.json())
        expect("Location" not in answer.headers and "Strict-Transport-Security" not in answer.headers, answer.headers.items())
    for method, path in (("GET", "/"), ("GET", "/docs"), ("HEAD", "/docs"), ("GET", "/openapi.json?a=1"), ("GET", "/ready"), ("GET", "/apis")):
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


# --- requests that nginx cannot read

HOST = f"Host: {NAME}\r\n"
# Bytes, and the statuses that may answer them where that is not 400.
MALFORMED = {
    # Newer versions of nginx read the address of CONNECT and say 405.
    "CONNECT": (f"CONNECT host:443 HTTP/1.1\r\n{HOST}\r\n", 400, 405),
    "U+0000 in the path": (f"GET /api/%00 HTTP/1.1\r\n{HOST}\r\n",),
    "a path that leaves the root": (f"GET /..%2f..%2fetc/passwd HTTP/1.1\r\n{HOST}\r\n",),
    "half an escape": (f"GET /%4 HTTP/1.1\r\n{HOST}\r\n",),
    "a space in the path": (f"GET /a b HTTP/1.1\r\n{HOST}\r\n",),
    "no request line": ("\x01\x02 nonsense\r\n\r\n",),
    "a method in lower case": (f"get / HTTP/1.1\r\n{HOST}\r\n",),
    "an asterisk for a path": (f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n",),
    "another protocol": (f"GET / ICY/1.1\r\n{HOST}\r\n",),
    "an unknown version": (f"GET / HTTP/9.9\r\n{HOST}\r\n",),
    "a path without end": (f"GET /{'a' * 20_000} HTTP/1.1\r\n{HOST}\r\n", 414),
    "TRACE": (f"TRACE / HTTP/1.1\r\n{HOST}\r\n", 405),
    "no host": ("GET / HTTP/1.1\r\n\r\n",),
    "two hosts": (f"GET / HTTP/1.1\r\n{HOST}{HOST}\r\n",),
    "a host that is none": ("GET / HTTP/1.1\r\nHost: a..b\r\n\r\n",),
    "U+0000 in a header": (f"GET / HTTP/1.1\r\n{HOST}X-A: a\0b\r\n\r\n",),
    "a space before a colon": (f"GET / HTTP/1.1\r\n{HOST}X-A : a\r\n\r\n",),
    "a header without end": (f"GET / HTTP/1.1\r\n{HOST}X-A: {'a' * 20_000}\r\n\r\n",),
    "too many headers": (f"GET / HTTP/1.1\r\n{HOST}" + f"X-A: {'a' * 15_000}\r\n" * 5 + "\r\n",),
    "two lengths": (f"POST / HTTP/1.1\r\n{HOST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}",),
    "a length that is none": (f"POST / HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n",),
    "an unknown transfer coding": (f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",),
    "a precondition for /nginx-health": (f'GET /nginx-health HTTP/1.1\r\n{HOST}If-Match: "a"\r\n\r\n', 412),
}


def malformed_requests_get_a_problem_document(w):
    codes = {405: "metodo_nao_permitido"}
    for way, how in {"TLS": {}, "port 80": {"tls": False}, "plain HTTP on the TLS port": {"tls": False, "port": w.nginx.https}}.items():
        for name, (request, *statuses) in MALFORMED.items():
            # Plain HTTP on the TLS port is a 400 of its own, once nginx has read the head.
            statuses = (statuses or [400]) + [400] * (way not in ("TLS", "port 80"))
            try:
                answer = w.send(request.encode("latin-1"), **how)
                expect(answer.status in statuses, "status", answer.status, answer.body[:200])
                answer.problem(answer.status, codes.get(answer.status, "requisicao_invalida"))
                expect((answer.headers["Allow"] is not None) == (answer.status == 405), "Allow", answer.headers["Allow"])
            except Exception as error:
                raise AssertionError(f"{name}, {way}: {error!r}") from error
    plain = w.send(b"GET /api/v1 HTTP/1.1\r\nHost: evil.example\r\n\r\n", tls=False, port=w.nginx.https)
    plain.problem(400, "requisicao_invalida")
    # The location that answers them is internal.
    w.ask("GET", "/nginx-problem", a_client()).problem(404, "rota_nao_encontrada")


def malformed_http_2_requests_get_a_problem_document(w):
    for path, method, status, code in (("/%00", "GET", 400, "requisicao_invalida"), ("/..%2f..%2fetc", "GET", 400, "requisicao_invalida"),
                                       ("/", "TRACE", 405, "metodo_nao_permitido")):
        done = subprocess.run(
            ["curl", "-sS", "--http2", "--path-as-is", "-X", method, "--max-time", "10", "--cacert", w.nginx.certificate, "--resolve",
             f"{NAME}:{w.nginx.https}:127.0.0.1", "-w", "\n%{http_version} %{response_code} %{content_type}",
             f"https://{NAME}:{w.nginx.https}{path}"], capture_output=True, text=True, timeout=20)
        body, _, told = done.stdout.rpartition("\n")
        expect(told == f"2 {status} {PROBLEM}", method, path, told, done.stderr)
        expect(json.loads(body)["code"] == code, body)


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


def requests_at_once_of_an_address_are_bounded(w):
    path = w.nginx.snippet("client-limits.conf")
    configured = path.read_text()
    path.write_text(replace_once(configured, "limit_conn connections 256;", "limit_conn connections 8;"))
    w.echo_instead()
    try:
        # Addresses of one IPv6 /64; each request takes a second.
        addresses = [f"2001:db8:8:1:{n:x}::1" for n in range(1, 13)]
        with concurrent.futures.ThreadPoolExecutor(len(addresses)) as pool:
            asked = [pool.submit(w.ask, "GET", "/slow", address) for address in addresses]
            refused = [done.result() for done in itertools.islice(concurrent.futures.as_completed(asked), 4)]
            expect([a.status for a in refused] == [429] * 4, "not refused:", [a.status for a in refused])
            for check in ("/health", "/healthz", "/ready", "/nginx-health"):
                expect(w.ask("GET", check, addresses[0]).status == 200, "a health check is refused", check)
            expect(w.ask("GET", "/slow", "2001:db8:8:2::1").status == 200, "another client is refused")
        statuses = sorted(done.result().status for done in asked)
        expect(statuses == [200] * 8 + [429] * 4, statuses)
        for answer in refused:
            answer.problem(429, "muitas_requisicoes")
            expect("ao mesmo tempo" in answer.json()["detail"], answer.json())
            # RateLimit describes the rate, which is not used up.
            expect(answer.headers["Retry-After"] == "1" and "RateLimit" not in answer.headers, answer.headers.items())
        line, = w.logged(refused[0].headers["X-Request-Id"], "nginx")
        expect((line["connections"], line["replica"]) == ("REJECTED", ""), line)
        expect(w.ask("GET", "/slow", addresses[0]).status == 200, "still refused when all are done")
    finally:
        path.write_text(configured)
        w.replicas_again()


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
            w.ask("GET", "/api/v1", claimed, peer, tls=False).problem(403, "acesso_negado")
            for tls in (True, False):
                w.send(f"GET /%00 HTTP/1.1\r\n{HOST}\r\n".encode(), tls, peer=peer).problem(403, "acesso_negado")
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
