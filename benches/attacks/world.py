"""The processes that attacks need: PostgreSQL, the stand-in for Azure DevOps, the service, its people."""

import contextlib
import math
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DESCRIPTORS = 4096
TICKS = os.sysconf("SC_CLK_TCK")

# Limits are those of production except where a comment says otherwise.
SETTINGS = {
    "ENVIRONMENT": "development", "API_HOST": "127.0.0.1", "API_PORT": "0", "LOG_FORMAT": "json",
    "METRICS_ADDR": "off", "SHUTDOWN_DELAY_SECONDS": "0", "SHUTDOWN_TIMEOUT_SECONDS": "5",
    "AUTH_ENABLED": "true", "RATE_LIMIT_ENABLED": "true",
    # The proxy of all simulated clients. Attackers that connect by themselves have addresses in 127.0.1.0/24.
    "TRUSTED_PROXIES": "127.0.0.1",
    # So short that the proof of each member ends in each attack.
    "AUTH_CACHE_TTL": "20",
    # Fewer than the connections of one attacker; and a deadline for writing that ends within the attack.
    "API_MAX_CONNECTIONS": "400", "API_WRITE_TIMEOUT_SECONDS": "5",
}


class World:
    """The running service and what can be seen of it from outside."""

    def __init__(self, service, port, log, azure_port, measurements):
        self.service, self.port, self.log = service, port, log
        self.azure_port, self.measurements = azure_port, measurements
        self.people = None

    def alive(self):
        return self.service.poll() is None

    def memory(self, key):
        """Resident memory in MiB: VmRSS now, VmHWM at its peak since `forget_peak`. Infinite when the service
        is dead, which no bound lets pass."""
        if not self.alive():
            return math.inf
        status = self.of_process("status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+) kB", status, re.M)[1]) / 1024

    def forget_peak(self):
        if self.alive():
            self.of_process("clear_refs").write_text("5")

    def processor(self):
        """Processor time in milliseconds, the kernel's for the service included."""
        if not self.alive():
            return math.inf
        fields = self.of_process("stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / TICKS

    def log_bytes(self):
        return self.log.stat().st_size

    def of_process(self, name):
        return pathlib.Path(f"/proc/{self.service.pid}/{name}")


def program():
    """The release build, or the binary that APONTA_BIN names."""
    path = ROOT / os.environ.get("APONTA_BIN", "target/release/aponta")
    if not path.exists() and "APONTA_BIN" not in os.environ:
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return str(path)


@contextlib.contextmanager
def running(command, out, **environment):
    """A process whose standard output is the file `out`. Of the caller's environment it gets only what
    programs need to run."""
    needed = {name: os.environ[name] for name in ("PATH", "HOME", "PG_BIN_DIR") if name in os.environ}
    with open(out, "wb") as stdout, open(f"{out}.err", "wb") as stderr:
        # A session of its own: Ctrl-C reaches this program only, which then ends the others in order.
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, cwd=pathlib.Path(out).parent,
                                   start_new_session=True, env={**needed, **environment})
    try:
        yield process
    finally:
        end(process)


def end(process):
    """SIGTERM, then SIGKILL."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def told(pattern, out, process):
    """What the process writes in its first half minute that matches."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(pattern, out.read_text(), re.M)
        if found:
            return found[1]
        time.sleep(0.1)
    complaint = out.read_text() + pathlib.Path(f"{out}.err").read_text()
    raise SystemExit(f"attacks: {process.args} did not start\n{complaint}")


@contextlib.contextmanager
def opened():
    """Everything started; ended and removed afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(DESCRIPTORS, hard)), hard))
    aponta = program()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="attacks-")))

        def start(pattern, command, name, **environment):
            out = folder / name
            process = stack.enter_context(running(command, out, **environment))
            return process, told(pattern, out, process)

        _, url = start(r"^(postgres://\S+)", [aponta, "dev", "--ephemeral", "--only-database"], "database")
        _, azure = start(r"^(\d+)$", [sys.executable, "-B", HERE / "azure.py"], "azure")
        service, address = start(
            r'"serving".*"address":"([^"]+)"', [aponta, "serve"], "service", DATABASE_URL=url,
            AZURE_DEVOPS_ORG_URL=f"http://127.0.0.1:{azure}/contoso", **SETTINGS)
        port = address.rpartition(":")[2]
        world = World(service, int(port), folder / "service", int(azure), folder / "people")
        command = [sys.executable, "-B", HERE / "people.py", port]
        world.people = stack.enter_context(running(command, world.measurements))
        yield world
