"""
Answers what the `cosignSignatures` rule asks, with the registry's content and cosign's word.

What is asked about is noted before it is found out, so that what was verified before can be looked
up where that fails. Where the authority itself cannot be had, nobody knows what to look up.
"""

import time
from collections.abc import Callable
from typing import Final

from landwaiter.cosign.authority import Authority
from landwaiter.cosign.indexes import Covers, IndexVerifier
from landwaiter.cosign.outcome import Verified
from landwaiter.inventory.ledger import LEDGER_MAX, Ledger
from landwaiter.inventory.verifications import Verification
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.mirrors import NO_MIRRORS, Mirrors
from landwaiter.rules.cosign_signatures import SignatureAnswer, SignatureQuestion
from landwaiter.rules.protocol import Inquiry
from landwaiter.wiring.cosign_version import CosignVersion
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.trust import AuthorityReader, may_change

TOLD_MAX: Final = LEDGER_MAX


class Signatures:
    """
    Asks cosign about one authority at a time; what is known already is remembered there.

    An image that has several names is asked about under the one that `mirrors` say is signed.
    `clock` is that of the verifier.
    """

    def __init__(
        self,
        verifier: IndexVerifier[Keychain],
        reader: PullSecretReader,
        authorities: AuthorityReader,
        ledger: Ledger,
        version: CosignVersion,
        mirrors: Mirrors = NO_MIRRORS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._version = version
        self._clock = clock
        self._told: dict[tuple[int, str | None, str], Verified] = {}
        self._mirrors = mirrors
        self._verifier = verifier
        self._reader = reader
        self._authorities = authorities

    async def answer(self, question: SignatureQuestion, inquiry: Inquiry) -> SignatureAnswer:
        """
        Return whether the authority has signed. Raises as a fact source does.

        What an authority that was read from the cluster has not signed is verified by what stands
        there now, where that is something else: it may have been changed a moment ago.
        """
        asked = question.authority
        authority = await self._authorities.authority(asked, deadline=inquiry.deadline)
        answer = await self._answer(question, authority, inquiry)
        if answer.verified or not may_change(asked):
            return answer
        anew = await self._authorities.authority(asked, deadline=inquiry.deadline, fresh=True)
        return answer if anew == authority else await self._answer(question, anew, inquiry)

    async def _answer(
        self, question: SignatureQuestion, authority: Authority, inquiry: Inquiry
    ) -> SignatureAnswer:
        subject = self._mirrors.signed_name(question.subject)
        version = await self._version(deadline=inquiry.deadline)

        def verification() -> Verification:
            fingerprint = authority.fingerprint(version)
            return Verification(subject.without_tag(), fingerprint, question.covers)

        def good() -> SignatureAnswer:
            return SignatureAnswer(verified=True, signer=authority.signer)

        self._ledger.expect(question, inquiry, verification, good)
        outcome = await self._reader.tried(
            inquiry,
            lambda keychain: self._verifier.verify(
                subject,
                authority,
                Covers(question.covers),
                keychain=keychain,
                deadline=inquiry.deadline,
                namespace=inquiry.workload.namespace,
            ),
        )
        if isinstance(outcome, Verified):
            if not self._is_told(question, outcome):
                age, name = self._clock() - outcome.at, authority.name
                if self._ledger.verified(verification(), inquiry, authority=name, age_seconds=age):
                    self._tell(question, outcome)
            return good()
        self._ledger.refused(verification(), inquiry)
        return SignatureAnswer(verified=False, detail=outcome.detail)

    def _is_told(self, question: SignatureQuestion, outcome: Verified) -> bool:
        """Whether the ledger has been told of this very outcome: most come from memory."""
        return self._told.get((id(outcome), question.subject.digest, question.covers)) is outcome

    def _tell(self, question: SignatureQuestion, outcome: Verified) -> None:
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told[id(outcome), question.subject.digest, question.covers] = outcome
