"""Answers what the `cosignSignatures` rule asks, with the registry's content and cosign's word."""

from landwaiter.cluster.view import ClusterView
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.outcome import Verified
from landwaiter.cosign.verifier import SignatureVerifier
from landwaiter.errors import ClusterUnavailable, InvalidPublicKey
from landwaiter.public_keys import PublicKey
from landwaiter.registry.keychain import Keychain
from landwaiter.rules.cosign_signatures import (
    SecretKey,
    SignatureAnswer,
    SignatureQuestion,
    SigningAuthority,
)
from landwaiter.rules.protocol import Inquiry
from landwaiter.wiring.keychains import PullSecretReader


class Signatures:
    """Asks cosign about one authority at a time; what is known already is remembered there."""

    def __init__(
        self,
        verifier: SignatureVerifier[Keychain],
        reader: PullSecretReader,
        view: ClusterView,
    ) -> None:
        self._verifier = verifier
        self._reader = reader
        self._view = view

    async def answer(self, question: SignatureQuestion, inquiry: Inquiry) -> SignatureAnswer:
        """
        Return whether the authority has signed. Raises as a fact source does.

        What a key that was read from a Secret does not verify is verified by the key that stands
        there now, where it is another one: it may have been changed a moment ago.
        """
        authority = await self._authority(question.authority, inquiry)
        answer = await self._answer(question, authority, inquiry)
        if answer.verified or not isinstance(question.authority.key, SecretKey):
            return answer
        anew = await self._authority(question.authority, inquiry, fresh=True)
        return answer if anew == authority else await self._answer(question, anew, inquiry)

    async def _answer(
        self, question: SignatureQuestion, authority: Authority, inquiry: Inquiry
    ) -> SignatureAnswer:
        outcome = await self._reader.tried(
            inquiry,
            lambda keychain: self._verifier.verify(
                question.subject, authority, keychain=keychain, deadline=inquiry.deadline
            ),
        )
        if isinstance(outcome, Verified):
            return SignatureAnswer(verified=True)
        return SignatureAnswer(verified=False, detail=outcome.detail)

    async def _authority(
        self, asked: SigningAuthority, inquiry: Inquiry, *, fresh: bool = False
    ) -> Authority:
        key = asked.key
        if isinstance(key, SecretKey):
            where = key
            try:
                key = await self._key_in_secret(where, inquiry, fresh=fresh)
            except _NoKeyError:
                key = await self._key_in_secret(where, inquiry, fresh=True)
        return Authority(asked.name, key, asked.transparency_log, asked.trusted_root)

    async def _key_in_secret(self, where: SecretKey, inquiry: Inquiry, *, fresh: bool) -> PublicKey:
        """
        Return the key that stands in a Secret.

        A fault in it is the policy's, and not the image's: it leaves the rule undecided.
        """
        place = f'Secret "{where.namespace}/{where.name}"'
        secret = await self._view.get_secret(
            where.namespace, where.name, deadline=inquiry.deadline, fresh=fresh
        )
        if secret is None or where.entry not in secret.data:
            raise _NoKeyError(f'{place} has no entry "{where.entry}" with a public key')
        try:
            return PublicKey.parse(secret.data[where.entry].decode(errors="replace"))
        except InvalidPublicKey as problem:
            raise _NoKeyError(f'{place}, entry "{where.entry}": {problem}') from problem


class _NoKeyError(ClusterUnavailable):
    """A Secret holds no key that can be used."""
