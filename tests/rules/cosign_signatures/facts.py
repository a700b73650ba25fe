"""
Answers the questions of `cosignSignatures` from the facts of a fixture.

    current    the digest that every tag points to
    missing    what the registry says about every tag instead
    signed     the digests that each authority has signed
    platforms  the same, where each image of an index has to be signed
    undecided  why nobody knows about an authority
"""

from collections.abc import Mapping
from typing import Any

from landwaiter.errors import ContentMissing, RegistryUnavailable
from landwaiter.rules.cosign_signatures import SignatureAnswer, SignatureQuestion
from landwaiter.rules.protocol import CurrentDigest, Question


def answer(question: Question[Any], section: Mapping[str, Any]) -> str | SignatureAnswer:
    if isinstance(question, CurrentDigest):
        if "missing" in section:
            raise ContentMissing(section["missing"])
        return str(section["current"])
    assert isinstance(question, SignatureQuestion)
    name = question.authority.name
    if (fault := section.get("undecided", {}).get(name)) is not None:
        raise RegistryUnavailable(fault)
    signed = section.get("signed" if question.covers == "Index" else "platforms", {})
    if question.subject.digest in signed.get(name, []):
        return SignatureAnswer(verified=True, signer=str(question.authority.signers))
    return SignatureAnswer(verified=False, detail="it carries no cosign signature")
