"""What is answered from a view, and what is asked for by name."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from landwaiter.cluster import watched as module
from landwaiter.cluster.client import ClusterClient
from landwaiter.cluster.keys import ObjectKey, Resource
from landwaiter.cluster.requests import ApiAnswer, ApiRequest
from landwaiter.cluster.transport import Stream
from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.cluster.watched import KEPT_MAX, WatchedCluster
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable
from landwaiter.telemetry.observers import ViewMetrics
from landwaiter.wiring.views import observe_views, unsettled

LABELS = {"env": "production", "kubernetes.io/metadata.name": "shop"}


def a_namespace(name: str = "shop", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


def an_account(name: str, *secrets: str) -> dict[str, Any]:
    references = [{"name": secret} for secret in secrets]
    return {"metadata": {"namespace": "shop", "name": name}, "imagePullSecrets": references}


@dataclass
class Api:
    """An API server: lists by the resource, single objects by key, and watches that are silent."""

    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    objects: dict[ObjectKey, dict[str, Any]] = field(default_factory=dict)
    asked: list[ObjectKey] = field(default_factory=list)
    status: int = 200

    async def get(self, key: ObjectKey) -> bytes | None:
        self.asked.append(key)
        found = self.objects.get(key)
        return None if found is None else json.dumps(found).encode()

    def send_blocking(self, request: ApiRequest) -> ApiAnswer:
        items = self.lists.get(request.resource, [])
        content = {"metadata": {"resourceVersion": "1"}, "items": items}
        return ApiAnswer(self.status, json.dumps(content).encode())

    @contextmanager
    def stream(self, request: ApiRequest, *, read_seconds: float) -> Iterator[Stream]:
        raise ClusterUnavailable("no watch in this test")
        yield

    def close(self) -> None:
        """Have nothing to let go."""


@asynccontextmanager
async def watched(api: Api) -> AsyncIterator[WatchedCluster]:
    cluster = WatchedCluster(api, ClusterClient(api))
    cluster.start()
    try:
        await until(lambda: unsettled(cluster) is None)
        yield cluster
    finally:
        await cluster.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # Threads decide.
            await asyncio.sleep(0.002)


def soon() -> Deadline:
    return Deadline.after(5)


async def test_what_is_known_is_not_asked_for() -> None:
    """Namespaces and accounts come from the view, Secrets and ConfigMaps never."""
    secret_key = ObjectKey(Resource.SECRETS, "shop", "acr")
    root_key = ObjectKey(Resource.CONFIG_MAPS, "shop", "root")
    api = Api(
        lists={
            "namespaces": [a_namespace(env="production")],
            "serviceaccounts": [an_account("web", "acr")],
        },
        objects={
            secret_key: {"metadata": {"namespace": "shop", "name": "acr"}},
            root_key: {"metadata": {"namespace": "shop", "name": "root"}},
        },
    )
    async with watched(api) as cluster:
        found = (
            await cluster.get_namespace("shop", deadline=soon()),
            await cluster.get_service_account("shop", "web", deadline=soon()),
            await cluster.get_secret("shop", "acr", deadline=soon()),
            await cluster.get_config_map("shop", "root", deadline=soon()),
        )

    assert (
        Namespace("shop", LABELS),
        ServiceAccount("shop", "web", ("acr",)),
        Secret("shop", "acr", "Opaque", {}),
        ConfigMap("shop", "root", {}),
    ) == found
    assert [secret_key, root_key] == api.asked


async def test_semantics_8_what_the_view_lacks_is_asked_for_by_name() -> None:
    """A namespace that was created a moment ago is found; one that is not there is None."""
    key = ObjectKey(Resource.NAMESPACES, "", "shop")
    account = ObjectKey(Resource.SERVICE_ACCOUNTS, "shop", "web")
    api = Api(objects={key: a_namespace(env="production"), account: an_account("web")})
    async with watched(api) as cluster:
        found = (
            await cluster.get_namespace("shop", deadline=soon()),
            await cluster.get_namespace("nowhere", deadline=soon()),
            await cluster.get_service_account("shop", "web", deadline=soon()),
        )

    assert (Namespace("shop", LABELS), None, ServiceAccount("shop", "web", ())) == found


async def test_what_has_to_be_fresh_is_asked_for() -> None:
    """A refusal rests on what stands there now."""
    key = ObjectKey(Resource.NAMESPACES, "", "shop")
    account = ObjectKey(Resource.SERVICE_ACCOUNTS, "shop", "web")
    api = Api(
        lists={"namespaces": [a_namespace()], "serviceaccounts": [an_account("web", "old")]},
        objects={key: a_namespace(env="production"), account: an_account("web", "new")},
    )
    async with watched(api) as cluster:
        found = (
            await cluster.get_namespace("shop", deadline=soon(), fresh=True),
            await cluster.get_service_account("shop", "web", deadline=soon(), fresh=True),
        )

    assert (Namespace("shop", LABELS), ServiceAccount("shop", "web", ("new",))) == found


async def test_a_view_without_news_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older than the bound counts for nothing."""
    key = ObjectKey(Resource.NAMESPACES, "", "shop")
    api = Api(lists={"namespaces": [a_namespace()]}, objects={key: a_namespace(env="production")})
    async with watched(api) as cluster:
        monkeypatch.setattr(module, "STALE_SECONDS", -1.0)
        found = await cluster.get_namespace("shop", deadline=soon())

    assert Namespace("shop", LABELS) == found


