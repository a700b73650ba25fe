"""
What a large cluster costs: memory, time to ready, requests to the API server, an outage of it.

Case `cluster`: 2,000 namespaces, 10,000 Secrets and 20,000 service accounts in a real control
plane, made by many requests at once, and a Landwaiter whose policy wants pull secrets; beside it
the same Landwaiter before they were made. Its views are full then, and reviews come from the API
server itself: Pods that are created for a dry run, one after another in a namespace each, half of
them with a Secret of their own and half with their account's. What it asks meanwhile is read in the
API server's audit log.
"""

import asyncio
import base64
import json
import ssl
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from bench.figures import Figure, at_most
from bench.footprint import seconds_to_ready
from bench.machine import cpu_seconds, resident_mib
from bench.scene import API_SERVER, Scene
from realparts.control_plane import ControlPlane
from realparts.landwaiter import NAMESPACE, Landwaiter
from realparts.processes import retried_on_port_clash, wait_until
from realparts.progress import step

NAMESPACES = 2_000
ACCOUNTS_EACH = 10
SECRETS_EACH = 5
OTHERS_OF_SECRET = 2
"""Entries of a Secret for other registries, as people have them."""

ADMISSIONS = 1_000
FEW_NAMESPACES = 20
AT_ONCE = 32
"""Requests under way; an API server takes 200 that change something."""

CLIENTS = 8
FILLING_SECONDS = 900
AWAY_SECONDS = 60.0
HEARD_SECONDS = 60.0
STARTS = 3
CREATED = 201
MOST = at_most(0.05)
"""Of a core: with nobody to ask there is nothing to do."""

USER = f"system:serviceaccount:{NAMESPACE}:landwaiter"
REGISTRY = "registry.example.com"
POLICY = json.dumps(
    {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "pull-secrets"},
        "spec": {
            "validationActions": ["Deny"],
            "match": {"namespaceSelector": {"matchLabels": {"env": "production"}}},
            "rules": {"pullSecrets": {"requireFor": [REGISTRY]}},
        },
    }
)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a cluster is made, and how much is asked of it."""

    namespaces: int = NAMESPACES
    admissions: int = ADMISSIONS
    away_seconds: float = AWAY_SECONDS

    @property
    def told(self) -> str:
        """What the cluster holds, in words."""
        return (
            f"{self.namespaces:,} namespaces, {self.namespaces * SECRETS_EACH:,} Secrets, "
            f"{self.namespaces * ACCOUNTS_EACH:,} accounts; beside it the same cluster empty"
        )


FULL_SIZE = Size()


def measure_cluster(scene: Scene, size: Size = FULL_SIZE) -> Iterator[Figure]:
    """Yield what Landwaiter takes with a large cluster, beside what it takes with an empty one."""
    folder = scene.folder / "large"
    with ControlPlane(
        folder / "cluster", webhook_client_name=API_SERVER, with_controllers=False
    ) as cluster:
        empty = [_started(cluster, folder / f"empty-{number}") for number in range(STARTS)]
        with step("making a large cluster", FILLING_SECONDS):
            asyncio.run(_fill(cluster, size))
        full = [_started(cluster, folder / f"full-{number}") for number in range(STARTS)]
        seconds, memory = zip(*full, strict=True)
        bare_seconds, bare_memory = zip(*empty, strict=True)
        yield Figure("large", "command to ready", "s", seconds, bare_seconds, note=size.told)
        yield Figure("large", "memory once ready", "MiB", memory, bare_memory)
        landwaiter = _landwaiter(cluster, folder / "asked")
        retried_on_port_clash(landwaiter.start)
        try:
            yield from _admissions(cluster, landwaiter, size)
            yield from _outage(cluster, landwaiter, size)
        finally:
            landwaiter.stop()


def _landwaiter(cluster: ControlPlane, folder: Path) -> Landwaiter:
    folder.mkdir()
    files = cluster.files
    arguments = [f"--client-ca={files.webhook_client_ca}", f"--client-name={API_SERVER}"]
    return Landwaiter(folder, policies=POLICY, cluster=cluster, arguments=arguments)


def _started(cluster: ControlPlane, folder: Path) -> tuple[float, float]:
    """Return the seconds from the command to ready, and the memory in MiB at that moment."""
    landwaiter = _landwaiter(cluster, folder)
    seconds = retried_on_port_clash(partial(seconds_to_ready, landwaiter))
    try:
        return seconds, resident_mib(landwaiter.process.pid)
    finally:
        landwaiter.stop()


async def _fill(cluster: ControlPlane, size: Size) -> None:
    """Create everything, namespaces first, `AT_ONCE` requests at a time."""
    token = cluster.users["admin"].token
    certificate = str(cluster.files.ca)
    connector = aiohttp.TCPConnector(
        limit=AT_ONCE, ssl=ssl.create_default_context(cafile=certificate)
    )
    async with (
        asyncio.timeout(FILLING_SECONDS),
        aiohttp.ClientSession(
            cluster.url, connector=connector, headers={"Authorization": f"Bearer {token}"}
        ) as session,
    ):
        names = [f"team-{number}" for number in range(size.namespaces)]
        await _create(session, (("/api/v1/namespaces", _a_namespace(name)) for name in names))
        await _create(session, (each for name in names for each in _content_of(name)))


async def _create(
    session: aiohttp.ClientSession, objects: Iterable[tuple[str, Mapping[str, Any]]]
) -> None:
    waiting = iter(objects)

    async def work() -> None:
        for path, content in waiting:
            async with session.post(path, json=content) as answer:
                if answer.status != CREATED:
                    raise RuntimeError(f"not created: {answer.status} {await answer.text()}")

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


def _a_namespace(name: str) -> dict[str, Any]:
    labels = {"env": "production", "team": name}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _content_of(namespace: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the Secrets and the accounts of a namespace, and where to post them."""
    hosts = [REGISTRY, *(f"other-{number}.example.com" for number in range(OTHERS_OF_SECRET))]
    login = {"username": "reader", "password": f"password of {namespace}"}
    config = base64.b64encode(json.dumps({"auths": dict.fromkeys(hosts, login)}).encode()).decode()
    for number in range(SECRETS_EACH):
        yield (
            f"/api/v1/namespaces/{namespace}/secrets",
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"pull-{number}"},
                "type": "kubernetes.io/dockerconfigjson",
                "data": {".dockerconfigjson": config},
            },
        )
    for number in range(ACCOUNTS_EACH):
        secret = f"pull-{number % SECRETS_EACH}"
        yield (
            f"/api/v1/namespaces/{namespace}/serviceaccounts",
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": f"app-{number}"},
                "imagePullSecrets": [{"name": secret}],
            },
        )


