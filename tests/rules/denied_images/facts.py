"""
Answers the questions of `deniedImages` from the facts of a fixture.

    current    the digests that tags point to, by reference
"""

from collections.abc import Mapping
from typing import Any

from landwaiter.rules.protocol import CurrentDigest, Question


def answer(question: Question[Any], section: Mapping[str, Any]) -> str:
    assert isinstance(question, CurrentDigest)
    return str(section["current"][str(question.reference)])
