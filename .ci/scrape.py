"""Live scrapes: starts the service on a database of its own, or node-exporter, reads its metrics and stops it again."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE = 60


def parse(text):
    """Metric to label to values. A histogram counts as its three series; a metric without samples yet, by its TYPE line."""
    found = {}
    for line in text.splitlines():
        if kind := re.match(r"# TYPE (\S+) (\w+)", line):
            name = kind[1]
            for suffix in ("_bucket", "_sum", "_count") if kind[2] == "histogram" else ("",):
                found.setdefault(name + suffix, {})
        elif sample := re.match(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ', line):
            labels = found.setdefault(sample[1], {})
            for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', sample[2] or ""):
                labels.setdefault(label, set()).add(value)
    return found


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command, **environment):
    """A program, and the file with what it says; interrupted at the end."""
    with tempfile.NamedTemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"]} | environment)
        try:
            yield process, pathlib.Path(log.name)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until(what, look, process=None, log=None):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (seen := look()) is not None:
            return seen
        if process and process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"monitoring: {what} did not happen\n{log.read_text() if log else ''}")


def get(url, method="GET"):
    """Status, type and text; None while nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()
    except OSError:
        return None


def service(root):
    """The service's metrics after a few requests. Azure DevOps is a port on which nobody listens."""
    program = str((root / os.environ.get("APONTA_BIN", "target/debug/aponta")).resolve())
    metrics = f"127.0.0.1:{free_port()}"
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        start = lambda *arguments, **environment: stack.enter_context(running([program, *arguments], HOME=home, **environment))
        database, said = start("dev", "--ephemeral", "--only-database")
        url = until("the database", lambda: first(r"^(postgres://\S+)", said), database, said)
        serve, said = start(
            "serve", ENVIRONMENT="test", DATABASE_URL=url, AUTH_ENABLED="false", API_HOST="127.0.0.1", API_PORT="0", METRICS_ADDR=metrics,
            AZURE_DEVOPS_ORG_URL="http://127.0.0.1:1/contoso", LOG_FORMAT="json")
        address = until("the service", lambda: first(r'"serving".*"address":"([^"]+)"', said), serve, said)
        for path in ("/health", "/ready", "/api/v1/projetos", "/api/v1/nothing-here"):
            if not get(f"http://{address}{path}"):
                raise SystemExit(f"monitoring: no answer from {path}")

        def complete():
            """What is looked at in the background is there, and so is the first call of Azure DevOps."""
            answer = get(f"http://{metrics}/metrics")
            text = answer[2] if answer else ""
            return answer if "aponta_outbox_pending " in text and "http_client_request_duration_seconds_count" in text else None

        status, kind, text = until("the first look at the outbox and at Azure DevOps", complete, serve, said)
        # Prometheus 3 refuses a scrape whose type it does not know.
        if status != 200 or not kind.startswith("text/plain; version=0.0.4"):
            raise SystemExit(f"monitoring: /metrics answers {status}, {kind}")
        return parse(text)


def node_exporter():
    """The metrics of this machine."""
    address = f"127.0.0.1:{free_port()}"
    with running([os.environ["NODE_EXPORTER"], f"--web.listen-address={address}"]) as (process, said):
        _, _, text = until("node-exporter", lambda: get(f"http://{address}/metrics"), process, said)
        found = parse(text)
    # It measures itself, too, under names that the service has.
    return {name: labels for name, labels in found.items() if name.startswith("node_")}


def first(pattern, path):
    match = re.search(pattern, path.read_text(), re.M)
    return match and match[1]
