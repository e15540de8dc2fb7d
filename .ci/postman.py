"""Orders a Postman collection so that its examples work one after the other, or judges newman's report on it.

postman.py COLLECTION            deletions come last: other requests read the same objects
postman.py COLLECTION REPORT     every request has an answer, and each answer is a success
"""

import json
import sys


def requests(items):
    """The requests of a collection, without its folders."""
    for item in items:
        if "item" in item:
            yield from requests(item["item"])
        else:
            yield item


def order(path):
    with open(path) as file:
        collection = json.load(file)
    items = list(requests(collection["item"]))
    collection["item"] = sorted(items, key=lambda item: item["request"]["method"] == "DELETE")
    with open(path, "w") as file:
        json.dump(collection, file)


def judge(collection, report):
    with open(collection) as file:
        wanted = sum(1 for _ in requests(json.load(file)["item"]))
    with open(report) as file:
        executions = json.load(file)["run"]["executions"]
    wrong = []
    for execution in executions:
        request, response = execution["request"], execution.get("response")
        name = f"{request['method']} /{'/'.join(request['url'].get('path', []))}"
        if response is None:
            wrong.append(f"{name}: no answer ({execution.get('requestError')})")
        elif not 200 <= response["code"] < 300:
            text = bytes(response["stream"]["data"]).decode(errors="replace")
            wrong.append(f"{name}: {response['code']} {text[:400]}")
    if len(executions) != wanted:
        wrong.append(f"{len(executions)} of {wanted} requests were sent")
    print("\n".join(wrong) if wrong else f"postman: {wanted} requests of the document succeed against aponta dev")
    return 1 if wrong else 0


if len(sys.argv) == 2:
    order(sys.argv[1])
else:
    sys.exit(judge(sys.argv[1], sys.argv[2]))
