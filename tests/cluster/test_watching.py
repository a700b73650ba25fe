"""How a watch goes on whatever becomes of its connections."""

import asyncio
import json
import queue
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import tenacity

from landwaiter.cluster import following
from landwaiter.cluster.following import Watched
from landwaiter.cluster.listing import Content
from landwaiter.cluster.requests import ApiAnswer, ApiRequest, ApiResource
from landwaiter.cluster.transport import AnswerTooLarge, Stream
from landwaiter.cluster.watching import Watch
from landwaiter.errors import ClusterUnavailable

ACCOUNTS = ApiResource("", "v1", "serviceaccounts")
END = None


@dataclass
class Script:
    """One stream: a status, and lines that the test adds until `END`."""

    status: int = 200
    lines_given: "queue.SimpleQueue[bytes | Exception | None]" = field(
        default_factory=queue.SimpleQueue
    )

    def say(self, kind: str, content: object) -> None:
        self.lines_given.put(json.dumps({"type": kind, "object": content}).encode())

    def lines(self) -> Iterator[bytes]:
        while (line := self.lines_given.get(timeout=10)) is not None:
            if isinstance(line, Exception):
                raise line
            yield line

    def shutdown(self) -> None:
        self.lines_given.put(END)


@dataclass
class Server:
    """A `WatchSource` with lists and streams prepared; what it lacks it waits for."""

    lists: "queue.SimpleQueue[ApiAnswer | Exception]" = field(default_factory=queue.SimpleQueue)
    streams: "queue.SimpleQueue[Script | Exception]" = field(default_factory=queue.SimpleQueue)
    asked: list[ApiRequest] = field(default_factory=list)
    is_over: bool = False

    def end(self) -> None:
        """Fail whatever is asked from now on, or is being waited for."""
        self.is_over = True
        self.streams.put(ClusterUnavailable("the test is over"))
        self.lists.put(ClusterUnavailable("the test is over"))

    def send_blocking(self, request: ApiRequest) -> ApiAnswer:
        if self.is_over:
            raise ClusterUnavailable("the test is over")
        self.asked.append(request)
        answer = self.lists.get(timeout=10)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @contextmanager
    def stream(self, request: ApiRequest, *, read_seconds: float) -> Iterator[Stream]:
        assert following.SILENCE_SECONDS == read_seconds
        if self.is_over:
            raise ClusterUnavailable("the test is over")
        self.asked.append(request)
        script = self.streams.get(timeout=10)
        if isinstance(script, Exception):
            raise script
        yield cast("Stream", script)

    def versions(self) -> list[str]:
        """Return from which version each watch was asked for, "list" for a list."""
        return [dict(each.query).get("resourceVersion", "list") for each in self.asked]


def an_account(name: str, version: str = "2", secret: str = "acr") -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": name, "resourceVersion": version}
    return {"metadata": metadata, "secret": secret}


def a_list(*items: dict[str, Any], version: str = "1", more: str = "") -> ApiAnswer:
    metadata = {"resourceVersion": version, "continue": more}
    return ApiAnswer(200, json.dumps({"metadata": metadata, "items": items}).encode())


def secret_of(content: Content) -> str:
    if content["secret"] == "bad":
        raise ValueError("secret: bad")
    return str(content["secret"])


@asynccontextmanager
async def watching(
    server: Server,
    changed: Callable[[], None] | None = None,
    gone: Callable[[Iterable[str]], None] = lambda _: None,
) -> AsyncIterator[Watch[str]]:
    watch = Watch(server, Watched(ACCOUNTS, secret_of), changed=changed, gone=gone)
    watch.start()
    try:
        yield watch
    finally:
        server.end()
        await watch.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # Another thread decides.
            await asyncio.sleep(0.002)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BACK_OFF_SECONDS", 0.001)
    monkeypatch.setattr(following, "BACK_OFF_MAX_SECONDS", 0.002)


