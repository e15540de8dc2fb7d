"""Everything that the end-to-end tests run, how they ask, and what they expect of any answer. The promises are in door.py and
replicas.py."""

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
import threading
import uuid

from echo import Echoes
from load import Request
from stack import EDGE, NAME, Nginx, Replica, free_ports, wait

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
            # Probes that succeed, too: the log says which replica answered whom.
            "RUST_LOG": "info,aponta::edge::observe=debug",
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

    def send(self, request, tls=True, port=None, peer=EDGE):
        """Returns the answer to bytes that an HTTP library would not send."""
        port = port or (self.nginx.https if tls else self.nginx.http)
        raw = socket.create_connection(("127.0.0.1", port), 10, source_address=(peer, 0))
        with self.context.wrap_socket(raw, server_hostname=NAME) if tls else raw as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return Answer(response)

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
            told = {"authenticatedUser": {"id": user, "providerDisplayName": f"Pessoa {user}"},
                    "instanceId": "2ad38d1e-3eaf-4769-931c-3a2da67bbb01"}
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
