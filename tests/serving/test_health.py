"""The metrics port tells the truth."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, Counter

from landwaiter.serving.health import Readiness, health_app
from landwaiter.serving.limits import ConnectionLimits
from landwaiter.serving.listener import Listener
from serving.clients import HOST, Answer, Clients, Counts

TEXT = "text/plain; charset=utf-8"


@dataclass
class Told:
    """An observer that remembers."""

    values: list[bool] = field(default_factory=list)

    def ready(self, *, is_ready: bool) -> None:
        self.values.append(is_ready)


@asynccontextmanager
async def healthy(readiness: Readiness, registry: CollectorRegistry) -> AsyncIterator[Clients]:
    listener = Listener(
        health_app(readiness, registry), limits=ConnectionLimits(), observer=Counts()
    )
    clients = Clients(await listener.start(HOST, 0))
    try:
        yield clients
    finally:
        await clients.close()
        await listener.close(grace_seconds=0)


async def get(readiness: Readiness, path: str, registry: CollectorRegistry | None = None) -> Answer:
    async with healthy(readiness, registry or CollectorRegistry()) as clients:
        return await (await clients.connect()).get(path)


def text_answer(status: int, text: str) -> Answer:
    headers = {"content-length": str(len(text)), "content-type": TEXT}
    return Answer(status, headers, text.encode())


async def test_readyz_names_each_check() -> None:
    """200 when all is well."""
    readiness = Readiness({"policies": lambda: None, "cluster": lambda: None}, Told())

    assert text_answer(200, "[+] policies: ok\n[+] cluster: ok\nready\n") == await get(
        readiness, "/readyz"
    )


async def test_ready_that_always_says_200() -> None:
    """A check that fails is named, with 503; what is asked is how things are now."""
    problem: list[str | None] = ["no policies have been read yet"]
    told = Told()
    readiness = Readiness({"cluster": lambda: None, "policies": lambda: problem[0]}, told)
    before = await get(readiness, "/readyz")
    problem[0] = None
    after = await get(readiness, "/readyz")

    assert (
        text_answer(
            503, "[+] cluster: ok\n[-] policies: no policies have been read yet\nnot ready\n"
        ),
        text_answer(200, "[+] cluster: ok\n[+] policies: ok\nready\n"),
        [False, True],
    ) == (before, after, told.values)


async def test_a_process_that_leaves_is_not_ready() -> None:
    """Whatever its checks say; and it is alive."""
    told = Told()
    readiness = Readiness({"policies": lambda: None}, told)
    readiness.leave()

    assert (
        text_answer(
            503, "[+] policies: ok\n[-] shutdown: this process is about to end\nnot ready\n"
        ),
        text_answer(200, "alive\n"),
        False,
    ) == (await get(readiness, "/readyz"), await get(readiness, "/livez"), told.values[0])


async def test_metrics_are_those_of_the_registry() -> None:
    """In the format that Prometheus asks for."""
    registry = CollectorRegistry()
    Counter("landwaiter_things", "Things.", registry=registry).inc()
    answer = await get(Readiness({}, Told()), "/metrics", registry)

    assert (200, True, True) == (
        answer.status,
        answer.headers["content-type"].startswith("text/plain"),
        b"\nlandwaiter_things_total 1.0\n" in answer.body,
    )


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/validate", "/readyz/"])
async def test_nothing_else_is_served(path: str) -> None:
    """Reviews are not answered on the port without TLS."""
    answer = await get(Readiness({}, Told()), path)

    assert 404 == answer.status
