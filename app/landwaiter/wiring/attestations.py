"""
Answers what the `attestations` rule asks, with the registry's content and cosign's word.

What is asked about is noted before it is found out, as for signatures. What has to be of some age
counts as verified before only until it would be too old.
"""

import json
from collections.abc import Sequence

from landwaiter.cosign.attestation_judging import summary
from landwaiter.cosign.attestations import AttestationVerifier
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.statements import Attestation
from landwaiter.inventory.ledger import Ledger
from landwaiter.inventory.verifications import Verification
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.mirrors import NO_MIRRORS, Mirrors
from landwaiter.rules.attestations import AttestationAnswer, AttestationQuestion
from landwaiter.rules.protocol import Inquiry
from landwaiter.wiring.cosign_version import CosignVersion
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.statement_conditions import StatementConditions
from landwaiter.wiring.trust import AuthorityReader, may_change


class AttestationAnswers:
    """
    Asks cosign about one authority and type at a time; what is known is remembered there.

    An image that has several names is asked about under the one that `mirrors` say is signed.
    """

    def __init__(
        self,
        verifier: AttestationVerifier[Keychain],
        reader: PullSecretReader,
        authorities: AuthorityReader,
        conditions: StatementConditions,
        ledger: Ledger,
        version: CosignVersion,
        mirrors: Mirrors = NO_MIRRORS,
    ) -> None:
        self._ledger = ledger
        self._version = version
        self._mirrors = mirrors
        self._verifier = verifier
        self._reader = reader
        self._authorities = authorities
        self._conditions = conditions

    async def answer(self, question: AttestationQuestion, inquiry: Inquiry) -> AttestationAnswer:
        """
        Return how many statements count, no more than asked for. Raises as a fact source does.

        What is not enough by an authority that was read from the cluster is counted once more by
        what stands there now, where that is something else.
        """
        asked = question.authority
        authority = await self._authorities.authority(asked, deadline=inquiry.deadline)
        answer = await self._answer(question, authority, inquiry)
        if answer.count >= question.at_least or not may_change(asked):
            return answer
        anew = await self._authorities.authority(asked, deadline=inquiry.deadline, fresh=True)
        return answer if anew == authority else await self._answer(question, anew, inquiry)

    async def _answer(
        self, question: AttestationQuestion, authority: Authority, inquiry: Inquiry
    ) -> AttestationAnswer:
        async def counted(attestations: Sequence[Attestation]) -> tuple[int, list[str]]:
            return await self._conditions.counted(
                attestations,
                question.conditions,
                question.at_least,
                deadline=inquiry.deadline,
            )

        async def enough(attestations: Sequence[Attestation]) -> bool:
            count, _ = await counted(attestations)
            return count >= question.at_least

        subject = self._mirrors.signed_name(question.subject)
        version = await self._version(deadline=inquiry.deadline)

        def verification() -> Verification:
            fingerprint = authority.fingerprint(version)
            return Verification(subject.without_tag(), fingerprint, _wanted(question))

        self._ledger.expect(
            question,
            inquiry,
            verification,
            lambda: AttestationAnswer(question.at_least, signer=authority.signer),
        )
        found = await self._reader.tried(
            inquiry,
            lambda keychain: self._verifier.verify(
                subject,
                authority,
                question.predicate_type,
                enough=enough,
                keychain=keychain,
                deadline=inquiry.deadline,
                namespace=inquiry.workload.namespace,
            ),
        )
        count, problems = await counted(found.attestations)
        if count >= question.at_least:
            self._ledger.verified(
                verification(),
                inquiry,
                authority=authority.name,
                age_seconds=self._verifier.age_seconds(found),
                evidence=question.predicate_type,
                good_seconds=self._conditions.good_seconds(found.attestations, question.conditions),
            )
        else:
            self._ledger.refused(verification(), inquiry)
        told = [text for text in (summary(problems), found.detail) if text]
        return AttestationAnswer(count, "; ".join(told), authority.signer)


def _wanted(question: AttestationQuestion) -> str:
    """Return all that is asked of statements; what conditions are called is not."""
    conditions = question.conditions
    expressions = [each.expression.text for each in conditions.predicate]
    wanted = [question.predicate_type, question.at_least, conditions.max_age_hours, expressions]
    return json.dumps(["attestations", *wanted])
