"""
Which credentials may be tried for a workload: those that the kubelet would have.

They are in the Secrets that the Pod names, or where it names none, in those that its service
account names: Kubernetes copies these into a Pod that is created, but not into a template, nor into
a Pod that is there already.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

from landwaiter.cluster.values import Secret
from landwaiter.cluster.view import ClusterView
from landwaiter.errors import AccessDenied, ClusterUnavailable, ContentMissing, Unavailable
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, FurtherCredentials, Keychain
from landwaiter.registry.mirrors import NO_MIRRORS, Mirrors
from landwaiter.rules.protocol import Inquiry
from landwaiter.rules.pull_secret_answers import SECRETS_MAX
from landwaiter.wiring.docker_configs import DockerConfig, DockerConfigs

DEFAULT_ACCOUNT = "default"
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class NamedSecrets:
    """
    The pull secrets that count for a workload, each None where it does not exist.

    `account` is the service account whose list was taken, None where the Pod's own was;
    `account_exists` is False when that account is missing. Names that are empty or given before
    are not among them, `left_out` counts those beyond the first `SECRETS_MAX`, and `repeated` are
    names that are given more than once. `is_late` is True for a Pod that is there already and names
    none, which gets none any more.
    """

    names: tuple[str, ...]
    secrets: tuple[Secret | None, ...]
    account: str | None = None
    account_exists: bool = True
    left_out: int = 0
    repeated: tuple[str, ...] = ()
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class TriedKeychain:
    """
    The credentials to try; `fault` says why some may be missing, None where none is.

    Without the cluster's word a public image can still be judged. What the registry then hides
    may be there for the credentials that are missing: it is undecided and not a refusal.
    """

    keychain: Keychain
    fault: ClusterUnavailable | None = None

    @contextmanager
    def excused(self) -> Iterator[None]:
        """Turn what a registry hides into the fault, in the body of the context."""
        try:
            yield
        except (AccessDenied, ContentMissing) as problem:
            if self.fault is None:
                raise
            raise ClusterUnavailable(f"{problem}; pull secrets unknown: {self.fault}") from problem


class PullSecretReader:
    """
    Reads pull secrets from the cluster, or from the manifests that stand for it.

    `mirrors` tell in which places their credentials are tried; `further` are those that are tried
    after them, None where there are none.
    """

    def __init__(
        self,
        view: ClusterView,
        mirrors: Mirrors = NO_MIRRORS,
        further: FurtherCredentials | None = None,
    ) -> None:
        self._view = view
        self._configs = DockerConfigs(mirrors, further)

    async def named_secrets(self, inquiry: Inquiry, *, fresh: bool = False) -> NamedSecrets:
        """
        Return the pull secrets that count for a workload. Raises `Unavailable`.

        They are read once for all images of an object, and once anew with `fresh`: whoever writes
        a Pod chooses how many images it has, and how many Secrets it names.
        """
        notes = inquiry.notes
        async with notes.setdefault(PullSecretReader, asyncio.Lock()):
            known = notes.get((NamedSecrets, True)) or notes.get((NamedSecrets, fresh))
            if known is None:
                try:
                    known = await self._named(inquiry, fresh=fresh)
                except Unavailable as fault:
                    known = fault
                notes[NamedSecrets, fresh] = known
        if isinstance(known, Unavailable):
            raise known
        return cast("NamedSecrets", known)

    async def _named(self, inquiry: Inquiry, *, fresh: bool) -> NamedSecrets:
        workload, deadline = inquiry.workload, inquiry.deadline
        namespace = workload.namespace
        account, names, exists = None, workload.pull_secrets, True
        if not names and inquiry.exists and not workload.is_template:
            return NamedSecrets((), (), is_late=True)
        if not names:
            account = workload.service_account or DEFAULT_ACCOUNT
            found = await self._view.get_service_account(
                namespace, account, deadline=deadline, fresh=fresh
            )
            names, exists = ((), False) if found is None else (found.pull_secrets, True)
        given = Counter(name for name in names if name)
        distinct = tuple(given)
        counted = distinct[:SECRETS_MAX]
        reads = [
            self._view.get_secret(namespace, name, deadline=deadline, fresh=fresh)
            for name in counted
        ]
        # Most Pods name one, which is mostly remembered: no task is needed for it.
        secrets = (await reads[0],) if len(reads) == 1 else tuple(await asyncio.gather(*reads))
        repeated = tuple(name for name, times in given.items() if times > 1)
        left_out = len(distinct) - len(counted)
        return NamedSecrets(counted, secrets, account, exists, left_out, repeated)

    async def tried(self, inquiry: Inquiry, ask: Callable[[Keychain], Awaitable[Found]]) -> Found:
        """
        Return what `ask` finds with the workload's credentials.

        What a registry hides from them is asked for once more with those read anew, where they
        are others by now: a person may have mended them a moment ago. Raises as `ask` does, and
        `Unavailable` for what is hidden while the credentials are not known.
        """
        first = await self.keychain(inquiry)
        try:
            return await ask(first.keychain)
        except (AccessDenied, ContentMissing):
            anew = await self.keychain(inquiry, fresh=True)
            with anew.excused():
                if anew.keychain == first.keychain:
                    raise
                return await ask(anew.keychain)

    async def keychain(self, inquiry: Inquiry, *, fresh: bool = False) -> TriedKeychain:
        """
        Return the credentials to try, none where the caller is not trusted (semantics 20).

        A Secret that does not parse adds nothing here; that it breaks the kubelet's keyring is
        for the `pullSecrets` rule to say. They are read once for all images of an object, and
        again with `fresh`. Raises `DeadlineExceeded`.
        """
        if not inquiry.credentials_allowed:
            return TriedKeychain(EMPTY_KEYCHAIN)
        known: TriedKeychain | None = None if fresh else inquiry.notes.get(TriedKeychain)
        if known is None:
            known = inquiry.notes[TriedKeychain] = await self._keychain(inquiry, fresh=fresh)
        return known

    async def _keychain(self, inquiry: Inquiry, *, fresh: bool) -> TriedKeychain:
        try:
            named = await self.named_secrets(inquiry, fresh=fresh)
        except ClusterUnavailable as fault:
            return TriedKeychain(self._configs.keychain(()), fault)
        found = [secret for secret in named.secrets if secret is not None]
        await self.configs(found)
        return TriedKeychain(self._configs.keychain(found))

    def keychain_of(self, secrets: Iterable[Secret]) -> Keychain:
        """Return the keychain of Secrets in order; one that does not parse adds nothing."""
        return self._configs.keychain(secrets)

    async def configs(self, secrets: Iterable[Secret]) -> list[DockerConfig]:
        """Return what is in Secrets, each read once; others have their turn after each reading."""
        found = []
        for secret in secrets:
            is_new = not self._configs.knows(secret)
            found.append(self._configs.of(secret))
            if is_new:
                await asyncio.sleep(0)
        return found
