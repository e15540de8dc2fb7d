"""A stand-in for Azure DevOps that never fails: one organisation, two people with a PAT each, one project with a team, an iteration
and two work items, under the ids of the OpenAPI document's examples. crates/azure-devops-fake has faults besides; this one is for
checks that run the program as it is."""

import base64
import datetime
import http.server
import json
import re
import threading
import urllib.parse

ORG = "contoso"
PROJECT = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001"
PROJECT_NAME = "Portal do Contribuinte"
TEAM = "8d8d8d8d-8888-4b2b-9c3c-606060606060"
TEAM_NAME = "Time do Portal"
ITERATION = "a4a4a4a4-9999-4c3c-8d4d-707070707070"
PROCESS = "adcc42ab-9882-485e-a3ed-7678f01f66bc"
WORK_ITEMS = (4711, 4712)
# Of the examples, too: else the vault gets one for the organisation that nobody accepts.
EXAMPLE_PAT = "the-pat-of-contoso"
STATES = {"To Do": "Proposed", "Doing": "InProgress", "Testing": "Resolved", "Done": "Completed", "Removed": "Removed"}
HOURS = ["Microsoft.VSTS.Scheduling." + name for name in ("OriginalEstimate", "RemainingWork", "CompletedWork")]


class NotThere(Exception):
    """What is asked for does not exist, or may not be seen."""


class Person:
    def __init__(self, name, number):
        self.name, self.email = name, f"{name.lower()}@{ORG}.example"
        self.id = f"3f0a5c11-2222-4b4b-8c8c-{number:012}"
        # As long as PATs are.
        self.pat = f"{name.lower()}-".ljust(52, "p")

    def identity(self):
        return {"id": self.id, "subjectDescriptor": f"aad.{self.name}", "providerDisplayName": self.name, "isActive": True,
                "properties": {"Account": {"$type": "System.String", "$value": self.email}}}

    def field(self):
        return {"id": self.id, "displayName": self.name, "uniqueName": self.email}


