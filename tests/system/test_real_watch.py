"""Watching and writing objects of a real API server, through its outages."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from landwaiter.cluster import following
from landwaiter.cluster.following import Watched
from landwaiter.cluster.listing import PAGE_OBJECTS, Content
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource
from landwaiter.cluster.transport import ApiTransport
from landwaiter.cluster.watching import Watch
from landwaiter.errors import ClusterConflict, ClusterUnavailable
from realparts.control_plane import ControlPlane
from system.test_real_cluster_view import kubeconfig

CONFIG_MAPS = ApiResource("", "v1", "configmaps")
CPU_SHARE_MAX = 0.05


def data_of(content: Content) -> dict[str, str]:
    return dict(content.get("data") or {})


def a_map(namespace: str, name: str = "m", **data: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


@pytest.fixture
def transport(control_plane: ControlPlane, tmp_path: Path) -> Iterator[ApiTransport]:
    api = ApiTransport.connect(kubeconfig(control_plane, tmp_path, "admin"))
    yield api
    api.close()


@asynccontextmanager
async def watching(transport: ApiTransport, namespace: str) -> AsyncIterator[Watch[dict[str, str]]]:
    watch = Watch(transport, Watched(CONFIG_MAPS, data_of, namespace))
    watch.start()
    try:
        async with asyncio.timeout(30):
            await watch.synced()
        yield watch
    finally:
        await watch.close()


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # Another thread decides.
            await asyncio.sleep(0.01)


async def test_written_objects_are_heard_of(transport: ApiTransport, namespace: str) -> None:
    """Created, replaced, merged, applied and deleted: each is seen within the moment."""
    objects = ClusterObjects(transport)
    async with watching(transport, namespace) as watch:
        key = (namespace, "m")
        created = await objects.create(CONFIG_MAPS, a_map(namespace, a="1"))
        await until(lambda: watch.values.get(key) == {"a": "1"})
        await objects.replace(CONFIG_MAPS, {**created, "data": {"b": "2"}})
        await until(lambda: watch.values.get(key) == {"b": "2"})
        with pytest.raises(ClusterConflict):
            await objects.replace(CONFIG_MAPS, {**created, "data": {"c": "3"}})
        with pytest.raises(ClusterConflict):
            await objects.create(CONFIG_MAPS, a_map(namespace))
        await objects.merge(CONFIG_MAPS, "m", {"data": {"d": "4"}}, namespace=namespace)
        await until(lambda: watch.values.get(key) == {"b": "2", "d": "4"})
        await objects.apply(CONFIG_MAPS, a_map(namespace, d="5"))
        await until(lambda: watch.values.get(key) == {"b": "2", "d": "5"})
        with pytest.raises(ClusterConflict):
            await objects.delete(CONFIG_MAPS, "m", namespace=namespace, uid="another")
        uid = created["metadata"]["uid"]
        deleted = await objects.delete(CONFIG_MAPS, "m", namespace=namespace, uid=uid)
        await until(lambda: key not in watch.values)

        assert deleted
        assert await objects.get(CONFIG_MAPS, "m", namespace=namespace) is None
        assert not await objects.delete(CONFIG_MAPS, "m", namespace=namespace)


async def test_a_document_that_the_server_refuses_says_why(
    transport: ApiTransport, namespace: str
) -> None:
    """The API server's own sentence comes back."""
    wrong = {**a_map(namespace), "data": {"not a key": "x"}}
    with pytest.raises(ClusterUnavailable) as fault:
        await ClusterObjects(transport).create(CONFIG_MAPS, wrong)

    assert 'configmaps "m" in namespace' in str(fault.value)
    assert "answered 422: ConfigMap" in str(fault.value)


async def test_long_lists_come_in_pages(transport: ApiTransport, namespace: str) -> None:
    """What is more than a page is all there, in the list and in the watch."""
    objects = ClusterObjects(transport)
    count = PAGE_OBJECTS + 20
    names = [f"m{number}" for number in range(count)]
    places = asyncio.Semaphore(8)

    async def create(name: str) -> None:
        async with places:
            await objects.create(CONFIG_MAPS, a_map(namespace, name))

    await asyncio.gather(*(create(name) for name in names))
    pages = [page async for page in objects.pages(CONFIG_MAPS, namespace=namespace)]
    listed = {each["metadata"]["name"] for page in pages for each in page}
    async with watching(transport, namespace) as watch:
        assert {*names} == {name for _, name in watch.values} - {"kube-root-ca.crt"}
    assert (2, {*names}) == (len(pages), listed - {"kube-root-ca.crt"})


@pytest.mark.usefixtures("long_outage")  # It begins here, for test_webhook_outage.py.
async def test_an_outage_costs_little_and_heals_by_itself(tmp_path: Path) -> None:
    """While the API server is away next to no CPU is used; what changed meanwhile is seen."""
    with ControlPlane(tmp_path / "cluster") as cluster:
        api = ApiTransport.connect(kubeconfig(cluster, tmp_path, "admin"))
        async with watching(api, "default") as watch:
            cluster.stop_api_server()
            began, used = time.monotonic(), time.process_time()
            await asyncio.sleep(4)
            share = (time.process_time() - used) / (time.monotonic() - began)
            cluster.start_api_server()  # From the main thread, with which it would end.
            path = "/api/v1/namespaces/default/configmaps"
            await asyncio.to_thread(cluster.request, "POST", path, a_map("default", a="1"))
            await until(lambda: watch.values.get(("default", "m")) == {"a": "1"})
        api.close()

    assert share < CPU_SHARE_MAX


async def test_a_half_open_watch_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that keeps its connections and says nothing is left after the silence."""
    monkeypatch.setattr(following, "SILENCE_SECONDS", 1.0)
    with ControlPlane(tmp_path / "cluster") as cluster:
        api = ApiTransport.connect(kubeconfig(cluster, tmp_path, "admin"))
        async with watching(api, "default") as watch:
            with cluster.frozen_api_server():
                await until(lambda: (watch.age_seconds() or 0) > 2)
            path = "/api/v1/namespaces/default/configmaps"
            await asyncio.to_thread(cluster.request, "POST", path, a_map("default", a="1"))
            await until(lambda: watch.values.get(("default", "m")) == {"a": "1"})
        api.close()
