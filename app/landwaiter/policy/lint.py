"""
Tells what in a set of policies their author hardly means: hints for people, never a refusal.

What is said is proven, as far as patterns and selectors can be compared at all; that nothing is
said proves nothing. The functions are pure and bounded, so they serve a command and a cluster
alike. Identities of signers are looked for in the document itself, by the names of the fields.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from landwaiter.policy.lint_alone import of_one
from landwaiter.policy.lint_together import of_each_pair
from landwaiter.policy.lint_warnings import Comparer, LintCode, LintWarning
from landwaiter.policy.matching import Policy
from landwaiter.policy.problems import FieldPath

__all__ = ["LintCode", "LintWarning", "lint", "lint_expressions"]

_EXPRESSION_FIELD: Final = re.compile(r".*reg_?exp?", re.IGNORECASE)
_ANCHORED: Final = re.compile(r"\^.*\$", re.DOTALL)


def lint(
    policies: Sequence[Policy],
    *,
    beside: Sequence[Policy] = (),
    compare: Comparer | None = None,
) -> tuple[LintWarning, ...]:
    """
    Return the warnings about a set of policies, in its order, those about single ones first.

    `beside` are policies that are in force too, and that nothing is said about.
    """
    compare = compare or Comparer()
    found = [warning for policy in policies for warning in of_one(policy, compare)]
    found.extend(of_each_pair(policies, compare, beside=beside))
    if compare.is_exhausted:
        text = "there are more patterns than are compared, so other warnings may be missing"
        path = ("metadata", "name")
        found.append(LintWarning(policies[-1].name, LintCode.UNFINISHED, path, text))
    return tuple(found)


def lint_expressions(name: str, document: object) -> tuple[LintWarning, ...]:
    """
    Return the warnings about regular expressions in the document of the policy `name`.

    They are matched as a whole; one that does not say so reads as if a part were enough.
    """
    return tuple(
        LintWarning(
            name,
            LintCode.OVER_BROAD,
            path,
            "the expression has no anchors; write ^ before and $ behind what has to match",
        )
        for path, text in _expressions(document, ())
        if not _ANCHORED.fullmatch(text)
    )


def _expressions(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, str) and _EXPRESSION_FIELD.fullmatch(key):
                yield (*path, key), each
            else:
                yield from _expressions(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _expressions(each, (*path, index))
