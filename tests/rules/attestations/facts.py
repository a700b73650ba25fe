"""
Answers the questions of `attestations` from the facts of a fixture.

    current    the digest that every tag points to
    attested   what each authority has attested: by type and digest, how many hours ago each
               statement was signed, null where nobody vouches for it; or those `hours` and what
               the `predicate` is
    undecided  why nobody knows about an authority
"""

from collections.abc import Mapping
from typing import Any

from landwaiter.cel.evaluation import Evaluated
from landwaiter.cel.worker import answers
from landwaiter.errors import RegistryUnavailable
from landwaiter.rules.attestations import AttestationAnswer, AttestationQuestion
from landwaiter.rules.protocol import CurrentDigest, Question
from landwaiter.rules.statement_conditions import VARIABLES, Conditions


def answer(question: Question[Any], section: Mapping[str, Any]) -> str | AttestationAnswer:
    if isinstance(question, CurrentDigest):
        return str(section["current"])
    assert isinstance(question, AttestationQuestion)
    name = question.authority.name
    if (fault := section.get("undecided", {}).get(name)) is not None:
        raise RegistryUnavailable(fault)
    by_type = section.get("attested", {}).get(name, {}).get(question.predicate_type, {})
    signed: list[Any] = by_type.get(question.subject.digest, [])
    problems = [text for each in signed if (text := _problem(each, question.conditions))]
    detail = "; ".join(problems) if signed else "it carries no attestation of this type"
    return AttestationAnswer(
        len(signed) - len(problems), detail, signer=str(question.authority.signers)
    )


def _problem(written: Any, conditions: Conditions) -> str | None:  # noqa: ANN401  # As in YAML.
    statement = written if isinstance(written, dict) else {"hours": written}
    hours = statement.get("hours")
    age = conditions.age_problem(None if hours is None else hours * 3_600)
    job = {
        "variables": list(VARIABLES),
        "inputs": [{"predicate": statement.get("predicate")}],
        "tasks": [(each.expression.text, 0) for each in conditions.predicate],
    }
    told = [
        Evaluated(value=each) if isinstance(each, bool) else Evaluated(None, each)
        for each in answers(job)
    ]
    return age or conditions.predicate_problem(told)