async def test_all_pages_are_there_at_once_and_then_every_change() -> None:
    """Nothing is shown of a list that is half read; changes come in their order."""
    server, script = Server(), Script()
    async with watching(server) as watch:
        server.lists.put(a_list(an_account("a"), more="next"))
        await until(lambda: len(server.asked) == 2)
        half = (watch.is_synced, dict(watch.values))
        server.lists.put(a_list(an_account("b"), version="5"))
        server.streams.put(script)
        await watch.synced()
        listed = dict(watch.values)
        script.say("ADDED", an_account("c"))
        script.say("MODIFIED", an_account("a", secret="other"))
        script.say("DELETED", an_account("b"))
        await until(lambda: ("shop", "b") not in watch.values)

        assert (False, {}) == half
        assert {("shop", "a"): "acr", ("shop", "b"): "acr"} == listed
        assert {("shop", "a"): "other", ("shop", "c"): "acr"} == dict(watch.values)
        assert ["list", "list", "5"] == server.versions()


async def test_a_broken_watch_goes_on_from_where_it_was() -> None:
    """Bookmarks and events move the version; nothing is listed again."""
    server, first, second, third = Server(), Script(), Script(), Script()
    async with watching(server) as watch:
        server.lists.put(a_list(version="1"))
        for script in (first, second, third):
            server.streams.put(script)
        first.say("ADDED", an_account("a", version="3"))
        first.lines_given.put(ClusterUnavailable("reset"))
        second.say("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
        second.lines_given.put(ClusterUnavailable("silence"))
        await until(lambda: len(server.asked) == 4)

        assert ["list", "1", "3", "9"] == server.versions()
        assert {("shop", "a"): "acr"} == dict(watch.values)


@pytest.mark.parametrize("by", ["status", "event"])
async def test_a_version_that_is_gone_is_listed_anew(by: str) -> None:
    """410, as an answer or as an event, begins again; what has gone meanwhile is gone here."""
    server, gone, after = Server(), Script(status=410 if by == "status" else 200), Script()
    if by == "event":
        gone.say("ERROR", {"code": 410, "reason": "Expired"})
    async with watching(server) as watch:
        server.lists.put(a_list(an_account("a")))
        server.streams.put(gone)
        server.lists.put(a_list(an_account("b"), version="8"))
        server.streams.put(after)
        await until(lambda: ("shop", "b") in watch.values)

        assert {("shop", "b"): "acr"} == dict(watch.values)
        await until(lambda: len(server.asked) == 4)
        assert ["list", "1", "list", "8"] == server.versions()


@pytest.mark.parametrize(
    "fault",
    [
        b"no json",
        b"[]",
        b'{"type":"ADDED"}',
        b'{"type":"ADDED","object":1}',
        b'{"type":"ERROR","object":{"code":500,"reason":"InternalError"}}',
    ],
)
async def test_what_is_no_event_interrupts_the_watch(fault: bytes) -> None:
    """It is taken up again from the last version that was understood."""
    server, first, second = Server(), Script(), Script()
    first.say("ADDED", an_account("a", version="3"))
    first.lines_given.put(fault)
    async with watching(server) as watch:
        server.lists.put(a_list())
        server.streams.put(first)
        server.streams.put(second)
        second.say("ADDED", an_account("b", version="4"))
        await until(lambda: ("shop", "b") in watch.values)

        assert ["list", "1", "3"] == server.versions()


async def test_an_object_that_cannot_be_understood_is_left_out() -> None:
    """In a list and in an event; the others are there, and the one it was before is not."""
    server, script = Server(), Script()
    async with watching(server) as watch:
        server.lists.put(a_list(an_account("a"), an_account("b", secret="bad"), an_account("c")))
        server.streams.put(script)
        script.say("MODIFIED", an_account("a", secret="bad"))
        await until(lambda: ("shop", "a") not in watch.values and watch.is_synced)

        assert {("shop", "c"): "acr"} == dict(watch.values)


async def test_faults_of_the_list_are_ridden_out() -> None:
    """An API server that is away, forbids, or answers too much is asked again."""
    server = Server()
    async with watching(server) as watch:
        server.lists.put(ClusterUnavailable("away"))
        server.lists.put(ApiAnswer(403, b"{}"))
        server.lists.put(AnswerTooLarge("x"))
        server.lists.put(a_list(an_account("a")))
        server.streams.put(Script())
        await watch.synced()

        limits = [int(dict(each.query)["limit"]) for each in server.asked[:4]]
        assert ([500, 500, 500, 250], {("shop", "a"): "acr"}) == (limits, dict(watch.values))


async def test_a_server_that_ends_every_watch_at_once_is_not_hurried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each end that comes too soon waits longer than the one before."""
    waits: list[float] = []
    waited = threading.Event()

    def note(event: threading.Event) -> Callable[[float], None]:
        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 5:
                waited.set()
            event.wait(0.001)

        return sleep

    monkeypatch.setattr(tenacity, "sleep_using_event", note)
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)
    monkeypatch.setattr(following, "BACK_OFF_SECONDS", 1.0)
    monkeypatch.setattr(following, "BACK_OFF_MAX_SECONDS", 10.0)
    server = Server()
    async with watching(server):
        server.lists.put(a_list())
        for _ in range(5):
            ended = Script()
            ended.shutdown()
            server.streams.put(ended)
        await until(waited.is_set)

    assert [1.0, 2.0, 4.0, 8.0, 10.0] == waits[:5]


async def test_changes_are_told_and_bookmarks_are_not() -> None:
    """The callback runs on the event loop, once for the list and once for each change."""
    server, script, told = Server(), Script(), list[int]()
    async with watching(server, lambda: told.append(threading.get_ident())) as watch:
        server.lists.put(a_list())
        server.streams.put(script)
        script.say("BOOKMARK", {"metadata": {"resourceVersion": "2"}})
        script.say("ADDED", an_account("a"))
        await until(lambda: bool(watch.values))

    assert [threading.get_ident()] * 2 == told


async def test_what_has_gone_is_told_also_when_it_went_unheard() -> None:
    """By an event, by a list that is read anew, or because it cannot be understood any more."""
    server, script, told = Server(), Script(), list[str]()
    async with watching(server, gone=told.extend) as watch:
        server.lists.put(a_list(*(an_account(name, secret=name) for name in "abcd")))
        server.streams.put(script)
        script.say("DELETED", an_account("a"))
        script.say("DELETED", an_account("unknown"))
        script.say("MODIFIED", an_account("b", secret="bad"))
        script.say("ERROR", {"code": 410, "reason": "Expired"})
        server.lists.put(a_list(an_account("c"), an_account("e"), version="8"))
        server.streams.put(Script())
        await until(lambda: ("shop", "e") in watch.values)

    assert ["a", "b", "d"] == told


async def test_the_age_says_how_long_nothing_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """None before the first word; a bookmark counts."""
    server, script = Server(), Script()
    async with watching(server) as watch:
        before = watch.age_seconds()
        server.lists.put(a_list())
        server.streams.put(script)
        await watch.synced()

        now = watch.age_seconds()
        assert before is None
        assert now is not None
        assert now < 10


async def test_closing_ends_the_thread_in_the_middle_of_a_watch() -> None:
    """No thread is left, though its stream would have gone on."""
    server, script = Server(), Script()
    async with watching(server) as watch:
        server.lists.put(a_list())
        server.streams.put(script)
        await watch.synced()
        await until(lambda: len(server.asked) == 2)

    names = [thread.name for thread in threading.enumerate()]
    assert "watch serviceaccounts" not in names


async def test_one_object_alone_is_asked_for_by_its_name() -> None:
    """The list and the watch both say so, for the right to that object is all there is."""
    server, script = Server(), Script()
    watch = Watch(server, Watched(ACCOUNTS, secret_of, "shop", "a"))
    watch.start()
    server.lists.put(a_list(an_account("a")))
    server.streams.put(script)
    await until(lambda: len(server.asked) == 2)
    server.end()
    script.shutdown()
    await watch.close()

    assert ["metadata.name=a"] * 2 == [dict(each.query)["fieldSelector"] for each in server.asked]
    assert {("shop", "a"): "acr"} == dict(watch.values)
