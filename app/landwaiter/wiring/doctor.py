"""Takes the picture of an install that the doctor judges."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from landwaiter.cluster.access import Right, may
from landwaiter.cluster.leadership import LEASES
from landwaiter.cluster.listing import Content
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource
from landwaiter.cluster.transport import ApiTransport
from landwaiter.cluster.version import server_version
from landwaiter.cluster.watched import NAMESPACES
from landwaiter.deadline import Deadline
from landwaiter.doctor.examinations import diagnose
from landwaiter.doctor.findings import Diagnosis, Unknown
from landwaiter.doctor.picture import Install, Picture, in_the_dark
from landwaiter.doctor.rights import rights_needed
from landwaiter.errors import ClusterUnavailable, ImageProblem, Unavailable
from landwaiter.images.reference import ImageReference
from landwaiter.policy.cluster_documents import (
    ClusterDocument,
    ClusterDocuments,
    DocumentName,
    document_of,
)
from landwaiter.policy.crd import RESOURCE_KINDS
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings
from landwaiter.policy.matching import Policy
from landwaiter.policy.policy_set import PolicySet
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.settings import RegistrySettings
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.webhooks.configuration import CLUSTER_ROLES, CONFIGURATIONS
from landwaiter.wiring.arming import paths_needed
from landwaiter.wiring.cluster_policies import resource_of
from landwaiter.wiring.policies import CONFIG_MAPS
from landwaiter.wiring.registries import named_by, trusted_patterns

MUTATING: Final = ApiResource(
    "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", namespaced=False
)
DAEMON_SETS: Final = ApiResource("apps", "v1", "daemonsets")
PODS: Final = ApiResource("", "v1", "pods")

REGISTRY_SECONDS: Final = 10.0
RIGHTS_AT_ONCE: Final = 8

NO_IMAGE: Final = "landwaiter-doctor/none:none"
"""What is asked for to see whether a registry answers; nobody has it."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Patient:
    """
    An install to be examined, and how to reach what it reaches.

    `policies` are those of its folder, None where it has none; `settings` are what it decides about
    all policies.
    """

    install: Install
    kubeconfig: Path | None
    registries: RegistrySettings
    policies: PolicySet | None = None
    settings: PolicyInstallSettings = DEFAULTS


async def examine(patient: Patient) -> Diagnosis:
    """Return what is wrong. Raises `ClusterUnavailable` for a kubeconfig that cannot be used."""
    async with _connected(patient.kubeconfig) as transport:
        reader = _Reader(ClusterObjects(transport))
        is_there = await reader.read("the cluster", server_version(transport)) is not None
        policies = patient.policies
        if is_there and patient.install.policies_from_cluster:
            policies = await _with_those_of_the_cluster(reader, patient)
        install = told_by_policies(patient.install, policies, patient.settings)
        picture, registries = await asyncio.gather(
            _picture(reader, transport, install, is_there=is_there),
            _reached(patient.registries, (policies or patient.policies or PolicySet()).policies),
        )
    return diagnose(replace(picture, registries=registries))


def told_by_policies(
    install: Install, policies: PolicySet | None, settings: PolicyInstallSettings
) -> Install:
    """Return an install with what its policies say of it, as far as all of them are known."""
    known = policies or PolicySet()
    needs_pull_secrets = any(rule.id == PullSecrets.id for each in known for rule in each.rules)
    paths = None
    if policies is not None and not install.broken:
        paths = paths_needed(policies, settings)
    return replace(install, paths=paths, needs_pull_secrets=needs_pull_secrets)


async def _with_those_of_the_cluster(reader: "_Reader", patient: Patient) -> PolicySet | None:
    """Return all policies in force, None where it is not known which these are."""
    found: dict[DocumentName, ClusterDocument] = {}
    for kind in RESOURCE_KINDS:
        contents = await reader.all(resource_of(kind.plural, kind.scope))
        if contents is None:
            return None
        documents = (document_of(kind.kind, content) for content in contents)
        found.update((document.name, document) for document in documents)
    own = patient.install.own_namespace
    known = ClusterDocuments(patient.settings, own_namespace=own)
    states = known.update(found, datetime.now(UTC))
    if broken := [str(each.document.name) for each in states if each.problem is not None]:
        why = f"{len(broken)} documents do not load, {broken[0]} first; see their status"
        reader.unknown.append(Unknown("the policies in force", why))
        return None
    return PolicySet.together((patient.policies or PolicySet(), known.policy_set))