def _workload(number: int, namespace: str) -> tuple[str, dict[str, Any]]:
    """Return a Pod with a Secret of its own, or a Deployment with its account's; where to post."""
    account = f"app-{number % ACCOUNTS_EACH}"
    container = {"name": "app", "image": f"{REGISTRY}/{namespace}/app:1.0"}
    spec: dict[str, Any] = {"serviceAccountName": account, "containers": [container]}
    metadata = {"name": f"web-{number}"}
    if number % 2:
        spec["imagePullSecrets"] = [{"name": f"pull-{number % SECRETS_EACH}"}]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        return f"/api/v1/namespaces/{namespace}/pods", pod
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    return f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment


def _admissions(cluster: ControlPlane, landwaiter: Landwaiter, size: Size) -> Iterator[Figure]:
    """Yield how many requests Landwaiter sends for a thousand reviews, and its memory then."""
    landwaiter.register(cluster)
    wait_until(
        partial(_is_asked, cluster, landwaiter),
        within_seconds=HEARD_SECONDS,
        what="the first review",
    )
    for name, namespaces in (
        ("all in other namespaces", size.namespaces),
        (f"in {FEW_NAMESPACES} namespaces", FEW_NAMESPACES),
    ):
        offset = cluster.files.audit_log.stat().st_size
        began = time.monotonic()
        _admit(cluster, size.admissions, namespaces)
        seconds = time.monotonic() - began
        asked = _asked_since(cluster, offset)
        kinds = ", ".join(f"{count:,} {what}" for what, count in asked.most_common())
        yield Figure(
            "large",
            f"requests per 1,000 admissions, {name}",
            "",
            (1000 * asked.total() / size.admissions,),
            note=f"{kinds or 'none'}, within {seconds:.0f} s",
        )
    memory = resident_mib(landwaiter.process.pid)
    yield Figure("large", "memory after the admissions", "MiB", (memory,))


def _is_asked(cluster: ControlPlane, landwaiter: Landwaiter) -> bool:
    path, content = _workload(1, "team-0")
    cluster.request("POST", f"{path}?dryRun=All", content)
    return landwaiter.metric("landwaiter_decisions_total") > 0


def _admit(cluster: ControlPlane, count: int, namespaces: int) -> None:
    """Have the API server admit workloads, without keeping any."""

    def admit(number: int) -> None:
        path, content = _workload(number, f"team-{number % namespaces}")
        answer = cluster.request("POST", f"{path}?dryRun=All", content)
        if answer.status != CREATED:
            raise RuntimeError(f"not admitted: {answer}")

    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(admit, range(count)))


def _asked_since(cluster: ControlPlane, offset: int) -> Counter[str]:
    """Return what Landwaiter has asked the API server, by verb and resource; no watches."""
    with cluster.files.audit_log.open("rb") as log:
        log.seek(offset)
        events = [json.loads(line) for line in log]
    return Counter(
        f"{event['verb']} {event['objectRef']['resource']}"
        for event in events
        if event["user"]["username"] == USER and event["verb"] != "watch"
    )


def _outage(cluster: ControlPlane, landwaiter: Landwaiter, size: Size) -> Iterator[Figure]:
    """Yield what Landwaiter does while the API server is away, and how soon it knows it is back."""
    pid = landwaiter.process.pid
    before = landwaiter.metric("landwaiter_view_objects", resource="serviceaccounts")
    cluster.stop_api_server()
    began, used = time.monotonic(), cpu_seconds(pid)
    time.sleep(size.away_seconds)
    share = (cpu_seconds(pid) - used) / (time.monotonic() - began)
    note = f"for {size.away_seconds:g} s"
    yield Figure("large", "CPU while the API server is away", "core", (share,), (), MOST, note)
    cluster.start_api_server()
    began = time.monotonic()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "new"}}
    cluster.request("POST", "/api/v1/namespaces/team-0/serviceaccounts", account)
    wait_until(
        lambda: landwaiter.metric("landwaiter_view_objects", resource="serviceaccounts") > before,
        within_seconds=HEARD_SECONDS,
        what="news of an account",
    )
    yield Figure("large", "back to news of an account", "s", (time.monotonic() - began,))
    yield Figure("large", "memory after the outage", "MiB", (resident_mib(pid),))
