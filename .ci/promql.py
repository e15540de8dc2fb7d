"""What an expression of PromQL refers to: metrics, matchers, labels. promtool checks the grammar; this only reads names."""

import re
from dataclasses import dataclass

KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right", "inf", "nan"}
STRING = r'"(?:[^"\\]|\\.)*"'
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
SELECTOR = re.compile(rf"({NAME})\s*(\(|{{((?:{STRING}|[^}}\"])*)}})?")
MATCHER = re.compile(rf"({NAME})\s*(=~|!~|!=|=)\s*({STRING})")


@dataclass(frozen=True)
class Selector:
    metric: str
    matchers: tuple


def selectors(expression):
    """The metrics that are asked for, with their matchers."""
    bare = GROUPING.sub(" ", expression)
    # Ranges, and strings that are no matcher's
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    found = []
    position = 0
    while match := re.compile(rf"{STRING}|\d[\w.]*|" + SELECTOR.pattern).search(bare, position):
        position = match.end()
        name, behind, matchers = match.groups()
        if name and behind != "(" and name.lower() not in KEYWORDS:
            read = tuple((label, operator, text[1:-1]) for label, operator, text in MATCHER.findall(matchers or ""))
            found.append(Selector(name, read))
    return found


def grouped_labels(expression):
    """Labels in `by (...)` and its like."""
    return {label for _, inside in GROUPING.findall(expression) for label in re.findall(NAME, inside)} - {"le"}


def labels_kept(expression):
    """Labels that the outcome may have: those of the aggregations, or, without one, of the targets and the metric."""
    by = [inside for word, inside in GROUPING.findall(expression) if word == "by"]
    if by:
        return {label for inside in by for label in re.findall(NAME, inside)}
    if re.search(r"\b(sum|max|min|avg|count)\s*\(", expression):
        return set()
    return {"job", "instance", "device", "mountpoint"}
