"""Starts the service with everything it needs, seeds it through its own API, and lets Schemathesis at it as a member and as an
administrator. `contract.py ST [MAX_EXAMPLES]`. What may be answered how is not decided here."""

import base64
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import azure_devops

HERE = pathlib.Path(__file__).resolve().parent
APONTA = pathlib.Path(os.environ["APONTA_BIN"]).resolve()
# Of the short form: the same requests each time, so that the gate fails for a reason. The long one looks elsewhere each time.
SEED, EXAMPLES = 1, 10
# Objects of each kind that are kept, and as many that are there to be deleted: Schemathesis names every one of them.
SEEDED = 6


def wait(what, seconds, found):
    deadline = time.monotonic() + seconds
    while not (it := found()):
        if time.monotonic() > deadline:
            raise SystemExit(f"contract: not in time: {what}")
        time.sleep(0.1)
    return it


def free_port():
    with socket.socket() as a:
        a.bind(("127.0.0.1", 0))
        return a.getsockname()[1]


class Service:
    """Database, stand-in for Azure DevOps and the service."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        self.azure, org_url = azure_devops.start()
        self.port = free_port()
        self.spawn("database", "dev", "--only-database", "--data-dir", folder / "data")
        log = folder / "database.log"
        url = wait("the database", 120, lambda: re.search(r"^postgres://\S+", log.read_text(), re.M))[0]
        environment = {
            "DATABASE_URL": url, "API_HOST": "127.0.0.1", "API_PORT": str(self.port), "METRICS_ADDR": "off", "LOG_FORMAT": "json",
            # A busy machine is no finding.
            "DATABASE_ACQUIRE_TIMEOUT_MS": "20000", "RATE_LIMIT_ENABLED": "false", "SHUTDOWN_DELAY_SECONDS": "0",
            "AZURE_DEVOPS_ORG_URL": org_url, "AZURE_DEVOPS_PAT": self.azure.azure.admin.pat,
            "ADMIN_USERS": self.azure.azure.admin.email, "PAT_ENCRYPTION_KEYS": base64.b64encode(os.urandom(32)).decode(),
            # Old days and days to come are refused; a schema cannot say which days those are.
            "ENTRY_MAX_AGE_DAYS": "3652059", "ALLOW_FUTURE_ENTRIES": "true",
            # Probes that succeed, too: the log says which operations did.
            "RUST_LOG": "info,aponta::edge::observe=debug"}
        subprocess.run([APONTA, "migrate"], env={**os.environ, **environment, "RUST_LOG": "warn"}, cwd=folder, check=True, timeout=60)
        self.spawn("serve", "serve", environment=environment)
        wait("the service", 60, self.ready)

    def spawn(self, name, *arguments, environment=None):
        with (self.folder / f"{name}.log").open("w") as log:
            self.processes.append(subprocess.Popen([APONTA, *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
                                                   env={**os.environ, **(environment or {})}))

    def ready(self):
        try:
            return self.ask(None, "GET", "/ready")
        except OSError:
            return None

    def ask(self, person, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {person.pat}"} if person else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        told = answer.read()
        if answer.status >= 300:
            raise OSError(f"{method} {path}: {answer.status} {told[:500]}")
        return json.loads(told)

    def seed(self):
        """Activities, time entries of the member and PATs; what Schemathesis knows of them are dictionaries in the folder."""
        member, admin = self.azure.azure.member, self.azure.azure.admin
        self.ask(admin, "POST", "/api/v1/integracao/sincronizar")
        projects = {"ids_projetos": [azure_devops.PROJECT]}
        atividades = [self.ask(admin, "POST", "/api/v1/atividades", {"nome": f"Atividade {n}", **projects})["id"] for n in range(2 * SEEDED)]
        entry = {"duracao": "00:30", "project_id": azure_devops.PROJECT, "organization_name": azure_devops.ORG}
        apontamentos = [self.ask(member, "POST", "/api/v1/apontamentos", {
            **entry, "data_apontamento": f"2026-01-{1 + n % 28:02}", "id_atividade": atividades[n % SEEDED],
            "work_item_id": azure_devops.WORK_ITEMS[n % 2]})["id"] for n in range(2 * SEEDED)]
        # Of organisations that do not exist.
        pats = [self.ask(admin, "POST", "/api/v1/organization-pats?validate_first=false", {
            "organization_name": f"fabrikam{n}", "pat": admin.pat})["id"] for n in range(2 * SEEDED)]
        for name, ids in (("atividades", atividades), ("apontamentos", apontamentos), ("pats", pats)):
            for kind, some in ((name, ids[:SEEDED]), (f"{name}_to_delete", ids[SEEDED:])):
                (self.folder / f"{kind}.dict").write_text("".join(f'"{id}"\n' for id in some))

    def stop(self):
        """The service first, that it may say goodbye to the database."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()

    def defects(self):
        """What went wrong by its log, with the cause, and operations that never did what they are for: nothing was tried there."""
        lines = (self.folder / "serve.log").read_text().splitlines()
        told = [json.loads(line) for line in lines if line.startswith("{")]
        served = {(line["method"], line["route"]) for line in told if "route" in line and 200 <= line.get("status", 0) < 300}
        paths = self.ask(None, "GET", "/openapi.json")["paths"]
        operations = [(method.upper(), path) for path, item in paths.items() for method in item if method != "parameters"]
        return ([line for line in lines if re.search(r'"level":"ERROR"|"status":5\d\d|panicked', line)]
                + [f"never succeeded: {' '.join(operation)}" for operation in operations if operation not in served])


def main():
    st, *rest = sys.argv[1:]
    examples = int(rest[0]) if rest else EXAMPLES
    seed = int(os.environ.get("SEED") or (random.randrange(2**32) if rest else SEED))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="aponta-contract."))
    folder.chmod(0o755)
    # An end from outside cleans up, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    service, broken = None, []
    try:
        service = Service(folder)
        service.seed()
        for file in ("schemathesis.toml", "contract_checks.py"):
            shutil.copy(HERE / file, folder)
        for role, person in (("member", service.azure.azure.member), ("administrator", service.azure.azure.admin)):
            begin = time.monotonic()
            print(f"\ncontract: as {role}, {examples} examples, SEED={seed}", flush=True)
            code = subprocess.run([pathlib.Path(st).absolute(), "run", f"http://127.0.0.1:{service.port}/openapi.json", "--checks", "all",
                                   "--max-examples", str(examples), "--seed", str(seed), "--header", f"Authorization: Bearer {person.pat}",
                                   *os.environ.get("ST_ARGS", "").split()],
                                  cwd=folder, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).returncode
            print(f"contract: as {role}: {'clean' if code == 0 else 'FINDINGS'}, {time.monotonic() - begin:.0f} s", flush=True)
            broken += [f"as {role}"] if code else []
        if defects := service.defects():
            print("contract: by the service's log:", *defects[:20], sep="\n", flush=True)
            broken.append("the service's log")
    finally:
        if service:
            service.stop()
        if os.environ.get("KEEP"):
            print(f"contract: logs are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if broken:
        sys.exit(f"contract: broken: {', '.join(broken)}. Repeat with SEED={seed} .ci/schemathesis {rest[0] if rest else ''}".rstrip())
    print("contract: the service does what it says")


main()
