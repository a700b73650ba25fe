"""
What was found about everything that runs, told once for what was made alike.

A Deployment, its ReplicaSet and its Pods are one entry where the same is found about them; a Pod
that something has changed since is an entry of its own. Of objects about which nothing is found
only the number is kept, so memory grows with what there is to tell.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from landwaiter.cli.reports.checked import Checked
from landwaiter.rules.protocol import Violation
from landwaiter.rules.verdict import Decision, Finding, Verdict
from landwaiter.wiring.running import JudgedObject

SOURCE: Final = "cluster"
"""What reports give where the name of a file would stand."""


@dataclass(slots=True)
class PolicyCount:
    """
    How many objects a policy finds something wrong with.

    `undecided` are those of which it does not know, `excepted` those that only exceptions spare.
    """

    violations: Counter[str] = field(default_factory=Counter)
    undecided: int = 0
    excepted: int = 0
    namespaces: set[str] = field(default_factory=set)


class Groups:
    """Everything that was found, filled object by object; owners come before what they own."""

    def __init__(self, policies: Sequence[str]) -> None:
        self.decisions: Counter[Decision] = Counter()
        self.superseded = 0
        self.unreadable: list[str] = []
        self.policies = {name: PolicyCount() for name in policies}
        self._roots: dict[str, str] = {}
        self._groups: dict[tuple[str, str], Checked] = {}

    def add(self, judged: JudgedObject) -> None:
        """Take one object in."""
        running = judged.running
        owner = running.controller or running.uid
        root = self._roots.get(owner, owner)
        if running.kind != "Pod":
            self._roots[running.uid] = root
        if running.is_superseded:
            self.superseded += 1
        elif judged.workload is None:
            name = running.content["metadata"].get("name", "")
            self.unreadable.append(
                f"{running.kind} {running.namespace}/{name}: {judged.unreadable}"
            )
        else:
            self.decisions[judged.verdict.decision] += 1
            self._count(running.kind, running.namespace, judged.verdict)
            if judged.verdict.findings:
                self._tell(Checked(SOURCE, judged.workload, verdict=judged.verdict), root)

    def told(self) -> Iterator[Checked]:
        """Give an entry for all objects that were made alike and have the same findings."""
        yield from self._groups.values()

    def _tell(self, checked: Checked, root: str) -> None:
        key = (root, _signature(checked.verdict))
        first = self._groups.setdefault(key, checked)
        if first is not checked:
            alike = {**first.alike}
            alike[checked.workload.kind] = alike.get(checked.workload.kind, 0) + 1
            self._groups[key] = replace(first, alike=alike)

    def _count(self, kind: str, namespace: str, verdict: Verdict) -> None:
        for name in dict.fromkeys(finding.policy for finding in verdict.findings):
            found = [each for each in verdict.findings if each.policy == name]
            # What no policy is about is told under a name of its own.
            count = self.policies.setdefault(name, PolicyCount())
            count.namespaces.add(namespace)
            left = [each for each in found if each.exception is None]
            if any(isinstance(each.outcome, Violation) for each in left):
                count.violations[kind] += 1
            elif left:
                count.undecided += 1
            else:
                count.excepted += 1


def _signature(verdict: Verdict) -> str:
    """Return what two verdicts share that say the same, wherever the Pod's fields stand."""
    said = [
        (place.path.rpartition("spec.")[2], place.container, place.text, _said(finding))
        for use in verdict.uses
        for place in (use.use.place,)
        for finding in use.findings
    ]
    return hashlib.sha256(repr(said).encode(errors="replace")).hexdigest()


def _said(finding: Finding) -> tuple[object, ...]:
    actions = sorted(finding.actions)
    return finding.policy, finding.rule, actions, finding.outcome, finding.exception