@asynccontextmanager
async def _connected(kubeconfig: Path | None) -> AsyncIterator[ApiTransport]:
    transport = ApiTransport.connect(kubeconfig)
    try:
        yield transport
    finally:
        transport.close()


async def _picture(
    reader: "_Reader", transport: ApiTransport, install: Install, *, is_there: bool
) -> Picture:
    """Return how the cluster stands, and what could not be looked at."""
    if not is_there:
        return in_the_dark(install, now=time.time(), unknown=tuple(reader.unknown))
    name, own = install.webhook_name, install.own_namespace
    missing = await reader.read("rights", _missing(transport, install))
    kept = [await reader.one(CONFIG_MAPS, name, where) for where, name in install.last_good_sets]
    return Picture(
        install,
        now=transport.server_time(),
        ahead_seconds=transport.server_time() - time.time(),
        live=await reader.one(CONFIGURATIONS, name),
        role=await reader.one(CLUSTER_ROLES, name),
        lease=await reader.one(LEASES, name, own),
        last_good=tuple(each for found in kept for each in found or ()),
        mutating=await reader.all(MUTATING),
        validating=await reader.all(CONFIGURATIONS),
        namespaces=await reader.all(NAMESPACES),
        daemon_sets=await reader.all(DAEMON_SETS),
        own_pods=await reader.all(PODS, own),
        missing=missing or (),
        unknown=tuple(reader.unknown),
    )


async def _missing(transport: ApiTransport, install: Install) -> tuple[Right, ...]:
    places = asyncio.Semaphore(RIGHTS_AT_ONCE)

    async def is_missing(right: Right) -> bool:
        async with places:
            return not await may(transport, right)

    rights = rights_needed(install)
    answers = await asyncio.gather(*map(is_missing, rights))
    return tuple(right for right, missing in zip(rights, answers, strict=True) if missing)


@dataclass(slots=True)
class _Reader:
    """Reads objects, and notes what it may not read."""

    objects: ClusterObjects
    unknown: list[Unknown] = field(default_factory=list)

    async def read(self, what: str, reading: Awaitable[_Read]) -> _Read | None:
        """Return what comes of reading, None where nothing does."""
        try:
            return await reading
        except ClusterUnavailable as fault:
            self.unknown.append(Unknown(what, str(fault)))
            return None

    async def one(
        self, resource: ApiResource, name: str, namespace: str = ""
    ) -> tuple[Content, ...] | None:
        """Return an object in a tuple, which is empty where there is none."""

        async def reading() -> tuple[Content, ...]:
            found = await self.objects.get(resource, name, namespace=namespace)
            return () if found is None else (found,)

        return await self.read(f"{resource} {name}", reading())

    async def all(self, resource: ApiResource, namespace: str = "") -> tuple[Content, ...] | None:
        """Return all objects of a resource."""

        async def reading() -> tuple[Content, ...]:
            pages = self.objects.pages(resource, namespace=namespace)
            return tuple([each async for page in pages for each in page])

        return await self.read(str(resource), reading())


async def _reached(
    registries: RegistrySettings, policies: tuple[Policy, ...]
) -> dict[str, str | None]:
    """Return for each registry that the admin has named what keeps us from it."""
    hosts = sorted(_named_hosts(policies) | set(registries.hosts))
    async with RegistryClient(registries, named_by_policy=named_by(lambda: policies)) as client:
        problems = await asyncio.gather(*(_problem_with(client, host) for host in hosts))
    return dict(zip(hosts, problems, strict=True))


def _named_hosts(policies: tuple[Policy, ...]) -> set[str]:
    patterns = (pattern.parts.host for policy in policies for pattern in trusted_patterns(policy))
    return {
        host.name if host.port is None else f"{host.name}:{host.port}"
        for host in patterns
        if host is not None and host.glob is None
    }


async def _problem_with(client: RegistryClient, host: str) -> str | None:
    """Ask for an image that there is not; every answer will do, also a refusal."""
    reference = ImageReference.parse(f"{host}/{NO_IMAGE}")
    try:
        await client.resolve(
            reference, keychain=Keychain(), deadline=Deadline.after(REGISTRY_SECONDS)
        )
    except ImageProblem:
        return None
    except Unavailable as fault:
        return str(fault)
    return None
