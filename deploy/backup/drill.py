"""The machinery of the restore drill (.ci/backup-drill): a folder with the scripts of production in it, PostgreSQL and the
service as processes, a client that keeps account of what was acknowledged. Not here: what is done with them, and the promises.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent.parent
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
MARKER = "drill-marker"
PROJECT = "0b7e6f2a-6a57-4bb1-9f38-3f6b4a0c7d11"
ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")


def wait_for(what, condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise SystemExit(f"FAILED: {what}: not within {seconds} s")


class Machine:
    """Folders and environment of the drill, and commands in them as a user that PostgreSQL accepts."""

    def __init__(self, folder):
        self.folder = folder
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        shutil.copytree(DEPLOY, folder / "deploy")
        (folder / "metrics").mkdir()
        folder.chmod(0o755)
        for path in (folder, *folder.rglob("*")):
            if self.user:
                shutil.chown(path, "postgres", "postgres")
        self.env = {
            "PATH": f"{folder}/deploy/backup:{POSTGRES_BIN}:/usr/bin:/bin",
            "LC_ALL": "C",
            "PGBACKREST_CONFIG": f"{folder}/deploy/backup/pgbackrest.conf",
            "PGBACKREST_STANZA": "aponta",
            "PGBACKREST_PG1_PATH": f"{folder}/data",
            "PGBACKREST_PG1_USER": "postgres",
            "PGBACKREST_PG1_SOCKET_PATH": str(folder),
            "PGBACKREST_REPO1_PATH": f"{folder}/repository",
            "PGBACKREST_REPO1_CIPHER_PASS": "the drill's key, of no use elsewhere",
            "PGBACKREST_LOCK_PATH": f"{folder}/lock",
            "PGBACKREST_SPOOL_PATH": f"{folder}/spool",
            "PGBACKREST_ARCHIVE_TIMEOUT": "60",
            "BACKUP_METRICS_FILE": f"{folder}/metrics/aponta_backup.prom",
        }

    def run(self, *command, timeout=100, **env):
        """Exit code and output."""
        try:
            done = subprocess.run(command, env=self.env | env, cwd=self.folder, timeout=timeout, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.user)
        except subprocess.TimeoutExpired as late:
            return 124, f"{(late.stdout or b'').decode(errors='replace')}\nno answer in {timeout} s"
        return done.returncode, done.stdout.decode(errors="replace")

    def must(self, *command, **env):
        code, output = self.run(*command, **env)
        if code:
            raise SystemExit(f"FAILED: {' '.join(map(str, command))} (exit {code}):\n{output[-3000:]}")
        return output


class Postgres:
    """A server of the drill; its port only names the socket."""

    def __init__(self, machine, data, port):
        self.machine, self.data, self.port = machine, data, port
        self.env = machine.env | {"PGBACKREST_PG1_PATH": str(data), "PGBACKREST_PG1_PORT": str(port)}
        self.process = None
        self.url = f"postgres://postgres@localhost:{port}/aponta?host={machine.folder}"

    def start(self):
        command = ["postgres", "-D", str(self.data), "-p", str(self.port), "-c", "listen_addresses=",
                   "-c", f"config_file={self.machine.folder}/deploy/postgres/postgresql.conf",
                   "-c", f"unix_socket_directories={self.machine.folder}"]
        log = open(self.machine.folder / f"postgres-{self.port}.log", "ab")
        self.process = subprocess.Popen(command, env=self.env, cwd=self.machine.folder, start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.machine.user)
        wait_for("PostgreSQL takes writes", self.takes_writes, 60)

    def takes_writes(self):
        if self.process.poll() is not None:
            log = (self.machine.folder / f"postgres-{self.port}.log").read_text(errors="replace")
            raise SystemExit(f"FAILED: PostgreSQL ended:\n{log[-3000:]}")
        code, output = self.psql("SELECT pg_is_in_recovery()", database="postgres")
        return code == 0 and output.strip() == "f"

    def psql(self, sql, database="aponta"):
        return self.machine.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.machine.folder), "-p",
                                str(self.port), "-U", "postgres", "-d", database, "-c", sql)

    def query(self, sql, database="aponta"):
        code, output = self.psql(sql, database)
        if code:
            raise SystemExit(f"FAILED: {sql}:\n{output}")
        return output.strip()

    def markers(self):
        return {int(number) for number in self.query(
            f"SELECT substr(nome, {len(MARKER) + 2}) FROM api_aponta.atividades WHERE nome LIKE '{MARKER}%'").split()}

    def kill(self, how=signal.SIGKILL):
        """The whole server at once, as a power failure would; or in order."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL) if how == signal.SIGKILL else self.process.send_signal(how)
            self.process.wait(60)


class Service:
    """`aponta serve` over a database, on a port of its own choice."""

    def __init__(self, machine, binary, database):
        self.binary, self.folder = binary, machine.folder
        self.env = {"PATH": "/usr/bin:/bin", "ENVIRONMENT": "development", "DATABASE_URL": database.url, "API_HOST": "127.0.0.1",
                    "API_PORT": "0", "AUTH_ENABLED": "false", "RATE_LIMIT_ENABLED": "false", "METRICS_ADDR": "off"}
        self.process = None

    def start(self):
        path = self.folder / "serve.log"
        with open(path, "wb") as log:
            self.process = subprocess.Popen([self.binary, "serve"], env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        port = wait_for("the service listens", lambda: self.process.poll() is None and ADDRESS.search(path.read_text()), 30)
        self.env["API_PORT"] = port.group(1)
        wait_for("aponta healthcheck --ready", self.ready, 30)

    def ready(self):
        return subprocess.run([self.binary, "healthcheck", "--ready"], env=self.env, cwd=self.folder, timeout=20,
                              capture_output=True).returncode == 0

    def post(self, number):
        body = json.dumps({"nome": f"{MARKER}-{number}", "ids_projetos": [PROJECT]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.env['API_PORT']}/api/v1/atividades", body,
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status == 201

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


class Writer(threading.Thread):
    """Creates numbered activities, about thirty a second, until the service is gone; keeps when each was sent and acknowledged."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.service, self.sent, self.acknowledged = service, {}, {}
        self.stopping = threading.Event()

    def run(self):
        number = 0
        while not self.stopping.wait(0.03):
            number += 1
            self.sent[number] = time.time()
            try:
                if self.service.post(number):
                    self.acknowledged[number] = time.time()
            except OSError:
                pass
