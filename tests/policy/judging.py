"""Judges objects by policies made in a test, with what cluster and registries answer."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from landwaiter.deadline import Deadline
from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.policy.case import Case, Operation, Requester, Side
from landwaiter.policy.exceptions import Clock, PolicyException, utc_now
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings, UnmatchedImages
from landwaiter.policy.judge import Judge, NamespaceLabels
from landwaiter.policy.matching import Operator, Policy
from landwaiter.policy.policy_set import PolicySet
from landwaiter.rules.pinned_tags import PinnedTags
from landwaiter.rules.protocol import (
    Answer,
    FactSource,
    Inquiry,
    Question,
    Rule,
)
from landwaiter.rules.pull_secret_answers import PullSecretAnswer
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.rules.verdict import Action, Verdict
from landwaiter.workloads.values import ImagePlace, ImageUse, UnreadableUse, Workload
from policy.builders import a_policy, requires

DENY, WARN, AUDIT = Action
A_DIGEST = "sha256:" + "a" * 64
PINNED = f"r.example.com/good@{A_DIGEST}"
ENV = requires("env", Operator.IN, "production")
NODE = Requester("system:node:one", ("system:nodes", "system:authenticated"))
STRICT = PolicyInstallSettings(unmatched_images=UnmatchedImages.DENY)
NO_SECRET = PullSecretAnswer("shop", ())


@dataclass
class Answers:
    """A fact source that gives one answer, or raises it, and remembers what it was asked."""

    found: object = NO_SECRET
    asked: list[Question[Any]] = field(default_factory=list)
    inquiries: list[Inquiry] = field(default_factory=list)

    async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
        self.asked.append(question)
        self.inquiries.append(inquiry)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found  # type: ignore[return-value]  # The answer is typed by its tests.


@dataclass
class Labels:
    """
    Knows the labels of every namespace, or raises; remembers which it was asked for.

    With `at_once` nobody has to ask.
    """

    found: Mapping[str, str] | Exception = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    at_once: bool = False

    async def namespace_labels(self, name: str, *, deadline: Deadline) -> Mapping[str, str]:
        self.asked.append(name)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def known_labels(self, name: str) -> Mapping[str, str] | None:
        return self.found if self.at_once and not isinstance(self.found, Exception) else None


class SilentLabels:
    """Never answers."""

    def known_labels(self, name: str) -> Mapping[str, str] | None:
        return None

    async def namespace_labels(self, name: str, *, deadline: Deadline) -> Mapping[str, str]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError(name)


def digests(name: str = "p", **settings: Any) -> Policy:  # noqa: ANN401  # Those of `a_policy`.
    """Return a policy that wants digests."""
    return named(name, PinnedTags(floating=None), **settings)


def secrets(name: str = "p", **settings: Any) -> Policy:  # noqa: ANN401  # Those of `a_policy`.
    """Return a policy that wants pull secrets for every image."""
    return named(name, PullSecrets((ImagePattern.parse("**"),)), **settings)


def named(name: str, *rules: Rule, **settings: Any) -> Policy:  # noqa: ANN401
    return replace(a_policy(**settings), name=name, rules=rules)


def use(text: str, path: str = "spec.containers[0].image", container: str = "app") -> ImageUse:
    return ImageUse(ImagePlace(path, container, text), ImageReference.parse(text))


def a_workload(
    *uses: ImageUse | UnreadableUse,
    **fields: Any,  # noqa: ANN401  # Those of a workload.
) -> Workload:
    settings: dict[str, Any] = {
        "kind": "Pod",
        "namespace": "shop",
        "name": "web",
        "is_template": False,
        "labels": {},
        "service_account": "",
        "pull_secrets": (),
        "uses": uses or (use("r.example.com/app:1"),),
    }
    return Workload(**(settings | fields))


def a_template(*uses: ImageUse, **fields: Any) -> Workload:  # noqa: ANN401
    return a_workload(*uses, kind="Deployment", is_template=True, **fields)


async def judged(
    workload: Workload,
    *policies: Policy,
    old: Workload | None = None,
    side: Side = Side.ALL,
    source: FactSource | None = None,
    labels: NamespaceLabels | None = None,
    requester: Requester | None = None,
    seconds: float = 20,
    install: PolicyInstallSettings = DEFAULTS,
    exceptions: Iterable[PolicyException] = (),
    clock: Clock = utc_now,
) -> Verdict:
    judge = Judge(
        policies=lambda: PolicySet(policies, tuple(exceptions)),
        source=source or Answers(),
        namespaces=labels or Labels(),
        install=install,
        clock=clock,
    )
    operation = Operation.CREATE if old is None else Operation.UPDATE
    case = Case(operation, workload, Deadline.after(seconds), old=old, requester=requester)
    return await judge.judge(case, side)


def told(verdict: Verdict) -> list[tuple[str, str, str]]:
    """Return policy, rule and strongest action of each finding."""
    return [(each.policy, each.rule, each.action.value) for each in verdict.findings]


def _protocols_hold() -> tuple[FactSource, NamespaceLabels, NamespaceLabels]:
    """Let mypy say when a fake and its Protocol part ways."""
    return Answers(), Labels(), SilentLabels()