async def test_what_is_made_to_fill_the_memory_is_not_kept() -> None:
    """It is asked for by name, whole."""
    secrets = [f"s{number}" for number in range(KEPT_MAX + 1)]
    labels = {f"l{number}": "x" for number in range(KEPT_MAX + 1)}
    account = ObjectKey(Resource.SERVICE_ACCOUNTS, "shop", "web")
    api = Api(
        lists={
            "namespaces": [a_namespace(**labels)],
            "serviceaccounts": [an_account("web", *secrets)],
        },
        objects={account: an_account("web", *secrets)},
    )
    async with watched(api) as cluster:
        counts = [state.objects for state in cluster.states()]
        found = await cluster.get_service_account("shop", "web", deadline=soon())

    assert ([0, 0], ServiceAccount("shop", "web", tuple(secrets))) == (counts, found)


async def test_a_view_that_is_refused_keeps_nobody_from_being_ready() -> None:
    """Without the right to list everything is asked for by name."""
    key = ObjectKey(Resource.NAMESPACES, "", "shop")
    api = Api(status=403, objects={key: a_namespace(env="production")})
    async with watched(api) as cluster:
        found = await cluster.get_namespace("shop", deadline=soon())

    assert Namespace("shop", LABELS) == found


async def test_before_the_first_list_the_views_are_not_ready() -> None:
    """The names of those that are waited for are told."""
    api = Api(status=500)
    cluster = WatchedCluster(api, ClusterClient(api))
    cluster.start()
    try:
        assert "namespaces, serviceaccounts not listed yet" == unsettled(cluster)
    finally:
        await cluster.close()


async def test_accounts_that_may_not_be_read_are_not_watched() -> None:
    """A watch would be refused again and again; they are asked for by name, and have no metric."""
    key = ObjectKey(Resource.SERVICE_ACCOUNTS, "shop", "default")
    api = Api(
        lists={"serviceaccounts": [an_account("default", "listed")]},
        objects={key: an_account("default", "acr")},
    )
    cluster = WatchedCluster(api, ClusterClient(api), accounts=False)
    cluster.start()
    try:
        await until(lambda: unsettled(cluster) is None)
        found = await cluster.get_service_account("shop", "default", deadline=soon())
    finally:
        await cluster.close()

    assert ["namespaces"] == [state.resource for state in cluster.states()]
    assert ([key], ("acr",)) == (api.asked, found and found.pull_secrets)


async def test_metrics_show_size_and_age() -> None:
    """For each view; an age that is not known is no number."""
    collectors, api = CollectorRegistry(), Api(lists={"namespaces": [a_namespace()]})
    silent = WatchedCluster(api, ClusterClient(api))
    observe_views(silent, ViewMetrics(collectors))
    labels = {"resource": "namespaces"}
    before = collectors.get_sample_value("landwaiter_view_age_seconds", labels)
    silent.start()
    await until(lambda: unsettled(silent) is None)
    after = collectors.get_sample_value("landwaiter_view_age_seconds", labels)
    objects = collectors.get_sample_value("landwaiter_view_objects", labels)
    await silent.close()

    assert before is not None
    assert math.isnan(before)
    assert after is not None
    assert after < 10
    assert 1 == objects
