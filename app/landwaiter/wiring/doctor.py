"""Takes the picture of an install that the doctor judges."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from landwaiter.cluster.access import Right, may
from landwaiter.cluster.leadership import LEASES
from landwaiter.cluster.listing import Content
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource
from landwaiter.cluster.transport import ApiTransport
from landwaiter.cluster.version import server_version
from landwaiter.deadline import Deadline
from landwaiter.doctor.examinations import diagnose
from landwaiter.doctor.findings import Diagnosis, Unknown
from landwaiter.doctor.picture import Install, Picture, in_the_dark
from landwaiter.doctor.rights import rights_needed
from landwaiter.errors import ClusterUnavailable, ImageProblem, Unavailable
from landwaiter.images.reference import ImageReference
from landwaiter.policy.matching import Policy
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.settings import RegistrySettings
from landwaiter.webhooks.configuration import CLUSTER_ROLES, CONFIGURATIONS
from landwaiter.wiring.registries import named_by, trusted_patterns

MUTATING: Final = ApiResource(
    "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", namespaced=False
)
NAMESPACES: Final = ApiResource("", "v1", "namespaces", namespaced=False)
DAEMON_SETS: Final = ApiResource("apps", "v1", "daemonsets")
PODS: Final = ApiResource("", "v1", "pods")

REGISTRY_SECONDS: Final = 10.0
RIGHTS_AT_ONCE: Final = 8

NO_IMAGE: Final = "landwaiter-doctor/none:none"
"""What is asked for to see whether a registry answers; nobody has it."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Patient:
    """An install to be examined, and how to reach what it reaches."""

    install: Install
    kubeconfig: Path | None
    registries: RegistrySettings
    policies: tuple[Policy, ...] = ()


async def examine(patient: Patient) -> Diagnosis:
    """Return what is wrong. Raises `ClusterUnavailable` for a kubeconfig that cannot be used."""
    async with _connected(patient.kubeconfig) as transport:
        picture, registries = await asyncio.gather(
            _picture(transport, patient.install), _reached(patient)
        )
    return diagnose(replace(picture, registries=registries))


@asynccontextmanager
async def _connected(kubeconfig: Path | None) -> AsyncIterator[ApiTransport]:
    transport = ApiTransport.connect(kubeconfig)
    try:
        yield transport
    finally:
        transport.close()


async def _picture(transport: ApiTransport, install: Install) -> Picture:
    """Return how the cluster stands, and what could not be looked at."""
    reader = _Reader(ClusterObjects(transport))
    if await reader.read("the cluster", server_version(transport)) is None:
        return in_the_dark(install, now=time.time(), unknown=tuple(reader.unknown))
    name, own = install.webhook_name, install.own_namespace
    missing = await reader.read("rights", _missing(transport, install))
    return Picture(
        install,
        now=transport.server_time(),
        ahead_seconds=transport.server_time() - time.time(),
        live=await reader.one(CONFIGURATIONS, name),
        role=await reader.one(CLUSTER_ROLES, name),
        lease=await reader.one(LEASES, name, own),
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


async def _reached(patient: Patient) -> dict[str, str | None]:
    """Return for each registry that the admin has named what keeps us from it."""
    hosts = sorted(_named_hosts(patient))
    named = named_by(lambda: patient.policies)
    async with RegistryClient(patient.registries, named_by_policy=named) as client:
        problems = await asyncio.gather(*(_problem_with(client, host) for host in hosts))
    return dict(zip(hosts, problems, strict=True))


def _named_hosts(patient: Patient) -> set[str]:
    patterns = (
        pattern.parts.host for policy in patient.policies for pattern in trusted_patterns(policy)
    )
    named = {
        host.name if host.port is None else f"{host.name}:{host.port}"
        for host in patterns
        if host is not None and host.glob is None
    }
    return named | set(patient.registries.hosts)


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
