"""
The `matchConditions` of policies: expressions over the request, with Kubernetes' own names.

As in Kubernetes, a policy applies when all of its conditions are true, and does not when one is
false, whatever became of the others. What is neither cannot be told: the policy is undecided, and
one of a namespace refuses, for whoever wrote the condition can mend it there.

On UPDATE of a template its conditions are also asked about what is stored already: where they did
not hold for that, the images in it have never been judged (design, semantics 6).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeAlias

from cachetools import TTLCache

from landwaiter.cel.evaluation import TOO_LONG, Evaluated, Evaluates, Task
from landwaiter.cel.names import Members
from landwaiter.errors import DeadlineExceeded, Unavailable
from landwaiter.policy.applicable import Applicable, Doubt
from landwaiter.policy.case import Case
from landwaiter.policy.matching import NAME_LABEL
from landwaiter.rules.protocol import RuleId, Undecided, Violation
from landwaiter.telemetry.steps import step

MATCH_CONDITIONS: Final = RuleId("matchConditions")
"""The rule id of a finding that a policy may apply, but its conditions do not tell."""

NAMESPACE_OBJECT: Final = "namespaceObject"

_ANYTHING: Final[Members | None] = None
VARIABLES: Final[Mapping[str, Members | None]] = {
    "object": _ANYTHING,
    "oldObject": _ANYTHING,
    "request": {
        "operation": _ANYTHING,
        "name": _ANYTHING,
        "namespace": _ANYTHING,
        "dryRun": _ANYTHING,
        "subResource": _ANYTHING,
        "kind": {"group": _ANYTHING, "version": _ANYTHING, "kind": _ANYTHING},
        "userInfo": {"username": _ANYTHING, "groups": _ANYTHING},
    },
    NAMESPACE_OBJECT: {"metadata": {"name": _ANYTHING, "labels": _ANYTHING}},
}
"""What a condition may name; the members of `request` and `namespaceObject` are all there are."""

OVERRUN_REST_SECONDS: Final = 10.0
"""
How long the conditions of a namespace are not asked after one of them took too long.

