"""What a live cluster's objects are remembered for, and how often they are asked for."""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from landwaiter.cluster.client import (
    ACCOUNT_SECONDS,
    NAMESPACE_SECONDS,
    REMEMBERED_MAX_BYTES,
    SECRET_SECONDS,
    WAITING_MAX,
    ClusterClient,
)
from landwaiter.cluster.keys import ObjectKey, Resource
from landwaiter.cluster.values import Namespace, Secret, ServiceAccount
from landwaiter.cluster.view import ClusterView, NamespaceLabels
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, DeadlineExceeded

A_SECRET = ObjectKey(Resource.SECRETS, "shop", "acr")
A_TYPE = "kubernetes.io/dockerconfigjson"


@dataclass
class Objects:
    """A transport that answers from a table; with a gate it waits until it is opened."""

    table: dict[ObjectKey, Any] = field(default_factory=dict)
    asked: list[ObjectKey] = field(default_factory=list)
    gate: asyncio.Event | None = None
    is_closed: bool = False

    async def get(self, key: ObjectKey) -> bytes | None:
        self.asked.append(key)
        found = self.table.get(key)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(found, Exception):
            raise found
        return found if found is None or isinstance(found, bytes) else json.dumps(found).encode()

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def a_secret(content: bytes = b"{}", name: str = "acr") -> dict[str, Any]:
    data = {".dockerconfigjson": base64.b64encode(content).decode()}
    metadata = {"name": name, "namespace": "shop", "resourceVersion": "7"}
    return {"kind": "Secret", "metadata": metadata, "type": A_TYPE, "data": data}


def soon() -> Deadline:
    return Deadline.after(5)


async def secret_of(client: ClusterView, *, fresh: bool = False, name: str = "acr") -> object:
    return await client.get_secret("shop", name, deadline=soon(), fresh=fresh)


async def steps(count: int = 20) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_objects_come_as_slim_values() -> None:
    """Only what is needed is kept, and null is read as not given."""
    transport = Objects(
        {
            ObjectKey(Resource.NAMESPACES, "", "shop"): {
                "metadata": {"name": "shop", "labels": {"env": "production"}, "uid": "u"},
                "status": {"phase": "Active"},
            },
            ObjectKey(Resource.SERVICE_ACCOUNTS, "shop", "default"): {
                "metadata": {"name": "default", "namespace": "shop", "labels": None},
                "imagePullSecrets": [{"name": "acr"}, {}],
                "secrets": None,
            },
            ObjectKey(Resource.SERVICE_ACCOUNTS, "shop", "bare"): {
                "metadata": {"name": "bare", "namespace": "shop"},
                "imagePullSecrets": None,
            },
            A_SECRET: a_secret(b'{"auths":{}}'),
        }
    )
    client = ClusterClient(transport)
    labels = {"env": "production", "kubernetes.io/metadata.name": "shop"}
    data = {".dockerconfigjson": b'{"auths":{}}'}

    assert Namespace("shop", labels) == await client.get_namespace("shop", deadline=soon())
    assert [
        ServiceAccount("shop", "default", ("acr", "")),
        ServiceAccount("shop", "bare", ()),
    ] == [
        await client.get_service_account("shop", name, deadline=soon())
        for name in ("default", "bare")
    ]
    assert Secret("shop", "acr", A_TYPE, data, "7") == await secret_of(client)


@pytest.mark.parametrize(
    ("seconds", "ask", "key"),
    [
        (
            NAMESPACE_SECONDS,
            lambda client: client.get_namespace("shop", deadline=soon()),
            ObjectKey(Resource.NAMESPACES, "", "shop"),
        ),
        (
            ACCOUNT_SECONDS,
            lambda client: client.get_service_account("shop", "acr", deadline=soon()),
            ObjectKey(Resource.SERVICE_ACCOUNTS, "shop", "acr"),
        ),
        (
            SECRET_SECONDS,
            lambda client: client.get_secret("shop", "acr", deadline=soon()),
            A_SECRET,
        ),
        (
            SECRET_SECONDS,
            lambda client: client.get_config_map("shop", "acr", deadline=soon()),
            ObjectKey(Resource.CONFIG_MAPS, "shop", "acr"),
        ),
    ],
)
async def test_an_object_is_remembered_for_seconds(
    seconds: float, ask: Callable[[ClusterClient], Any], key: ObjectKey
) -> None:
    """It is asked for once within its lifetime, and again after it."""
    clock, transport = Clock(), Objects({key: {"metadata": {"name": "acr", "namespace": "shop"}}})
    client = ClusterClient(transport, clock=clock)
    counts = []
    for moment in (0, seconds * 0.9, seconds * 1.1):
        clock.now = 100 + moment
        await ask(client)
        counts.append(len(transport.asked))

    assert [1, 1, 2] == counts


