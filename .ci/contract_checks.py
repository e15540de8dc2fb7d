"""Two checks of Schemathesis with what it cannot know: refusals of well-formed requests that depend on what is stored, and the
leniency towards old clients that docs/api-conventions.md promises and the schema does not show, lest clients make use of it. They
take the places of the checks of the same names, and call them. Loaded by schemathesis.toml."""

import datetime
import json
import re
import uuid

import jsonschema_rs
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import AcceptedNegativeData

load_all_checks()
strict_acceptance = CHECKS.get_one("positive_data_acceptance")
strict_rejection = CHECKS.get_one("negative_data_rejection")

# Codes of docs/api-conventions.md that complain of more than the request.
REASONS = {
    # An object, a project, an activity or a person that the body names does not exist; Azure DevOps refuses the PAT.
    400: {"referencia_invalida"},
    # Any text is a well-formed version.
    412: {"versao_desatualizada"},
    # A full day of the person, a key that was used, a work item that takes no hours.
    422: {"limite_diario", "chave_reutilizada", "work_item_fechado", "work_item_cancelado", "tipo_de_work_item"},
}
# Rules over several fields, which JSON Schema could tell only by making clients' generated types worse: what is said to be missing.
RULES = {
    ("POST /api/v1/atividades", "ids_projetos"),
    ("POST /api/v1/integracao/reconciliar", "work_item_id"),
}
# Parameters that only an earlier answer can give: most texts are no cursor, and no schema tells which are.
OPAQUE = {("query", "cursor")}
BOOLEANS = {**dict.fromkeys(("true", "1", "1.0", "yes", "on", "t", "y"), True),
            **dict.fromkeys(("false", "0", "0.0", "no", "off", "f", "n"), False)}
# What surrounds a text and does not count.
UNSEEN = "\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"


@CHECKS.register
def positive_data_acceptance(ctx, response, case):
    """A well-formed request is accepted, or refused for a reason that no schema tells."""
    told = problem(response)
    if told.get("code") in REASONS.get(response.status_code, ()):
        return None
    failures = told.get("errors") or [{}]
    if all(failure.get("type") == "missing" and (case.operation.label, failure["loc"][-1]) in RULES for failure in failures):
        return None
    if all(tuple(failure.get("loc", ())) in OPAQUE for failure in failures):
        return None
    return strict_acceptance(ctx, response, case)


@CHECKS.register
def negative_data_rejection(ctx, response, case):
    """A request that the schema forbids is refused, unless it is an allowed one in a spelling of old clients."""
    try:
        return strict_rejection(ctx, response, case)
    except AcceptedNegativeData:
        if means_something_allowed(case):
            return None
        raise


def problem(response):
    try:
        told = json.loads(response.content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def means_something_allowed(case):
    document = case.operation.schema.raw_schema
    operation = document["paths"][case.operation.path][case.operation.method.lower()]
    places = {"path": case.path_parameters, "query": case.query, "header": case.headers}
    for parameter in operation.get("parameters", ()):
        sent = (places[parameter["in"]] or {}).get(parameter["name"])
        sent = plain(sent, parameter["schema"])
        if sent is None:
            if parameter.get("required"):
                return False
        elif not allows(document, parameter["schema"], sent):
            return False
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if not body:
        return True
    schema = resolved(document, body["schema"])
    if not isinstance(case.body, dict):
        return False
    sent = {name: plain(value, schema["properties"].get(name, {})) for name, value in case.body.items()}
    return allows(document, schema, sent)


def resolved(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def allows(document, schema, value):
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]}, validate_formats=True).is_valid(value)


def plain(value, schema):
    """The value as the schema wants it written, if it is one of the promised spellings."""
    types, kind = schema.get("type", ()), schema.get("format")
    types = [types] if isinstance(types, str) else types
    if isinstance(value, list) and "array" in types:
        return [plain(item, schema["items"]) for item in value]
    text = str(value).strip() if isinstance(value, (str, int, float)) else ""
    if "boolean" in types:
        return BOOLEANS.get(text.lower(), value)
    if "integer" in types:
        return int(float(text)) if re.fullmatch(r"[+-]?\d+(\.0*)?", text) else value
    if "string" not in types:
        return value
    if kind == "date":
        return day(value, text)
    if not isinstance(value, str):
        return value
    if kind == "uuid":
        try:
            return str(uuid.UUID(text))
        except ValueError:
            return value
    trimmed = re.sub(f"^[{UNSEEN}]+|[{UNSEEN}]+$", "", value)
    # A blank text is none, where there may be none.
    return None if not trimmed and ("null" in types or kind) else trimmed


def day(value, text):
    """An instant at midnight, or the seconds since 1970 of one, is that day."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            at = datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
        else:
            at = datetime.datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except (ValueError, OverflowError, OSError):
        return value
    return str(at.date()) if at.time() == datetime.time.min else value
