"""Answers what the `cosignSignatures` rule asks, with the registry's content and cosign's word."""

from landwaiter.cosign.authority import Authority
from landwaiter.cosign.indexes import Covers, IndexVerifier
from landwaiter.cosign.outcome import Verified
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.mirrors import NO_MIRRORS, Mirrors
from landwaiter.rules.cosign_signatures import SignatureAnswer, SignatureQuestion
from landwaiter.rules.protocol import Inquiry
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.trust import AuthorityReader, may_change


class Signatures:
    """
    Asks cosign about one authority at a time; what is known already is remembered there.

    An image that has several names is asked about under the one that `mirrors` say is signed.
    """

    def __init__(
        self,
        verifier: IndexVerifier[Keychain],
        reader: PullSecretReader,
        authorities: AuthorityReader,
        mirrors: Mirrors = NO_MIRRORS,
    ) -> None:
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
            return SignatureAnswer(verified=True, signer=authority.signer)
        return SignatureAnswer(verified=False, detail=outcome.detail)