async def test_a_secret_created_a_moment_ago_is_found() -> None:
    """An absence is not remembered at all."""
    transport = Objects()
    client = ClusterClient(transport, clock=Clock())
    before = await secret_of(client)
    transport.table[A_SECRET] = a_secret()

    assert (None, "acr") == (before, getattr(await secret_of(client), "name", None))


async def test_an_absence_read_before_the_call_does_not_count() -> None:
    """A call that joins a question under way asks again when that one finds nothing."""
    transport = Objects(gate=asyncio.Event())
    client = ClusterClient(transport, clock=Clock())
    first = asyncio.create_task(secret_of(client))
    await steps()
    transport.table[A_SECRET] = a_secret()
    others = [asyncio.create_task(secret_of(client)) for _ in range(50)]
    await steps()
    assert transport.gate is not None
    transport.gate.set()
    found = await asyncio.gather(first, *others)

    assert [None] + ["acr"] * 50 == [getattr(each, "name", None) for each in found]
    assert [A_SECRET] * 2 == transport.asked


async def test_fresh_reads_again_and_renews_what_is_remembered() -> None:
    """A Secret that was mended a moment ago is seen by whoever is about to refuse."""
    transport = Objects({A_SECRET: a_secret(b"old")})
    client = ClusterClient(transport, clock=Clock())
    await secret_of(client)
    transport.table[A_SECRET] = a_secret(b"new")
    answers = [await secret_of(client), await secret_of(client, fresh=True)]
    answers.append(await secret_of(client))

    assert [b"old", b"new", b"new"] == [
        each.data[".dockerconfigjson"] for each in answers if isinstance(each, Secret)
    ]


async def test_fresh_forgets_what_is_gone() -> None:
    """After an absence was seen the remembered Secret is not given out again."""
    transport = Objects({A_SECRET: a_secret()})
    client = ClusterClient(transport, clock=Clock())
    await secret_of(client)
    transport.table.clear()

    assert [None, None] == [await secret_of(client, fresh=True), await secret_of(client)]


async def test_fresh_does_not_join_a_question_from_before_the_call() -> None:
    """What was asked before is not an answer about now, even when something was found."""
    transport = Objects({A_SECRET: a_secret(b"old")}, gate=asyncio.Event())
    client = ClusterClient(transport, clock=Clock())
    first = asyncio.create_task(secret_of(client))
    await steps()
    transport.table[A_SECRET] = a_secret(b"new")
    second = asyncio.create_task(secret_of(client, fresh=True))
    await steps()
    assert transport.gate is not None
    transport.gate.set()
    found = await asyncio.gather(first, second)

    assert [b"old", b"new"] == [
        each.data[".dockerconfigjson"] for each in found if isinstance(each, Secret)
    ]


async def test_a_burst_asks_once() -> None:
    """Five hundred callers at once share one question."""
    transport = Objects({A_SECRET: a_secret()})
    client = ClusterClient(transport, clock=Clock())
    found = await asyncio.gather(*(secret_of(client) for _ in range(500)))

    assert {"acr"} == {getattr(each, "name", None) for each in found}
    assert [A_SECRET] == transport.asked


async def test_semantics_15_the_deadline_ends_the_wait_but_not_the_work() -> None:
    """A caller gives up at its deadline, and the next one finds what was fetched for it."""
    transport = Objects({A_SECRET: a_secret()}, gate=asyncio.Event())
    client = ClusterClient(transport, clock=Clock())
    with pytest.raises(DeadlineExceeded) as late:
        await client.get_secret("shop", "acr", deadline=Deadline.after(0.01))
    assert transport.gate is not None
    transport.gate.set()
    await steps()
    await secret_of(client)

    assert 'secret "acr" in namespace "shop" was not read in time' == str(late.value)
    assert [A_SECRET] == transport.asked


async def test_a_caller_who_leaves_does_not_end_the_work_of_others() -> None:
    """Cancelling the first of two callers leaves the second with its answer."""
    transport = Objects({A_SECRET: a_secret()}, gate=asyncio.Event())
    client = ClusterClient(transport, clock=Clock())
    first = asyncio.create_task(secret_of(client))
    second = asyncio.create_task(secret_of(client))
    await steps()
    first.cancel()
    assert transport.gate is not None
    transport.gate.set()

    assert "acr" == getattr(await second, "name", None)