class AzureDevOps:
    """The organisation's state, and the answers to what is asked of it."""

    def __init__(self):
        self.instance_id = "2ad38d1e-3eaf-4769-931c-3a2da67bbb01"
        self.member, self.admin = Person("Ana", 1), Person("Ada", 2)
        self.people = [self.member, self.admin]
        # Revisions of each work item; number 1 is the first.
        self.items = {id: [self.new_item(id)] for id in WORK_ITEMS}
        self.lock = threading.Lock()

    def new_item(self, id):
        return {"System.TeamProject": PROJECT_NAME, "System.WorkItemType": "Task", "System.State": "Doing",
                "System.Title": f"Fechar o balanço {id}", "System.ChangedDate": "2026-01-12T10:00:00Z", "System.AreaPath": PROJECT_NAME,
                "System.ChangedBy": self.admin.field(), "System.AssignedTo": self.member.field(), HOURS[0]: 8, HOURS[1]: 5.5, HOURS[2]: 2.5}

    def person(self, authorization):
        scheme, _, rest = (authorization or "").partition(" ")
        if scheme == "Basic":
            rest = base64.b64decode(rest).decode().partition(":")[2]
        if rest == EXAMPLE_PAT:
            return self.admin
        return next((person for person in self.people if person.pat == rest), None)

    def answer(self, method, path, query, person, body):
        """Status and content. `path` is what follows the organisation."""
        with self.lock:
            for verb, pattern, respond in ROUTES:
                segments = re.fullmatch(pattern, "\n".join(path))
                if verb == method and segments:
                    try:
                        return respond(self, person, query, body, *segments.groups())
                    except NotThere:
                        break
        return 404, {"typeKey": "VssResourceNotFoundException", "message": "not there"}

    def connection_data(self, person, *_):
        return 200, {"authenticatedUser": person.identity(), "authorizedUser": person.identity(),
                     "instanceId": self.instance_id}

    def identities(self, _person, query, _body):
        return listed([person.identity() for person in self.people if person.id == query.get("identityIds")])

    def avatar(self, *_):
        return 200, {"value": base64.b64encode(b"\x89PNG\r\n").decode()}

    def project_json(self, more=None):
        return {"id": PROJECT, "name": PROJECT_NAME, "url": f"https://dev.azure.com/{ORG}/_apis/projects/{PROJECT}", "state": "wellFormed",
                "revision": 42, "visibility": "private", "lastUpdateTime": "2026-01-12T10:00:00Z", **(more or {})}

    def projects(self, *_):
        return listed([self.project_json()])

    def project(self, _person, _query, _body, project):
        place(project)
        return 200, self.project_json({"defaultTeam": {"id": TEAM, "name": TEAM_NAME},
                                       "capabilities": {"processTemplate": {"templateName": "Agile", "templateTypeId": PROCESS}}})

    def teams(self, _person, query, _body, project):
        place(project)
        team = {"id": TEAM, "name": TEAM_NAME, "url": "https://dev.azure.com/t", "description": "", "identityUrl": "https://dev.azure.com/i",
                "projectId": PROJECT, "projectName": PROJECT_NAME}
        return listed([] if int(query.get("$skip", 0)) else [team])

    def members(self, _person, query, _body, project, team):
        place(project, team)
        return listed([] if int(query.get("$skip", 0)) else [{"identity": person.field()} for person in self.people])

    def areas(self, _person, _query, _body, project, team):
        place(project, team)
        return 200, {"defaultValue": PROJECT_NAME, "values": [{"value": PROJECT_NAME, "includeChildren": True}]}

    def iterations(self, _person, _query, _body, project, team=None):
        place(project, team)
        today = datetime.date.today()
        dates = {"startDate": f"{today - datetime.timedelta(7)}T00:00:00Z", "finishDate": f"{today + datetime.timedelta(7)}T00:00:00Z"}
        return listed([{"id": ITERATION, "name": "Sprint 1", "path": f"{PROJECT_NAME}\\Sprint 1", "url": "https://dev.azure.com/s",
                        "attributes": {**dates, "timeFrame": "current"}}])

    def iteration_items(self, _person, _query, _body, project, *team_and_id):
        place(project, *team_and_id[:-1])
        if team_and_id[-1] != ITERATION:
            raise NotThere
        return 200, {"workItemRelations": [{"rel": None, "source": None, "target": {"id": id}} for id in WORK_ITEMS]}

    def types(self, _person, _query, _body, project):
        place(project)
        states = [{"name": name, "color": "b2b2b2", "category": category} for name, category in STATES.items()]
        fields = [{"referenceName": name} for name in (*HOURS, "System.State", "System.Title")]
        return listed([{"name": name, "referenceName": f"Microsoft.VSTS.WorkItemTypes.{name}", "color": "F2CB1D",
                        "icon": {"id": f"icon_{name.lower()}"}, "states": states, "fields": fields} for name in ("Task", "Bug", "Epic")])

    def process_states(self, _person, _query, _body, process, tipo):
        if process.lower() != PROCESS or tipo.rpartition(".")[2] not in ("Task", "Bug", "Epic"):
            raise NotThere
        return listed([{"id": name, "name": name, "stateCategory": category} for name, category in STATES.items()])

    def icon(self, *_):
        return 200, "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"

    def wiql(self, _person, query, body, project=None):
        if project:
            place(project)
        if "workitemlinks" in json.loads(body)["query"].lower():
            return 200, {"workItemRelations": [{"rel": None, "source": None, "target": {"id": id}} for id in WORK_ITEMS]}
        return 200, {"workItems": [{"id": id} for id in WORK_ITEMS][:int(query.get("$top", 200))]}

    def item_json(self, id, revision=None):
        revisions = self.items.get(int(id))
        if not revisions or revision and not 0 < revision <= len(revisions):
            raise NotThere
        revision = revision or len(revisions)
        return {"id": int(id), "rev": revision, "fields": revisions[revision - 1], "url": f"https://dev.azure.com/{ORG}/_apis/wit/workItems/{id}"}

    def work_item(self, _person, _query, _body, id):
        return 200, self.item_json(id)

    def work_items(self, _person, _query, body):
        return listed([self.item_json(id) if id in self.items else None for id in json.loads(body)["ids"]])

    def revision(self, _person, _query, _body, id, number):
        return 200, self.item_json(id, int(number))

    def revisions(self, _person, query, _body, id):
        last, skip = self.item_json(id)["rev"], int(query.get("$skip", 0))
        return listed([self.item_json(id, number) for number in range(skip + 1, min(last, skip + int(query.get("$top", 200))) + 1)])

    def update(self, person, _query, body, id):
        item = self.item_json(id)
        fields = {**item["fields"], "System.ChangedBy": person.field()}
        for change in json.loads(body):
            if change["op"] == "test" and change["value"] != item["rev"]:
                return 412, {"typeKey": "TestPatchOperationFailedException", "message": "VS403351"}
            if change["op"] == "add":
                fields[change["path"].removeprefix("/fields/")] = change["value"]
        self.items[int(id)].append(fields)
        return 200, self.item_json(id)


