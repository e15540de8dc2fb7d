"""What the manifests of deploy/kubernetes promise. .ci/kubernetes runs it where its schemas are installed."""

import copy
import json
import pathlib
import re
import sys
import tomllib

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "deploy/kubernetes"
# The oldest and the newest that the manifests are for; 1.29 stands in deploy/kubernetes/README.md.
VERSIONS = ("1.29", "1.37")
# What a stopping service does after its requests: the last hours (WRITE_BACK_PATIENCE), its connections (CLOSE_TIMEOUT).
AFTER_REQUESTS = 5 + 2
problems = []


def expect(holds, what):
    if not holds:
        problems.append(what)


class Loader(yaml.SafeLoader):
    """Refuses what YAML forgives: a key that stands twice, and anchors, which not every tool resolves."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        expect(not twice, f"{self.name}: {sorted(twice)} stand twice in one mapping")
        return super().construct_mapping(node, deep)

    def compose_node(self, parent, index):
        expect(not self.check_event(yaml.AliasEvent), f"{self.name}: an alias")
        return super().compose_node(parent, index)


def read(path):
    with open(path) as file:
        return [document for document in yaml.load_all(file, Loader) if document is not None]


def kustomization(folder):
    """The resources of a folder, as kustomize would give them out; it must name every file of the folder."""
    (told,) = read(folder / "kustomization.yaml")
    expect(told.get("kind") == "Kustomization" and told.get("apiVersion") == "kustomize.config.k8s.io/v1beta1",
           f"{folder.name}/kustomization.yaml: not a Kustomization of v1beta1")
    unknown = told.keys() - {"apiVersion", "kind", "namespace", "resources", "images", "patches"}
    expect(not unknown, f"{folder.name}/kustomization.yaml: {unknown} are not known to this check")
    files = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
    listed = [name for name in told["resources"] if not name.startswith("../")]
    expect(sorted(listed) == sorted(files), f"{folder.name}/kustomization.yaml lists {sorted(listed)}, there are {sorted(files)}")
    found = []
    for name in told["resources"]:
        path = folder / name
        if path.is_dir():
            found += kustomization(path.resolve())
        elif path.exists():
            found += copy.deepcopy(read(path))
    for image in told.get("images", []):
        for container in containers(found):
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
    for patch in told.get("patches", []):
        targets = [r for r in found if (r["kind"], r["metadata"]["name"]) == (patch["target"]["kind"], patch["target"]["name"])]
        expect(len(targets) == 1, f"{folder.name}: a patch has {len(targets)} targets")
        for resource in targets:
            json_patch(resource, yaml.load(patch["patch"], Loader))
    return found


def json_patch(resource, operations):
    for operation in operations:
        *way, last = operation["path"].strip("/").split("/")
        place = resource
        for step in way:
            place = place[step]
        if operation["op"] == "add" and last == "-":
            place.append(operation["value"])
        else:
            expect(operation["op"] == "replace" and last in place, f"cannot {operation['op']} {operation['path']}")
            place[last] = operation["value"]


def containers(resources):
    for resource in resources:
        template = resource.get("spec", {}).get("template", {})
        yield from template.get("spec", {}).get("containers", [])


def one(resources, kind, name=None):
    found = [r for r in resources if r["kind"] == kind and name in (None, r["metadata"]["name"])]
    if len(found) != 1:
        sys.exit(f"kubernetes: {len(found)} of {kind} {name or ''}, expected one")
    return found[0]


def selects(selector, labels):
    return selector.get("matchLabels", {}).items() <= labels.items()


def check_schemas(resources):
    for resource in resources:
        name = f"{resource['kind']} {resource['metadata']['name']}"
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(resource, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                problems.append(f"{name}, Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")
            except kubernetes_validate.SchemaNotFoundError as error:
                problems.append(f"{name}: {error.message}")
        expect(resource["kind"] == "Namespace" or resource["metadata"].get("namespace") == "aponta", f"{name}: another namespace")
        expect(resource["kind"] != "Secret", f"{name}: secrets stay out of the repository")


def check_pod(workload):
    """The restricted profile of Kubernetes, and more."""
    name = workload["metadata"]["name"]
    template = workload["spec"]["template"]
    pod = template["spec"]
    security = pod.get("securityContext", {})
    expect(security.get("runAsNonRoot") is True and security.get("runAsUser") == 65532, f"{name}: does not run as 65532")
    expect(security.get("seccompProfile") == {"type": "RuntimeDefault"}, f"{name}: no seccomp profile")
    expect(pod.get("automountServiceAccountToken") is False, f"{name}: mounts a token")
    for field in ("hostNetwork", "hostPID", "hostIPC", "volumes", "initContainers"):
        expect(field not in pod, f"{name}: has {field}")
    expect(len(pod["containers"]) == 1, f"{name}: not one container")
    for container in pod["containers"]:
        own = container.get("securityContext", {})
        expect(own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
               f"{name}: security context of the container is {own}")
        for kind in ("requests", "limits"):
            expect(container["resources"].get(kind, {}).keys() >= {"cpu", "memory"}, f"{name}: {kind} lack cpu or memory")
        image = container["image"]
        expect(re.search(r"[:@][^/]+$", image) and not image.endswith(":latest"), f"{name}: image {image} is not pinned")
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        expect(image.endswith(f":{version}"), f"{name}: image {image} is not of version {version}, Cargo.toml's")


def known_variables():
    """The names in the tables of docs/configuration.md; `_PORT` behind `DATABASE_HOST` stands for `DATABASE_PORT`."""
    names = set()
    for line in (ROOT / "docs/configuration.md").read_text().splitlines():
        if line.startswith("| `"):
            full = None
            for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1]):
                full = full.rsplit("_", 1)[0] + name if name.startswith("_") else name
                names.add(full)
    return names


def environment(workload, config):
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    values = {}
    for source in container.get("envFrom", []):
        expect(source["configMapRef"]["name"] == config["metadata"]["name"], f"{source} is not there")
        values |= config["data"]
    for variable in container.get("env", []):
        expect(variable["name"] not in values, f"{variable['name']} is set twice")
        expect("value" in variable or "secretKeyRef" in variable["valueFrom"], f"{variable['name']}: from where?")
        values[variable["name"]] = variable.get("value")
    known = known_variables()
    for name in values:
        expect(name in known, f"{workload['metadata']['name']}: docs/configuration.md has no {name}")
        secret = re.search(r"PATS?$|SECRET|PASSWORD|KEY|DATABASE.*_URL|HEADERS", name)
        expect(not secret or values[name] is None, f"{name} does not come from a Secret")
    return values


def check_deployment(deployment, config):
    spec = deployment["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    values = environment(deployment, config)
    expect("replicas" not in spec, "the Deployment sets replicas: each apply would undo the HPA")
    expect(selects(spec["selector"], spec["template"]["metadata"]["labels"]), "the Deployment does not select its own pods")
    rolling = spec["strategy"]["rollingUpdate"]
    expect(rolling == {"maxUnavailable": 0, "maxSurge": 1}, f"rolling update is {rolling}")
    expect(spec.get("minReadySeconds", 0) > 0, "the next replica is replaced before the fresh one is warm")
    stop = int(values["SHUTDOWN_DELAY_SECONDS"]) + int(values["SHUTDOWN_TIMEOUT_SECONDS"]) + AFTER_REQUESTS
    expect(pod["terminationGracePeriodSeconds"] > stop, f"stopping takes up to {stop} s, the grace period is shorter")
    expect(values["AUTO_MIGRATE"] == "false", "replicas migrate: that is the Job's business")
    expect(values["ENVIRONMENT"] == "production", "ENVIRONMENT is not production")
    expect(values.get("DATABASE_URL", "") is None, "DATABASE_URL does not come from a Secret")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    expect(ports["http"] == int(values["API_PORT"]), "port http is not API_PORT")
    expect(values["METRICS_ADDR"] == f"0.0.0.0:{ports['metrics']}", "port metrics is not METRICS_ADDR's")
    expect(spec["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"]), "annotation of another port")
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    for probe, path in (("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")):
        get = container[probe]["httpGet"]
        expect(get == {"path": path, "port": "http"} and path in paths, f"{probe} asks {get}")
    startup = container["startupProbe"]
    expect(startup["periodSeconds"] * startup["failureThreshold"] >= 60, "the startup probe gives up before the service does")
    for spread in pod["topologySpreadConstraints"]:
        expect(spread["labelSelector"] == spec["selector"], "a topology spread is over other pods")
    return ports


def check_hpa(hpa, deployment, minimum, metrics):
    spec = hpa["spec"]
    expect(spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"]},
           "the HPA scales something else")
    expect((spec["minReplicas"], spec["maxReplicas"]) == (minimum, 50), f"the HPA is not for {minimum} to 50")
    found = {m["resource"]["name"]: m["resource"]["target"] for m in spec["metrics"]}
    wanted = {name: {"type": "Utilization", "averageUtilization": value} for name, value in metrics.items()}
    expect(found == wanted, f"the HPA measures {found}")
    up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
    percent = {"type": "Percent", "periodSeconds": 60}
    expect(up == {"stabilizationWindowSeconds": 60, "selectPolicy": "Max",
                  "policies": [percent | {"value": 50}, {"type": "Pods", "value": 5, "periodSeconds": 60}]}, f"scale up: {up}")
    expect(down == {"stabilizationWindowSeconds": 300, "policies": [percent | {"value": 10}]}, f"scale down: {down}")


def check_network(resources, api, job, ports):
    policies = {r["metadata"]["name"]: r["spec"] for r in resources if r["kind"] == "NetworkPolicy"}
    expect(policies.get("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}, "no default deny")
    ingress, egress = policies["aponta-ingress"], policies["aponta-egress"]
    expect(selects(ingress["podSelector"], api), "the ingress policy does not select the replicas")
    expect(not selects(ingress["podSelector"], job), "the ingress policy lets somebody talk to the migration")
    expect(selects(egress["podSelector"], api) and selects(egress["podSelector"], job), "the egress policy misses pods")
    opened = [[port["port"] for port in rule["ports"]] for rule in ingress["ingress"]]
    expect(opened == [[ports["http"]], [ports["metrics"]]], f"open to others: {opened}")
    expect(all(rule.get("from") for rule in ingress["ingress"]), "open to everybody")
    reached = [sorted({port["port"] for port in rule["ports"]}) for rule in egress["egress"]]
    expect(reached == [[53], [5432, 6432], [443]] and all(rule.get("to") for rule in egress["egress"]), f"egress: {reached}")
    internet = egress["egress"][2]["to"][0]["ipBlock"]
    expect({"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(internet["except"]),
           "the internet includes private networks or the cloud's metadata")


def report():
    for problem in dict.fromkeys(problems):
        print(f"kubernetes: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)


def main():
    base, migrate, high = (kustomization(FOLDER / name) for name in ("base", "migrate", "high-load"))
    folders = {path.name for path in FOLDER.iterdir()}
    expect(folders == {"README.md", "base", "migrate", "high-load"}, f"deploy/kubernetes has {folders}")
    check_schemas(base + migrate + high)
    # What follows takes the shape for granted.
    report()

    deployment, job, config = one(base, "Deployment"), one(migrate, "Job"), one(base, "ConfigMap")
    api, job_labels = (w["spec"]["template"]["metadata"]["labels"] for w in (deployment, job))
    for workload in (deployment, job):
        check_pod(workload)
    ports = check_deployment(deployment, config)
    expect(environment(job, config).keys() == {"ENVIRONMENT", "DATABASE_URL"}, "the Job has other settings")
    (serve,), (migration,) = containers([deployment]), containers([job])
    expect((serve["args"], migration["args"]) == (["serve"], ["migrate"]), "a container runs another command")
    expect(serve["image"] == migration["image"], "the Job is of another version than the replicas")
    expect(serve["env"][0]["valueFrom"] != migration["env"][1]["valueFrom"], "the Job migrates through the replicas' DATABASE_URL")

    check_hpa(one(base, "HorizontalPodAutoscaler"), deployment, 3, {"cpu": 70})
    check_hpa(one(high, "HorizontalPodAutoscaler"), deployment, 10, {"cpu": 70, "memory": 80})
    pdb = one(base, "PodDisruptionBudget")["spec"]
    expect(pdb["selector"] == deployment["spec"]["selector"] and pdb["maxUnavailable"] == 1, "the PDB is not the replicas'")
    service = one(base, "Service")["spec"]
    expect(service["selector"].items() <= api.items(), "the Service does not select the replicas")
    expect(not service["selector"].items() <= job_labels.items(), "the Service selects the migration")
    expect([port["targetPort"] for port in service["ports"]] == ["http"], "the Service has other ports")
    for rule in one(base, "Ingress")["spec"]["rules"]:
        backends = [path["backend"]["service"] for path in rule["http"]["paths"]]
        expect(backends == [{"name": "aponta", "port": {"name": "http"}}], f"the Ingress leads to {backends}")
    check_network(base, api, job_labels, ports)
    labels = one(base, "Namespace")["metadata"]["labels"]
    expect(all(labels.get(f"pod-security.kubernetes.io/{mode}") == "restricted" for mode in ("enforce", "audit", "warn")),
           "the namespace lets unrestricted pods in")

    report()
    print(f"kubernetes: {len(base + migrate)} resources valid for {' and '.join(VERSIONS)}, promises kept")


main()
