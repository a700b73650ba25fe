"""Answers what the `attestations` rule asks, with the registry's content and cosign's word."""

import time
from collections import Counter
from collections.abc import Sequence

from landwaiter.cosign.attestations import AttestationVerifier
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.statements import Attestation
from landwaiter.registry.keychain import Keychain
from landwaiter.rules.attestations import AttestationAnswer, AttestationQuestion
from landwaiter.rules.protocol import Inquiry
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.trust import AuthorityReader, stands_in_cluster


class AttestationAnswers:
    """Asks cosign about one authority and type at a time; what is known is remembered there."""

    def __init__(
        self,
        verifier: AttestationVerifier[Keychain],
        reader: PullSecretReader,
        authorities: AuthorityReader,
    ) -> None:
        self._verifier = verifier
        self._reader = reader
        self._authorities = authorities

    async def answer(self, question: AttestationQuestion, inquiry: Inquiry) -> AttestationAnswer:
        """
        Return how many statements count. Raises as a fact source does.

        What is not enough by an authority that was read from the cluster is counted once more by
        what stands there now, where that is something else.
        """
        asked = question.authority
        authority = await self._authorities.authority(asked, deadline=inquiry.deadline)
        answer = await self._answer(question, authority, inquiry)
        if answer.count >= question.at_least or not stands_in_cluster(asked):
            return answer
        anew = await self._authorities.authority(asked, deadline=inquiry.deadline, fresh=True)
        return answer if anew == authority else await self._answer(question, anew, inquiry)

    async def _answer(
        self, question: AttestationQuestion, authority: Authority, inquiry: Inquiry
    ) -> AttestationAnswer:
        def problem(attestation: Attestation) -> str | None:
            signed_at = attestation.signed_at
            age_seconds = None if signed_at is None else time.time() - signed_at
            return question.conditions.problem(age_seconds)

        def enough(attestations: Sequence[Attestation]) -> bool:
            return sum(problem(each) is None for each in attestations) >= question.at_least

        found = await self._reader.tried(
            inquiry,
            lambda keychain: self._verifier.verify(
                question.subject,
                authority,
                question.predicate_type,
                enough=enough,
                keychain=keychain,
                deadline=inquiry.deadline,
            ),
        )
        problems = Counter(text for each in found.attestations if (text := problem(each)))
        told = [f"{count} x {text}" if count > 1 else text for text, count in problems.items()]
        detail = "; ".join([*told, *([found.detail] if found.detail else [])])
        count = len(found.attestations) - problems.total()
        return AttestationAnswer(count, detail, authority.signer)