def listed(values):
    return 200, {"count": len(values), "value": values}


def place(project, team=None):
    if project.lower() not in (PROJECT, PROJECT_NAME.lower()) or team not in (None, TEAM, TEAM_NAME):
        raise NotThere


def route(verb, address, respond):
    """`*` is any segment."""
    return verb, "\n".join("([^\n]*)" if segment == "*" else re.escape(segment) for segment in address.split("/")), respond


ROUTES = [route(*line) for line in (
    ("GET", "_apis/connectionData", AzureDevOps.connection_data),
    ("GET", "_apis/identities", AzureDevOps.identities),
    ("GET", "_apis/graph/Subjects/*/avatars", AzureDevOps.avatar),
    ("GET", "_apis/projects", AzureDevOps.projects),
    ("GET", "_apis/projects/*", AzureDevOps.project),
    ("GET", "_apis/projects/*/teams", AzureDevOps.teams),
    ("GET", "_apis/projects/*/teams/*/members", AzureDevOps.members),
    ("GET", "*/*/_apis/work/teamsettings/teamfieldvalues", AzureDevOps.areas),
    ("GET", "*/_apis/work/teamsettings/iterations", AzureDevOps.iterations),
    ("GET", "*/*/_apis/work/teamsettings/iterations", AzureDevOps.iterations),
    ("GET", "*/_apis/work/teamsettings/iterations/*/workitems", AzureDevOps.iteration_items),
    ("GET", "*/*/_apis/work/teamsettings/iterations/*/workitems", AzureDevOps.iteration_items),
    ("GET", "*/_apis/wit/workitemtypes", AzureDevOps.types),
    ("GET", "_apis/work/processes/*/workItemTypes/*/states", AzureDevOps.process_states),
    ("GET", "_apis/wit/workitemicons/*", AzureDevOps.icon),
    ("POST", "_apis/wit/wiql", AzureDevOps.wiql),
    ("POST", "*/_apis/wit/wiql", AzureDevOps.wiql),
    ("GET", "_apis/wit/workitems/*", AzureDevOps.work_item),
    ("PATCH", "_apis/wit/workitems/*", AzureDevOps.update),
    ("POST", "_apis/wit/workitemsbatch", AzureDevOps.work_items),
    ("GET", "_apis/wit/workItems/*/revisions", AzureDevOps.revisions),
    ("GET", "_apis/wit/workItems/*/revisions/*", AzureDevOps.revision),
)]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two packets; the second must not wait for the first's receipt.
    disable_nagle_algorithm = True

    def answer(self):
        azure, address = self.server.azure, urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        org, *path = [urllib.parse.unquote(segment) for segment in address.path.strip("/").split("/")]
        person = azure.person(self.headers.get("Authorization"))
        if org != ORG:
            status, told = 404, {"message": "The organisation does not exist"}
        elif person is None:
            status, told = 401, {"message": "who?"}
        else:
            status, told = azure.answer(self.command, path, dict(urllib.parse.parse_qsl(address.query)), person, body)
        kind, told = ("image/svg+xml", told) if isinstance(told, str) else ("application/json; charset=utf-8", json.dumps(told))
        told = told.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    # OPTIONS gets 404: the versions are assumed then.
    do_GET = do_POST = do_PATCH = do_OPTIONS = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def start():
    """A running one: its server (`azure` is its state) and the address of its organisation."""
    server = Server(("127.0.0.1", 0), Handler)
    server.azure = AzureDevOps()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/{ORG}"
