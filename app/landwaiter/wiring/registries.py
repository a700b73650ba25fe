"""The registry client with the admin's settings, its questions timed and counted."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from landwaiter.deadline import Deadline
from landwaiter.errors import (
    AccessDenied,
    ContentMissing,
    DeadlineExceeded,
    ImageProblem,
    InvalidInput,
    Unavailable,
)
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.manifests.documents import read_file
from landwaiter.policy.matching import Policy
from landwaiter.registry.access import PullAccess
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.credentials import Credential
from landwaiter.registry.image_documents import is_index, read_index
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.settings import NO_REGISTRY_SETTINGS, RegistriesFile, RegistrySettings
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.attestations import Attestations
from landwaiter.rules.cosign_signatures import CosignSignatures
from landwaiter.rules.protocol import Rule
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.telemetry.observers import RegistryMetrics

Found = TypeVar("Found")

_OUTCOMES: Mapping[type[Exception], str] = {
    ContentMissing: "missing",
    AccessDenied: "denied",
    ImageProblem: "malformed",
    DeadlineExceeded: "late",
    Unavailable: "unavailable",
}


class ObservedRegistry:
    """Asks a registry client and tells the metrics how it went."""

    def __init__(self, client: RegistryClient, metrics: RegistryMetrics) -> None:
        self._client = client
        self._metrics = metrics

    async def resolve(
        self, reference: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> str:
        """Return the digest of what a reference points to now."""
        return await self._timed(
            self._client.resolve(reference, keychain=keychain, deadline=deadline)
        )

    async def pull_access(
        self, reference: ImageReference, credential: Credential, *, owner: str, deadline: Deadline
    ) -> PullAccess:
        """Return what comes of pulling with one credential of a namespace's Secret."""
        return await self._timed(
            self._client.pull_access(reference, credential, owner=owner, deadline=deadline)
        )

    async def manifest(
        self, reference: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> Manifest:
        """Return a manifest or index."""
        return await self._timed(
            self._client.manifest(reference, keychain=keychain, deadline=deadline)
        )

    async def images_in(
        self, subject: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> tuple[str, ...] | None:
        """Return the digests of the images in an index, None for a single image."""
        manifest = await self.manifest(subject, keychain=keychain, deadline=deadline)
        if not is_index(manifest):
            return None
        return tuple(entry.digest for entry in read_index(manifest, str(subject)).entries)

    async def referrers(
        self, reference: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> tuple[Descriptor, ...]:
        """Return what refers to a digest."""
        return await self._timed(
            self._client.referrers(reference, keychain=keychain, deadline=deadline)
        )

    async def blob(
        self,
        reference: ImageReference,
        descriptor: Descriptor,
        limit_bytes: int,
        *,
        keychain: Keychain,
        deadline: Deadline,
    ) -> bytes:
        """Return the content that a descriptor points to."""
        return await self._timed(
            self._client.blob(
                reference, descriptor, limit_bytes, keychain=keychain, deadline=deadline
            )
        )

    async def _timed(self, asking: Awaitable[Found]) -> Found:
        begun = time.monotonic()
        outcome = "answered"
        try:
            return await asking
        except (ImageProblem, Unavailable) as problem:
            outcome = next(name for kind, name in _OUTCOMES.items() if isinstance(problem, kind))
            raise
        finally:
            self._metrics.request_finished(outcome, seconds=time.monotonic() - begun)


def registry_settings(file: Path | None) -> RegistrySettings:
    """Return what the admin's file says about registries. Raises `InvalidInput`."""
    if file is None:
        return NO_REGISTRY_SETTINGS
    document = one_document(file, empty={"registries": []})
    try:
        return RegistriesFile.of(document).settings(file.parent)
    except InvalidInput as problem:
        raise InvalidInput(f"{file}: {problem}") from problem


def one_document(file: Path, *, empty: object) -> object:
    """Return what a file of the install holds, `empty` for nothing. Raises `InvalidInput`."""
    documents = read_file(file)
    if len(documents) > 1:
        raise InvalidInput(f"{file}: {len(documents)} documents given, one is wanted")
    return documents[0].value if documents else empty


def named_by(policies: Callable[[], Iterable[Policy]]) -> Callable[[str], bool]:
    """
    Return a function that tells whether a policy in force names a host without wildcard.

    Only such hosts, and those of the settings, may have addresses that are not public (design,
    semantics 11). What a policy denies is not named by it, and the policies of namespaces, which
    are not the admin's, name nothing.
    """

    def is_named(host: str) -> bool:
        patterns = (pattern for policy in policies() for pattern in trusted_patterns(policy))
        return any(pattern.names_host(host) for pattern in patterns)

    return is_named


def trusted_patterns(policy: Policy) -> Iterable[ImagePattern]:
    """Yield the patterns in which an admin names what is good, in a policy of the cluster."""
    if policy.namespace is not None:
        return
    yield from policy.images
    for rule in policy.rules:
        if isinstance(rule, AllowedRegistries):
            yield from rule.allow
        elif isinstance(rule, PullSecrets):
            yield from rule.require_for
        else:
            repositories = (each.repository for each in _authorities(rule))
            yield from (ImagePattern.parse(str(each)) for each in repositories if each)


def _authorities(rule: Rule) -> Iterable[SigningAuthority]:
    if isinstance(rule, CosignSignatures):
        yield from rule.authorities
    elif isinstance(rule, Attestations):
        yield from (authority for each in rule.required for authority in each.authorities)
