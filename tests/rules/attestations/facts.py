"""
Answers the questions of `attestations` from the facts of a fixture.

    current    the digest that every tag points to
    attested   what each authority has attested: by type and digest, how many hours ago each
               statement was signed, null where nobody vouches for it
    undecided  why nobody knows about an authority
"""

from collections.abc import Mapping
from typing import Any

from landwaiter.errors import RegistryUnavailable
from landwaiter.rules.attestations import AttestationAnswer, AttestationQuestion
from landwaiter.rules.protocol import CurrentDigest, Question


def answer(question: Question[Any], section: Mapping[str, Any]) -> str | AttestationAnswer:
    if isinstance(question, CurrentDigest):
        return str(section["current"])
    assert isinstance(question, AttestationQuestion)
    name = question.authority.name
    if (fault := section.get("undecided", {}).get(name)) is not None:
        raise RegistryUnavailable(fault)
    by_type = section.get("attested", {}).get(name, {}).get(question.predicate_type, {})
    signed: list[float | None] = by_type.get(question.subject.digest, [])
    problems = [
        text
        for hours in signed
        if (text := question.conditions.problem(None if hours is None else hours * 3_600))
    ]
    detail = "; ".join(problems) if signed else "it carries no attestation of this type"
    return AttestationAnswer(
        len(signed) - len(problems), detail, signer=str(question.authority.signers)
    )
