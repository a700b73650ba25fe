"""
Turns the authorities of policies into those that cosign judges by, with what is in the cluster.

A fault in what stands in the cluster is the policy's, and not the image's: it leaves the rule
undecided.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cachetools import LRUCache

from landwaiter.cluster.view import ClusterView
from landwaiter.cosign.authority import Authority, Signer
from landwaiter.cosign.kms import KMSKeys
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, InvalidInput, TrustUnavailable
from landwaiter.public_keys import KMSReference, PublicKey
from landwaiter.rules.references import ConfigMapEntry, Entry, SecretEntry
from landwaiter.rules.signing_authority import SigningAuthority, Trust
from landwaiter.trust.tuf_repositories import TUFRepositories
from landwaiter.trusted_roots import AuthorityCertificates, TrustedRoot, TUFTarget

Value = TypeVar("Value")
Other = TypeVar("Other")

AUTHORITIES_MAX = 512
"""Authorities that are kept, of those asked about last; a policy has ten at most."""


class AuthorityReader:
    """
    Reads keys, roots and certificates from the cluster, or from the manifests for one.

    Roots that TUF repositories distribute are read from these, and keys of a KMS from it.
    """

    def __init__(self, view: ClusterView, repositories: TUFRepositories, kms: KMSKeys) -> None:
        self._view = view
        self._repositories = repositories
        self._kms = kms
        self._whole: LRUCache[SigningAuthority, Authority] = LRUCache(AUTHORITIES_MAX)

    async def authority(
        self, asked: SigningAuthority, *, deadline: Deadline, fresh: bool = False
    ) -> Authority:
        """
        Return the authority. Raises `Unavailable` where something of it is not to be had.

        With `fresh` everything is read after the call; otherwise that is done for what cannot be
        used as it is remembered. An authority that the policy says all of is made once.
        """
        if not asked.is_whole:
            return await self._read(asked, deadline=deadline, fresh=fresh)
        known = self._whole.get(asked)
        if known is None:
            known = await self._read(asked, deadline=deadline, fresh=fresh)
            self._whole[asked] = known
        return known

    async def _read(self, asked: SigningAuthority, *, deadline: Deadline, fresh: bool) -> Authority:
        entries = _Entries(self._view, deadline, fresh=fresh)
        root, signers = await at_once(
            self._root(asked.trust, entries),
            self._signers(asked, entries, deadline, fresh=fresh),
        )
        try:
            return Authority(
                asked.name,
                signers,
                asked.checks,
                root,
                certificate_chains=asked.trust.certificates is not None,
                annotations=asked.annotations,
                repository=asked.repository,
            )
        except InvalidInput as problem:
            raise ClusterUnavailable(str(problem)) from problem

    async def _signers(
        self, asked: SigningAuthority, entries: "_Entries", deadline: Deadline, *, fresh: bool
    ) -> tuple[Signer, ...]:
        match asked.signers:
            case KMSReference():
                return (await self._kms.key(asked.signers, deadline=deadline, fresh=fresh),)
            case SecretEntry() | ConfigMapEntry():
                return (await entries.value(asked.signers, PublicKey.parse),)
            case PublicKey():
                return (asked.signers,)
        return asked.signers

    async def _root(self, trust: Trust, entries: "_Entries") -> TrustedRoot | None:
        root, certificates = await at_once(
            self._sigstore_root(trust.root, entries), _certificates(trust.certificates, entries)
        )
        if certificates is None:
            return root
        if root is None:
            return TrustedRoot.of_certificates(certificates)
        return root.with_authorities(certificates)

    async def _sigstore_root(
        self, root: TrustedRoot | Entry | TUFTarget | None, entries: "_Entries"
    ) -> TrustedRoot | None:
        if isinstance(root, TUFTarget):
            content = await self._repositories.content(root, deadline=entries.deadline)
            return _distributed(content, root)
        if isinstance(root, Entry):
            return await entries.value(root, lambda text: TrustedRoot.parse(text.encode()))
        return root


async def _certificates(
    certificates: AuthorityCertificates | Entry | None, entries: "_Entries"
) -> AuthorityCertificates | None:
    if isinstance(certificates, Entry):
        return await entries.value(certificates, AuthorityCertificates.parse)
    return certificates


async def at_once(
    first: Coroutine[Any, Any, Value], second: Coroutine[Any, Any, Other]
) -> tuple[Value, Other]:
    """Return what comes of both, which go on at the same time; a failure of one ends the other."""
    try:
        async with asyncio.TaskGroup() as group:
            one, other = group.create_task(first), group.create_task(second)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return one.result(), other.result()


def may_change(asked: SigningAuthority) -> bool:
    """Whether something of an authority is read from the cluster, or asked of a KMS."""
    return any(
        isinstance(each, Entry | KMSReference)
        for each in (asked.signers, asked.trust.root, asked.trust.certificates)
    )


class _Entries:
    """Entries of Secrets and ConfigMaps, for one reading."""

    def __init__(self, view: ClusterView, deadline: Deadline, *, fresh: bool) -> None:
        self._view = view
        self.deadline = deadline
        self._fresh = fresh

    async def value(self, entry: Entry, parse: Callable[[str], Value]) -> Value:
        """Return what stands in an entry. Raises `Unavailable`; the message quotes nothing."""
        try:
            return parse(await self._text(entry, fresh=self._fresh))
        except (_NothingThereError, InvalidInput):
            pass
        try:
            return parse(await self._text(entry, fresh=True))
        except InvalidInput as problem:
            raise ClusterUnavailable(f"{entry}: {problem}") from problem

    async def _text(self, entry: Entry, *, fresh: bool) -> str:
        read = (
            self._view.get_secret if isinstance(entry, SecretEntry) else self._view.get_config_map
        )
        found = await read(entry.namespace, entry.name, deadline=self.deadline, fresh=fresh)
        if found is None or entry.entry not in found.data:
            raise _NothingThereError(f"{entry}: there is no such entry")
        content = found.data[entry.entry]
        return content if isinstance(content, str) else content.decode(errors="replace")


def _distributed(content: bytes, target: TUFTarget) -> TrustedRoot:
    try:
        return TrustedRoot.parse(content)
    except InvalidInput as problem:
        raise TrustUnavailable(f"{target}: {problem}") from problem


class _NothingThereError(ClusterUnavailable):
    """A Secret or ConfigMap does not have the entry."""
