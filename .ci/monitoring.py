"""What deploy/monitoring promises; .ci/monitoring runs it where promtool, node-exporter and PyYAML are. Metrics come from scrape.py."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import promql
import scrape
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "deploy/monitoring"
# Prometheus adds these to whatever it scrapes, and makes these series itself.
TARGET_LABELS = {"job", "instance"}
OWN_SERIES = {"up": TARGET_LABELS, "ALERTS": TARGET_LABELS | {"alertname", "alertstate", "severity"}}
# Written by deploy/backup for node-exporter's textfile collector.
BACKUP_SERIES = {"aponta_backup_last_success_timestamp_seconds": {"type"}}
problems = []


def expect(holds, what):
    if not holds:
        problems.append(what)


def promtool(*arguments):
    done = subprocess.run([os.environ["PROMTOOL"], *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=120)
    expect(done.returncode == 0, f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


def rules():
    found = {}
    for name in yaml.safe_load((FOLDER / "prometheus.yml").read_text())["rule_files"]:
        for group in yaml.safe_load((FOLDER / name).read_text())["groups"]:
            for rule in group["rules"]:
                key = rule.get("alert") or rule["record"]
                expect(key not in found, f"{key} is there twice")
                found[key] = rule
    return found


def check_alerts(found):
    operations = ROOT / "docs/operations.md"
    headings = None
    if operations.exists():
        lines = operations.read_text().splitlines()
        headings = {re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in lines if line.startswith("#")}
    else:
        print("monitoring: docs/operations.md is not there: its headings are not checked")
    for name, rule in found.items():
        if "alert" not in rule:
            continue
        expect(rule["labels"].get("severity") in ("critical", "warning"), f"{name}: severity is neither critical nor warning")
        expect(rule.get("for"), f"{name}: no `for`")
        notes = rule["annotations"]
        expect(notes.keys() == {"summary", "description", "runbook"} and all(notes.values()), f"{name}: annotations are {set(notes)}")
        anchor = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
        expect(notes.get("runbook") == f"docs/operations.md#{anchor}", f"{name}: runbook is not docs/operations.md#{anchor}")
        expect(headings is None or anchor in headings, f"{name}: docs/operations.md has no heading for #{anchor}")


def check_tests(found):
    """promtool says whether the tests pass; this, whether every alert has one in which it fires and one in which it does not."""
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    fired, quiet = set(), []
    for test in tests:
        for case in test["promql_expr_test"]:
            fired |= {name for sample in case["exp_samples"] for name in re.findall(r'alertname="(\w+)"', sample["labels"])}
            if case["expr"] == "ALERTS" and not case["exp_samples"]:
                quiet.append(test)
    expect(len(quiet) == 1, "alerts_test.yml: there is not one test in which no alert may be pending")
    given = {series["series"].split("{")[0] for test in quiet for series in test["input_series"]}
    for name, rule in found.items():
        expect("alert" not in rule or name in fired, f"{name}: no test in which it fires")
        for selector in promql.selectors(rule["expr"]):
            expect(selector.metric in given or selector.metric in found, f"{name}: the quiet test has no {selector.metric}")


def check_provisioning():
    """Who mounts the files is docker-compose.yml; a file that it forgets stops Prometheus."""
    compose = ROOT / "docker-compose.yml"
    if not compose.exists():
        return
    mounts = [str(v) for s in yaml.safe_load(compose.read_text())["services"].values() for v in s.get("volumes", [])]
    for name in ["prometheus.yml", *yaml.safe_load((FOLDER / "prometheus.yml").read_text())["rule_files"]]:
        ways = {f"./deploy/monitoring:/etc/prometheus:ro", f"./deploy/monitoring/{name}:/etc/prometheus/{name}:ro"}
        expect(ways & set(mounts), f"docker-compose.yml does not mount deploy/monitoring/{name}")
    expect("./deploy/monitoring/grafana/dashboards:/var/lib/grafana/dashboards:ro" in mounts, "docker-compose.yml mounts no dashboards")
    expect("./deploy/monitoring/grafana/provisioning:/etc/grafana/provisioning:ro" in mounts, "docker-compose.yml mounts no provisioning")


def dashboards():
    """Every expression of every dashboard, by where it stands."""
    expressions, uids = {}, set()
    for path in sorted((FOLDER / "grafana/dashboards").iterdir()):
        board = json.loads(path.read_text())
        expect(path.suffix == ".json" and board["uid"] == f"aponta-{path.stem}", f"{path.name}: uid {board['uid']}")
        expect(board["uid"] not in uids and board["title"], f"{path.name}: uid twice, or no title")
        uids.add(board["uid"])
        expect(board["schemaVersion"] >= 39, f"{path.name}: an old schema")
        variables = {v["name"]: v for v in board["templating"]["list"]}
        expect(variables.get("datasource", {}).get("type") == "datasource", f"{path.name}: no variable for the data source")
        for variable in variables.values():
            if variable["type"] == "query":
                expressions[f"{path.name}, ${variable['name']}"] = re.sub(r"^label_values\((.*), (\w+)\)$", r"count by (\2) (\1)", variable["query"]["query"])
        ids = [panel["id"] for panel in board["panels"]]
        expect(len(ids) == len(set(ids)), f"{path.name}: panel ids are not unique")
        for panel in board["panels"]:
            where = f"{path.name}, {panel.get('title')}"
            expect(panel.get("title"), f"{path.name}: panel {panel['id']} has no title")
            if panel["type"] == "row":
                continue
            expect(panel["fieldConfig"]["defaults"].get("unit"), f"{where}: no unit")
            expect(panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, f"{where}: data source is not the variable")
            expect(panel["targets"], f"{where}: shows nothing")
            for target in panel["targets"]:
                unknown = set(re.findall(r"\$\{?(\w+)", target["expr"])) - variables.keys() - {"__rate_interval"}
                expect(not unknown, f"{where}: unknown variables {unknown}")
                expressions[f"{where}, {target['refId']}"] = target["expr"].replace("$__rate_interval", "5m")
                unknown = set(re.findall(r"{{(\w+)}}", target["legendFormat"])) - promql.labels_kept(target["expr"])
                expect(not unknown, f"{where}: the legend names {unknown}, which the expression does not keep")
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        listed = [{"record": "dashboard", "labels": {"where": where}, "expr": expr} for where, expr in expressions.items()]
        yaml.safe_dump({"groups": [{"name": "dashboards", "rules": listed}]}, file)
        file.flush()
        promtool("check", "rules", file.name)
    return expressions


def check_names(where, expression, known):
    seen = set(TARGET_LABELS)
    for selector in promql.selectors(expression):
        if selector.metric not in known:
            problems.append(f"{where}: nobody tells {selector.metric}")
            continue
        labels = known[selector.metric]
        seen |= set(labels) | TARGET_LABELS
        for label, operator, value in selector.matchers:
            if label not in labels and label not in TARGET_LABELS:
                problems.append(f"{where}: {selector.metric} has no label {label}")
            elif operator == "=" and isinstance(labels, dict) and labels.get(label) and "$" not in value:
                expect(value in labels[label], f"{where}: {label} of {selector.metric} is never {value}, but {sorted(labels[label])}")
    missing = promql.grouped_labels(expression) - seen
    expect(not missing, f"{where}: grouped by {missing}, which none of its metrics has")


def main():
    for arguments in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        promtool(*arguments)
    found = rules()
    check_alerts(found)
    check_tests(found)
    check_provisioning()
    expressions = {name: rule["expr"] for name, rule in found.items()} | dashboards()

    given = sys.argv[2] if sys.argv[1:2] == ["--scrape"] else None
    service = scrape.parse(pathlib.Path(given).read_text()) if given else scrape.service(ROOT)
    known = OWN_SERIES | BACKUP_SERIES | service | scrape.node_exporter()
    # Of its own rules Prometheus keeps the labels that it scraped, or none.
    known |= {name: set() for name, rule in found.items() if "record" in rule}
    for where, expression in expressions.items():
        check_names(where, expression, known)

    for problem in dict.fromkeys(problems):
        print(f"monitoring: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    alerts = sum("alert" in rule for rule in found.values())
    names = {selector.metric for expression in expressions.values() for selector in promql.selectors(expression)}
    print(f"monitoring: {alerts} alerts and {len(expressions) - len(found)} expressions of dashboards; all {len(names)} series exist")


main()
