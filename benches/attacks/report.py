"""What others felt during each attack, and what was wanted, as Markdown."""

import collections
import dataclasses
import json
import math


@dataclasses.dataclass
class Check:
    """Something that was measured. `passed` is None where nothing is demanded."""

    what: str
    measured: str
    wanted: str = ""
    passed: bool | None = None


def below(what, value, bound, unit):
    return Check(what, f"{value:.1f} {unit}", f"below {bound} {unit}", value < bound)


@dataclasses.dataclass
class Played:
    """One attack: when it and the quiet after it were, and what was seen of the service. `connections`: it
    occupies connections, so that the time of a probe counts."""

    name: str
    start: float
    end: float
    checks: list
    connections: bool = False


def verdict(passed):
    return {True: "PASS", False: "**FAIL**", None: ""}[passed]


def percentile(values, share):
    """The nearest rank; 0 without values."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)] if ranked else 0.0


class Felt:
    """How one role fared: latencies in ms, and the answers that were not 200."""

    def __init__(self, measurements):
        self.latencies = [ms for _, _, ms, _ in measurements]
        self.errors = collections.Counter(status for *_, status in measurements if status != 200)

    def judged(self, worst, bound):
        """Whether there were no errors and the figure is below its bound; and as cells of a table the number
        of requests, the figure and the errors, bold what is not as wanted."""
        errors = ", ".join(f"**{count} × {status}**" for status, count in self.errors.items())
        figure = f"{worst:.0f} ms" if worst < bound else f"**{worst:.0f} ms**"
        passed = bool(self.latencies) and worst < bound and not self.errors
        return passed, f"{len(self.latencies)} | {figure} | {errors or '0'}"

    def p99(self):
        return percentile(self.latencies, 0.99)

    def longest(self):
        return max(self.latencies, default=0.0)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def felt_row(played, measurements):
    """The row of one attack in the table of what others felt, and whether all of it is as wanted."""
    of_role = collections.defaultdict(list)
    for measured in measurements:
        if played.start <= measured[0] < played.end:
            of_role[measured[1]].append(measured)
    member, new, health = (Felt(of_role[role]) for role in ("member", "new", "health"))
    judged = [member.judged(member.p99(), 1000), new.judged(new.longest(), 3000),
              health.judged(health.p99(), 100 if played.connections else math.inf)]
    passed = all(good for good, _ in judged)
    cells = [played.name, f"{percentile(member.latencies, 0.5):.0f} ms", *(told for _, told in judged)]
    return " | ".join([*cells, verdict(passed)]), passed


def table(head, rows):
    rule = "|---" * (head.count("|") + 1) + "|"
    return "\n".join([f"| {head} |", rule, *(f"| {row} |" for row in rows)])


def write(attacks, afterwards, measurements):
    """Prints the tables; true if everything passed."""
    felt = [felt_row(played, measurements) for played in attacks]
    checks = [(played.name, check) for played in attacks for check in played.checks]
    checks += [("afterwards", check) for check in afterwards]
    print("\nWanted: no errors; p99 of known members below 1 s; new members below 3 s; "
          "p99 of `/health` in B below 100 ms.\n")
    print(table("Attack | Member p50 | requests | p99 | errors | New members | longest | errors "
                "| `/health` | p99 | errors | Result", [row for row, _ in felt]))
    print()
    print(table("Attack | Of the service | Measured | Wanted | Result",
                [f"{name} | {check.what} | {check.measured} | {check.wanted} | {verdict(check.passed)}"
                 for name, check in checks]))
    passed = all(good for _, good in felt) and all(check.passed is not False for _, check in checks)
    print(f"\n{'All passed.' if passed else 'Not all passed.'}")
    return passed
