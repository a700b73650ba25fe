"""For people: what of everything that runs the policies would refuse, and how much by each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from landwaiter.admission.message import message_of, object_name
from landwaiter.admission.text import visible
from landwaiter.cli.reports.checked import WORD_OF, Checked
from landwaiter.cli.reports.groups import Groups, PolicyCount
from landwaiter.policy.matching import Policy
from landwaiter.rules.verdict import Action, Decision, FailurePolicy, Verdict


def running_report(groups: Groups, policies: Sequence[Policy]) -> str:
    """
    Return what is found about each object as if every policy denied, then a line a policy.

    The words behind each object's name say what becomes of it by the policies as they are.
    """
    actions = {policy.name: _actions(policy) for policy in policies}
    lines = [*map(_entry, groups.told())]
    lines += [f"{visible(each)}\n" for each in groups.unreadable]
    lines += [
        f"{_called(name, actions)}: {_counts(count)}" for name, count in groups.policies.items()
    ]
    return "\n".join([*lines, _summary(groups)]) + "\n"


def _actions(policy: Policy) -> str:
    """Return what a policy does, and whether it does something else somewhere."""
    listed = ", ".join(action for action in Action if action in policy.actions)
    return f"[{listed}{', others in some namespaces' if policy.action_overrides else ''}]"


def _called(name: str, actions: Mapping[str, str]) -> str:
    return f"policy {name} {actions[name]}" if name in actions else name


def _entry(checked: Checked) -> str:
    name = object_name(checked.workload)
    head = f"{name}{_alike(checked.alike)}: {_fate(checked.verdict)}"
    denied = _as_if_denied(checked.verdict)
    if denied.decision is Decision.ALLOW:
        return f"{head}\n"
    return f"{head}\n{message_of(checked.workload, denied).strip()}\n"


def _alike(alike: Mapping[str, int]) -> str:
    return f", and {_listed(alike)} of it" if alike else ""


def _fate(verdict: Verdict) -> str:
    word, denied = WORD_OF[verdict.decision], _as_if_denied(verdict).decision
    if verdict.decision is not Decision.ALLOW:
        return word
    if denied is Decision.ALLOW:
        return f"{word}, for an exception lifts what is found"
    return f"{word}, but would be {WORD_OF[denied]} if all policies denied"


def _as_if_denied(verdict: Verdict) -> Verdict:
    denies = frozenset({Action.DENY})
    return replace(
        verdict,
        uses=tuple(
            replace(
                use,
                findings=tuple(
                    replace(finding, actions=denies, failure_policy=FailurePolicy.FAIL)
                    for finding in use.findings
                ),
            )
            for use in verdict.uses
        ),
    )


def _counts(count: PolicyCount) -> str:
    parts = []
    if count.violations:
        parts.append(f"would refuse {_listed(count.violations)}")
    if count.undecided:
        parts.append(f"does not know of {count.undecided} more")
    if count.excepted:
        parts.append(f"spares {count.excepted} for an exception")
    if not parts:
        return "nothing to refuse"
    return f"{', '.join(parts)}, in {_counted(len(count.namespaces), 'namespace')}"


def _summary(groups: Groups) -> str:
    decisions = groups.decisions
    told = ", ".join(f"{decisions[decision]} {word}" for decision, word in WORD_OF.items())
    text = f"{sum(decisions.values())} objects judged: {told} by the policies as they are"
    if groups.superseded:
        text += f"; {_counted(groups.superseded, 'old ReplicaSet')} passed over"
    return text


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(_words(counts.items()))


def _words(counts: Iterable[tuple[str, int]]) -> Iterator[str]:
    for kind, count in counts:
        yield _counted(count, kind)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
