"""One case on one side: which rules are in force for each image use, and what is left in doubt."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from landwaiter.policy.applicable import Applicable, Use, in_force_again, is_judged, is_new
from landwaiter.policy.case import Case, Side
from landwaiter.policy.exceptions import ExceptionsInForce
from landwaiter.policy.unmatched import UNMATCHED_IMAGES, unmatched
from landwaiter.rules.charge import Charge, RuleInForce
from landwaiter.rules.protocol import Undecided
from landwaiter.rules.verdict import Finding, UseVerdict


@dataclass(frozen=True, slots=True)
class Hearing:
    """
    Everything that decides about the uses of one object, but what has to be found out outside.

    `unknown` says why the namespace's labels are not known, None where they are or do not matter.
    """

    case: Case
    side: Side
    applicable: tuple[Applicable, ...]
    unknown: Undecided | None
    exceptions: ExceptionsInForce
    refuses_unmatched: bool
    _asked: tuple[tuple[Applicable, tuple[RuleInForce, ...]], ...] = field(init=False, repr=False)
    """The policies that are asked, each with its rules as they are where nothing is lifted."""

    def __post_init__(self) -> None:
        asked = (
            (each, tuple(_rules(each, is_told=each.belongs(self.side))))
            for each in self.applicable
            if each.doubt is None and (each.denies or each.belongs(self.side))
        )
        object.__setattr__(self, "_asked", tuple(asked))

    def charge(self, use: Use) -> Charge:
        """Return the rules that are in force for a use, those without a policy first."""
        rules = list(self._unmatched(use))
        as_they_are = self.case.old is None and not self.exceptions.exceptions
        for each, of_policy in self._asked:
            if each.policy.covers(use):
                rules.extend(of_policy if as_they_are else self._in_force(use, each, of_policy))
        return Charge(use, tuple(rules))

    def with_doubts(self, verdicts: Iterable[UseVerdict]) -> tuple[UseVerdict, ...]:
        """Add, for each use, the policies of which nobody knows whether they apply."""
        by_use = {verdict.use: verdict for verdict in verdicts}
        for each in self.applicable:
            if each.doubt is None or not each.belongs(self.side):
                continue
            for use in self.case.workload.uses:
                if is_judged(use, self.case, each.policy, anew=each.applies_anew):
                    verdict = by_use.get(use, UseVerdict(use))
                    finding = self._doubtful(use, each)
                    by_use[use] = replace(verdict, findings=(*verdict.findings, finding))
        return tuple(by_use[use] for use in self.case.workload.uses if use in by_use)

    def placeholder_warnings(self) -> tuple[str, ...]:
        """Return a line for each place that is still to be filled in, where a policy applies."""
        if not any(each.doubt is None and each.belongs(self.side) for each in self.applicable):
            return ()
        return tuple(
            f'{place.path}: "{place.text}" is to be filled in later, so it is judged on the Pod'
            for place in self.case.workload.placeholders
        )

    def _in_force(
        self, use: Use, each: Applicable, rules: Iterable[RuleInForce]
    ) -> Iterable[RuleInForce]:
        """Return the rules that have to judge a use now, with the exceptions that lift them."""
        for one in rules:
            if in_force_again(use, self.case, each.policy, one.rule, anew=each.applies_anew):
                exception = self.exceptions.granted(one.policy, one.rule.id, use)
                yield one if exception is None else replace(one, exception=exception)

    def _unmatched(self, use: Use) -> Iterable[RuleInForce]:
        if not (self.refuses_unmatched and is_new(use, self.case)):
            return
        refusal = unmatched(
            use,
            self.applicable,
            self.unknown,
            reported=self.side is not Side.OBSERVE,
            exception=self.exceptions.granted(UNMATCHED_IMAGES, UNMATCHED_IMAGES, use),
        )
        if refusal is not None:
            yield refusal

    def _doubtful(self, use: Use, each: Applicable) -> Finding:
        assert each.doubt is not None  # noqa: S101  # Asked of those alone.
        rule, outcome = each.doubt.rule, each.doubt.outcome
        return Finding(
            each.policy.name,
            rule,
            each.actions,
            each.policy.failure_policy,
            outcome,
            self.exceptions.granted(each.policy.name, rule, use),
        )


def _rules(each: Applicable, *, is_told: bool) -> Iterable[RuleInForce]:
    policy = each.policy
    for rule in policy.rules:
        yield RuleInForce(
            policy=policy.name,
            actions=each.actions,
            failure_policy=policy.failure_policy,
            rule=rule,
            reported=is_told,
            by_admin=policy.namespace is None,
            stale_within_seconds=policy.stale_within_seconds,
        )