All namespaces share one process, and nobody may keep it from the others with a slow expression.
"""

NAMESPACES_RESTING_MAX: Final = 10_000


_NOT_GIVEN: Final = "the objects of the request are not known here"
_RESTING: Final = "another condition of this namespace took too long a moment ago"

_Inputs: TypeAlias = Sequence[Mapping[str, Any]]


class Conditions(Protocol):
    """Whatever evaluates the conditions of policies."""

    async def applied(
        self,
        found: Sequence[Applicable],
        case: Case,
        objects: Mapping[str, Any] | None,
        labels: Mapping[str, str],
    ) -> list[Applicable]:
        """
        Return the policies without those whose conditions do not hold, doubts noted.

        `objects` are what the request brought, None where that is not known.
        """
        ...


class MatchConditions:
    """Evaluates conditions: those of the cluster's policies apart from those of namespaces."""

    def __init__(
        self,
        cluster: Evaluates,
        namespaces: Evaluates,
        *,
        rest_seconds: float = OVERRUN_REST_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._resting: TTLCache[str, None] = TTLCache(NAMESPACES_RESTING_MAX, ttl=rest_seconds)

    async def applied(
        self,
        found: Sequence[Applicable],
        case: Case,
        objects: Mapping[str, Any] | None,
        labels: Mapping[str, str],
    ) -> list[Applicable]:
        """Return the policies without those whose conditions do not hold, doubts noted."""
        asked = [each for each in found if each.policy.conditions and each.doubt is None]
        if not asked:
            return list(found)
        inputs = None if objects is None else _inputs(case, objects, labels)
        of_cluster, of_namespace = await asyncio.gather(
            self._of_cluster([e for e in asked if e.policy.namespace is None], case, inputs),
            self._of_namespace([e for e in asked if e.policy.namespace is not None], case, inputs),
        )
        settled = of_cluster | of_namespace
        outcomes = (settled.get(each.policy.name, each) for each in found)
        return [each for each in outcomes if each is not None]

    async def _of_cluster(
        self, asked: Sequence[Applicable], case: Case, inputs: _Inputs | None
    ) -> dict[str, Applicable | None]:
        return _settled(asked, await _answers(self._cluster, asked, case, inputs))

    async def _of_namespace(
        self, asked: Sequence[Applicable], case: Case, inputs: _Inputs | None
    ) -> dict[str, Applicable | None]:
        namespace = case.workload.namespace
        if namespace in self._resting:
            resting = (Evaluated(None, _RESTING),)
            return {each.policy.name: _outcome(each, resting, ()) for each in asked}
        answers = await _answers(self._namespaces, asked, case, inputs)
        if not isinstance(answers, Undecided) and any(a.problem == TOO_LONG for a in answers):
            self._resting[namespace] = None
        return _settled(asked, answers)


def _inputs(
    case: Case, objects: Mapping[str, Any], labels: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """Return what conditions are asked about: the request, and for templates what is stored."""
    name = case.workload.namespace
    namespace = {"metadata": {"name": name, "labels": {**labels, NAME_LABEL: name}}}
    now = {**objects, NAMESPACE_OBJECT: namespace}
    if case.old is None or not case.workload.is_template:
        return [now]
    return [now, {**now, "object": now["oldObject"]}]


async def _answers(
    evaluator: Evaluates, asked: Sequence[Applicable], case: Case, inputs: _Inputs | None
) -> tuple[Evaluated, ...] | Undecided:
    """Return the answers for each input, and in it for each condition of each policy."""
    if inputs is None:
        return Undecided("conditions not evaluated", _NOT_GIVEN)
    conditions = [condition for each in asked for condition in each.policy.conditions]
    tasks = [
        Task(condition.expression, number)
        for number in range(len(inputs))
        for condition in conditions
    ]
    try:
        with step("conditions", conditions=len(tasks)):
            return await evaluator.evaluate(tasks, inputs, deadline=case.deadline)
    except Unavailable as fault:
        retry = isinstance(fault, DeadlineExceeded)
        return Undecided("conditions not evaluated", str(fault), retry=retry)


def _settled(
    asked: Sequence[Applicable], answers: tuple[Evaluated, ...] | Undecided
) -> dict[str, Applicable | None]:
    """Return by name what became of each policy, None where it does not apply."""
    if isinstance(answers, Undecided):
        doubt = Doubt(MATCH_CONDITIONS, answers)
        return {each.policy.name: replace(each, doubt=doubt) for each in asked}
    total = sum(len(each.policy.conditions) for each in asked)
    found: dict[str, Applicable | None] = {}
    begin = 0
    for each in asked:
        end = begin + len(each.policy.conditions)
        found[each.policy.name] = _outcome(
            each, answers[begin:end], answers[total + begin : total + end]
        )
        begin = end
    return found


def _outcome(
    each: Applicable, now: Sequence[Evaluated], before: Sequence[Evaluated]
) -> Applicable | None:
    """Return the policy if it applies, or may; `before` is empty where that does not matter."""
    if any(answer.value is False for answer in now):
        return None
    is_new = any(answer.value is not True for answer in before)
    for condition, answer in zip(each.policy.conditions, now, strict=False):
        if answer.value is None:
            doubt = Doubt(MATCH_CONDITIONS, _problem(each, condition.name, answer.problem))
            return replace(each, doubt=doubt, applies_anew=is_new)
    return replace(each, applies_anew=is_new)


def _problem(each: Applicable, name: str, problem: str) -> Violation | Undecided:
    """Return what a condition that gives neither true nor false amounts to."""
    detail = f'the condition "{name}" cannot be told: {problem}'
    if each.policy.namespace is None:
        return Undecided("condition not told", detail)
    return Violation(
        MATCH_CONDITIONS,
        reason="condition not told",
        detail=f"{detail}; true or false is wanted",
        remedy=f"mend the condition in ImagePolicy {each.policy.name}, or take it out",
    )


class _NoConditions:
    """Evaluates none, so every policy that has some is in doubt."""

    async def applied(
        self,
        found: Sequence[Applicable],
        case: Case,  # noqa: ARG002  # As whatever evaluates conditions.
        objects: Mapping[str, Any] | None,  # noqa: ARG002
        labels: Mapping[str, str],  # noqa: ARG002
    ) -> list[Applicable]:
        """Return all policies, those with conditions in doubt."""
        doubt = Doubt(MATCH_CONDITIONS, Undecided("conditions not evaluated", _NOT_EVALUATED))
        return [
            replace(each, doubt=each.doubt or doubt) if each.policy.conditions else each
            for each in found
        ]


_NOT_EVALUATED: Final = "nothing evaluates conditions here"

NO_CONDITIONS: Final[Conditions] = _NoConditions()
"""For judges that are given nothing to evaluate conditions with."""
