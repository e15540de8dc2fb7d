"""What the tests and the benchmark of nginx run: the real configuration on other ports, and replicas of the service.

Lays a copy of nginx/ out in a folder, with only those snippets replaced that name ports, replicas, Cloudflare's addresses or
what an older nginx does not know. What is measured and asserted is elsewhere (e2e.py, load.py).
"""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

NGINX = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("NGINX_BIN", "nginx")
NAME = "api.example.com"
# Loopback addresses play the peers: an edge of Cloudflare, another one, and somebody who is neither.
EDGE, OTHER_EDGE, STRANGER = "127.0.0.2", "127.0.0.4", "127.0.0.3"
CLOUDFLARE = f"set_real_ip_from {EDGE};\nset_real_ip_from {OTHER_EDGE};\n"


def wait(what, check, seconds=20.0):
    """Polls until `check` gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := check():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


def free_ports(count):
    """Ports below those that the kernel hands out by itself, so that nobody takes them meanwhile."""
    ports = []
    while len(ports) < count:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def replace_once(text, old, new):
    if text.count(old) != 1:
        raise SystemExit(f"FAILED: {old!r} is {text.count(old)} times in the configuration, expected once")
    return text.replace(old, new)


def version():
    said = subprocess.run([PROGRAM, "-v"], capture_output=True, text=True, check=True, timeout=10).stderr
    return tuple(int(part) for part in re.search(r"nginx/(\d+)\.(\d+)", said).groups())


class Nginx:
    """nginx under the project's configuration."""

    def __init__(self, folder, replicas):
        self.folder = pathlib.Path(folder) / "nginx"
        shutil.copytree(NGINX, self.folder, ignore=shutil.ignore_patterns("tests", "ssl"))
        (self.folder / "ssl").mkdir()
        self.http, self.https = free_ports(2)
        self.access_log = self.folder / "access.log"
        self.error_log = self.folder / "error.log"
        self.process = None
        self.write("listen-http.conf", f"listen 127.0.0.1:{self.http};\n")
        # Below 1.28, say Debian's, HTTP/2 is a word of `listen`, and the rest of since-1.28.conf is left out.
        self.modern = version() >= (1, 28)
        self.write("listen-https.conf", f"listen 127.0.0.1:{self.https} ssl{'' if self.modern else ' http2'};\n")
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        self.write("since-1.28.conf", "".join(f"{name}_temp_path {self.folder}/{name};\n" for name in temporary) +
                   ((NGINX / "snippets" / "since-1.28.conf").read_text() if self.modern else ""))
        self.write("cloudflare.conf", CLOUDFLARE)
        self.replicas(replicas)
        for path, name in ((self.folder / "nginx.conf", "error.log"), (self.snippet("log.conf"), "access.log")):
            path.write_text(replace_once(path.read_text(), f"/var/log/nginx/{name}", str(self.folder / name)))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "privkey.pem", "-out", "fullchain.pem"],
            cwd=self.folder / "ssl", check=True, capture_output=True, timeout=30)

    @property
    def certificate(self):
        return self.folder / "ssl" / "fullchain.pem"

    def snippet(self, name):
        return self.folder / "snippets" / name

    def write(self, snippet, text):
        if not (NGINX / "snippets" / snippet).exists():
            raise SystemExit(f"FAILED: there is no snippet {snippet} to replace")
        self.snippet(snippet).write_text(text)

    def replicas(self, ports):
        """The addresses in place of the name; the parameters stay those of the project."""
        real = (NGINX / "snippets" / "replicas.conf").read_text()
        parameters = re.search(r"^server api:8000 resolve ([^;]*);$", real, re.M)
        if not parameters:
            raise SystemExit("FAILED: replicas.conf names no `server api:8000 resolve`")
        self.write("replicas.conf", "".join(f"server 127.0.0.1:{port} {parameters[1]};\n" for port in ports))

    def replicas_by_name(self, resolver, port):
        """replicas.conf as it is, but for the name server and the port."""
        text = (NGINX / "snippets" / "replicas.conf").read_text()
        self.write("replicas.conf", replace_once(replace_once(text, "resolver 127.0.0.11 ", f"resolver {resolver} "), "server api:8000 ", f"server api:{port} "))

    def command(self, *arguments):
        return [PROGRAM, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", str(self.error_log),
                "-g", f"daemon off; pid {self.folder}/nginx.pid;", *arguments]

    def check(self):
        """What `nginx -t` says."""
        done = subprocess.run(self.command("-t"), capture_output=True, text=True, timeout=30)
        return done.returncode, done.stderr

    def start(self):
        status, said = self.check()
        if status != 0 or "[warn]" in said:
            raise SystemExit(f"FAILED: nginx -t: {said}")
        self.process = subprocess.Popen(self.command(), start_new_session=True)
        wait("nginx listens", lambda: answers(f"http://127.0.0.1:{self.http}/nginx-health"))

    def workers(self):
        """Those that take new connections; a worker that a reload retired says so in its title."""
        pids = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {pid for pid in pids if "shutting down" not in title(pid)}

    def reload(self):
        """Reads the configuration again; returns once new workers are there and the old ones on their way out."""
        status, said = self.check()
        if status != 0:
            raise SystemExit(f"FAILED: nginx -t: {said}")
        old = self.workers()
        self.process.send_signal(signal.SIGHUP)
        wait("new workers", lambda: len(self.workers()) == len(old) and not self.workers() & old)

    def log(self):
        return [json.loads(line) for line in self.access_log.read_text().splitlines()]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)


def title(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return "shutting down: gone"


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


class Replica:
    """One `aponta serve` on loopback, which believes what nginx says of the client."""

    def __init__(self, binary, folder, port, environment):
        self.binary, self.port = str(binary), port
        self.log_path = pathlib.Path(folder) / f"replica-{port}.log"
        self.environment = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")},
            "ENVIRONMENT": "development", "API_HOST": "127.0.0.1", "API_PORT": str(port), "LOG_FORMAT": "json",
            "TRUSTED_PROXIES": "127.0.0.1/32", "AUTO_MIGRATE": "false", **environment}
        self.cwd = str(folder)
        self.process = None

    def start(self):
        log = self.log_path.open("a")
        self.process = subprocess.Popen([self.binary, "serve"], env=self.environment, cwd=self.cwd, stdout=log, stderr=log)
        log.close()

    def wait_ready(self):
        wait(f"replica {self.port} is ready", lambda: answers(f"http://127.0.0.1:{self.port}/ready"))

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def stop(self, seconds=45):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def log(self):
        return self.log_path.read_text()