async def test_a_fault_reaches_every_caller_and_is_not_remembered() -> None:
    """The next call after a fault asks again."""
    transport = Objects({A_SECRET: ClusterUnavailable("down")})
    client = ClusterClient(transport, clock=Clock())
    faults = await asyncio.gather(secret_of(client), secret_of(client), return_exceptions=True)
    transport.table[A_SECRET] = a_secret()

    assert ["down", "down"] == [str(fault) for fault in faults]
    assert "acr" == getattr(await secret_of(client), "name", None)


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "../../configmaps/x", "UPPER", "a b", "a?x=1", "a\n", "x" * 254]
)
async def test_what_cannot_be_a_name_is_absent_without_being_asked_for(name: str) -> None:
    """A name written in a Pod cannot turn the question into one about something else."""
    transport = Objects()
    client = ClusterClient(transport)
    answers = [
        await client.get_namespace(name, deadline=soon()),
        await client.get_service_account("shop", name, deadline=soon()),
        await client.get_secret("shop", name, deadline=soon()),
        await client.get_service_account(name, "default", deadline=soon()),
        await client.get_secret(name, "acr", deadline=soon()),
        await client.get_config_map("shop", name, deadline=soon()),
        await client.get_config_map(name, "root", deadline=soon()),
    ]

    assert ([None] * 7, []) == (answers, transport.asked)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "the object: Invalid JSON: EOF while parsing an object at line 1 column 1"),
        (b"[]", "the object: Input should be an object"),
        ({"metadata": {}}, "metadata.name: Field required"),
        (
            {"metadata": {"name": "acr"}, "data": {"k": "hunter2!"}},
            'data["k"]: not base64, which is wanted',
        ),
        (
            {"metadata": {"name": "acr"}, "data": {"k": {"hunter2": 1}}},
            "data.k: Input should be a valid string",
        ),
    ],
)
async def test_an_answer_of_another_form_is_a_fault_that_shows_nothing(
    content: object, problem: str
) -> None:
    """The message names the field, and nothing of the content is in the error or its causes."""
    client = ClusterClient(Objects({A_SECRET: content}))
    with pytest.raises(ClusterUnavailable) as fault:
        await secret_of(client)
    causes: list[str] = []
    error: BaseException | None = fault.value
    while error is not None:
        causes.append(f"{error} {error!r}")
        error = error.__cause__

    assert f'secret "acr" in namespace "shop" cannot be understood: {problem}' == str(fault.value)
    assert [] == [text for text in causes if "hunter2" in text]


def test_a_secret_shows_no_entry() -> None:
    """Representations, which end in logs, leave the entries out."""
    secret = Secret("shop", "acr", A_TYPE, {"k": b"hunter2"})

    assert (
        "Secret(namespace='shop', name='acr', type='kubernetes.io/dockerconfigjson', "
        "resource_version='')" == repr(secret)
    )


async def test_memory_is_bounded_in_bytes() -> None:
    """Twenty Secrets of a megabyte do not stay all at once; one that is too large never does."""
    transport = Objects()
    client = ClusterClient(transport, clock=Clock())
    names = [f"s{number}" for number in range(20)]
    for name in names:
        key = ObjectKey(Resource.SECRETS, "shop", name)
        transport.table[key] = a_secret(bytes(1_000_000), name)
    huge = ObjectKey(Resource.SECRETS, "shop", "huge")
    transport.table[huge] = a_secret(bytes(REMEMBERED_MAX_BYTES), "huge")
    for name in [*names, "huge", "huge", names[-1], names[0]]:
        await secret_of(client, name=name)

    assert [*names, "huge", "huge", "s0"] == [key.name for key in transport.asked]


async def test_a_flood_of_names_is_told_to_come_back() -> None:
    """No more than a fixed number of questions wait; the next one is undecided with a retry."""
    transport = Objects(gate=asyncio.Event())
    client = ClusterClient(transport)
    waiting = [
        asyncio.create_task(secret_of(client, name=f"s{number}")) for number in range(WAITING_MAX)
    ]
    await steps(3)
    with pytest.raises(DeadlineExceeded) as refused:
        await secret_of(client)
    await client.close()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert (
        f'secret "acr" in namespace "shop" was not read: {WAITING_MAX} others are waiting'
        == str(refused.value)
    )


async def test_close_ends_what_is_under_way() -> None:
    """Nothing is left waiting, and the transport is closed."""
    transport = Objects(gate=asyncio.Event())
    client = ClusterClient(transport)
    waiting = asyncio.create_task(secret_of(client))
    await steps()
    await client.close()
    await asyncio.wait([waiting])

    assert (True, True) == (waiting.cancelled(), transport.is_closed)


async def test_semantics_08_a_missing_namespace_is_not_one_without_labels() -> None:
    """A namespace that is not there leaves its labels unknown."""
    labels = NamespaceLabels(ClusterClient(Objects()))
    with pytest.raises(ClusterUnavailable) as fault:
        await labels.namespace_labels("shop", deadline=soon())

    assert 'namespace "shop" does not exist, so its labels are unknown' == str(fault.value)


async def test_the_name_label_is_always_the_name() -> None:
    """Whatever an object claims, the label that names the namespace is its name."""
    claimed = {"kubernetes.io/metadata.name": "kube-system", "env": "x"}
    key = ObjectKey(Resource.NAMESPACES, "", "shop")
    transport = Objects({key: {"metadata": {"name": "shop", "labels": claimed}}})
    labels = await NamespaceLabels(ClusterClient(transport)).namespace_labels(
        "shop", deadline=soon()
    )

    assert {"kubernetes.io/metadata.name": "shop", "env": "x"} == labels
