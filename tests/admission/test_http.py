"""What is refused before it is a review, with whole answers."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from admission.builders import A_UID, FixedJudge, JudgesAnew, a_body, a_finding, a_verdict
from admission.calling import JSON, HTTPAnswer, an_application, ask
from landwaiter.admission.http import CALLER_IS_API_SERVER, MEBIBYTE, RequestLimits
from landwaiter.policy.case import Case, Side
from landwaiter.rules.verdict import Verdict

ALLOWED = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "response": {"uid": A_UID, "allowed": True},
}


def refusal(status: int, text: str, **headers: str) -> HTTPAnswer:
    told = {"status": "Failure", "message": text, "code": status}
    body = json.dumps(
        {"apiVersion": "v1", "kind": "Status", "metadata": {}, **told}, separators=(",", ":")
    ).encode()
    return HTTPAnswer(
        status,
        {
            "connection": "close",
            **{name.replace("_", "-"): value for name, value in headers.items()},
            "content-length": str(len(body)),
            "content-type": "application/json",
        },
        body,
    )


async def test_a_review_is_answered() -> None:
    """HTTP 200 and JSON, and the connection stays."""
    answer = await ask(an_application(), a_body())

    assert (200, {"content-length", "content-type"}, "application/json", ALLOWED) == (
        answer.status,
        set(answer.headers),
        answer.headers["content-type"],
        json.loads(answer.body),
    )


async def test_a_refusal_is_http_200_too() -> None:
    """The code of a refused object is in the review, not in the HTTP status."""
    answer = await ask(an_application(FixedJudge(a_verdict(a_finding()))), a_body())

    assert (200, 403) == (answer.status, json.loads(answer.body)["response"]["status"]["code"])


@pytest.mark.parametrize(
    ("path", "side"), [("/validate", Side.ENFORCE), ("/observe", Side.OBSERVE)]
)
async def test_semantics_18_each_path_is_a_side(path: str, side: Side) -> None:
    """What denies is asked on /validate, what warns or audits on /observe."""
    judge = FixedJudge()
    await ask(an_application(judge), a_body(), path=path)

    assert [side] == [asked for _, asked in judge.asked]


@pytest.mark.parametrize(
    ("state", "allowed"),
    [({CALLER_IS_API_SERVER: True}, True), ({}, False), ({CALLER_IS_API_SERVER: "yes"}, False)],
)
async def test_semantics_20_only_serving_can_vouch_for_the_caller(
    state: dict[str, object], *, allowed: bool
) -> None:
    """Credentials are used only where the listener has seen the API server's certificate."""
    judge = FixedJudge()
    await ask(
        an_application(judge),
        a_body(),
        state=state,
        headers={**JSON, CALLER_IS_API_SERVER: "true"},
    )

    assert [allowed] == [case.credentials_allowed for case, _ in judge.asked]


async def test_a_body_in_pieces_is_put_together() -> None:
    """As it comes over a slow line."""
    body = a_body()
    answer = await ask(an_application(), [body[:7], b"", body[7:]])

    assert ALLOWED == json.loads(answer.body)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"]
)
async def test_json_content_types_are_taken(content_type: str) -> None:
    """Parameters and case do not matter."""
    answer = await ask(an_application(), a_body(), headers={"content-type": content_type})

    assert 200 == answer.status


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, "Content-Type: seen '', wanted application/json"),
        (
            {"content-type": "text/plain"},
            "Content-Type: seen 'text/plain', wanted application/json",
        ),
        (
            {"content-type": "application/json-patch"},
            "Content-Type: seen 'application/json-patch', wanted application/json",
        ),
        (
            {"content-type": "application/vnd.kubernetes.protobuf"},
            "Content-Type: seen 'application/vnd.kubernetes.protobuf', wanted application/json",
        ),
        ({**JSON, "content-encoding": "gzip"}, "Content-Encoding: seen 'gzip', wanted none"),
    ],
)
async def test_other_content_is_refused(headers: dict[str, str], text: str) -> None:
    """415, with what was seen and what is wanted."""

    assert refusal(415, text) == await ask(an_application(), a_body(), headers=headers)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            b"",
            "the body is not one JSON document: EOF while parsing a value at line 1 column 0",
        ),
        (
            b'{"apiVersion": "admission.k8s.io/v1beta1"}',
            'apiVersion: seen "admission.k8s.io/v1beta1", wanted "admission.k8s.io/v1"',
        ),
        (
            b"[" * 1000,
            "the body is not one JSON document: recursion limit exceeded at line 1 column 202",
        ),
        (b"\x00" * 100, "the body is not one JSON document: expected value at line 1 column 1"),
    ],
)
async def test_what_is_no_review_is_refused(body: bytes, text: str) -> None:
    """400, with the field that is wrong."""

    assert refusal(400, text) == await ask(an_application(), body)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("timeout=soon", "?timeout='soon': wanted one Go duration, such as 10s"),
        ("timeout=", "?timeout='': wanted one Go duration, such as 10s"),
        ("timeout=1s&timeout=2s", "?timeout= is given 2 times, wanted once"),
    ],
)
async def test_a_junk_timeout_is_refused(query: str, text: str) -> None:
    """400: a deadline that cannot be understood is no deadline."""

    assert refusal(400, text) == await ask(an_application(), a_body(), query=query)


@pytest.mark.parametrize("query", ["&".join(f"f{n}=" for n in range(2000)), "%", "%ff=%00&\xff"])
async def test_a_query_of_other_things_is_passed_over(query: str) -> None:
    """However much of it there is, and whatever it holds."""

    assert 200 == (await ask(an_application(), a_body(), query=query)).status


async def test_semantics_15_the_timeout_of_the_request_is_the_deadline() -> None:
    """
    What the API server says is passed on to the judge, each time less the same margin.

    The second arrives later, on a busy machine by seconds.
    """
    judge = FixedJudge()
    application = an_application(judge)
    await ask(application, a_body(), query="timeout=30s")
    await ask(application, a_body(), query="timeout=5s")
    far, near = (case.deadline.at for case, _ in judge.asked)

    assert pytest.approx(25, abs=5) == far - near


TOO_LARGE = refusal(413, f"the body has more than {7 * MEBIBYTE} bytes")


async def test_8_mib_are_refused_unread() -> None:
    """What says that it is too large is not read at all."""

    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError
        yield b""

    headers = {**JSON, "content-length": str(8 * MEBIBYTE)}

    assert TOO_LARGE == await ask(an_application(), unread(), headers=headers)


async def test_an_endless_body_is_refused_when_it_is_too_large() -> None:
    """A body that does not say its length is read up to the cap."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += MEBIBYTE
            yield b" " * MEBIBYTE

    answer = await ask(an_application(), endless())

    assert (TOO_LARGE, 8 * MEBIBYTE) == (answer, sent)


async def test_the_largest_body_is_taken() -> None:
    """7 MiB are not too large."""
    body = a_body()

    assert 200 == (await ask(an_application(), body + b" " * (7 * MEBIBYTE - len(body)))).status


async def test_a_slow_body_is_refused() -> None:
    """A body that does not arrive within its time is given up."""

    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    application = an_application(limits=RequestLimits(body_seconds=0.05))
    answer = await ask(application, stuck())

    assert (refusal(408, "the body did not arrive within 0.05 s"), 0.0) == (
        answer,
        application.counted("landwaiter_body_bytes_held"),
    )


@pytest.mark.parametrize(("is_whole", "status"), [(True, 200), (False, 408)])
async def test_a_body_that_is_there_is_not_timed(is_whole: bool, status: int) -> None:  # noqa: FBT001
    """A timer that cannot run out would be set and stopped for every review."""
    application = an_application(limits=RequestLimits(body_seconds=0.0))

    assert status == (await ask(application, [a_body()], is_whole=is_whole)).status


class Waiting(JudgesAnew):
    """A judge that says when it was asked, and waits to be let go."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def judge(self, case: Case, side: Side) -> Verdict:
        self.asked.set()
        await self.let_go.wait()
        return Verdict()


OVERLOADED = refusal(503, "too many reviews at once, try again in a moment", retry_after="1")


async def test_too_many_requests_are_asked_to_come_again() -> None:
    """The API server's client heeds Retry-After and posts the review again by itself."""
    judge = Waiting()
    application = an_application(judge, limits=RequestLimits(requests=1))
    first = asyncio.create_task(ask(application, a_body()))
    await judge.asked.wait()
    second = await ask(application, a_body())
    judge.let_go.set()

    assert (OVERLOADED, 200, 200) == (
        second,
        (await first).status,
        (await ask(application, a_body())).status,
    )


async def test_slow_bodies_take_no_places() -> None:
    """A place is taken when there is something to judge."""
    never = asyncio.Event()
    begun = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield b"{"
        begun.set()
        await never.wait()

    application = an_application(limits=RequestLimits(requests=1))
    slow = asyncio.create_task(ask(application, half()))
    await begun.wait()
    answer = await ask(application, a_body())
    never.set()

    assert (200, 400) == (answer.status, (await slow).status)


async def test_too_many_bytes_are_asked_to_come_again() -> None:
    """Bodies that are being read share one budget of memory."""
    limits = RequestLimits(bytes_held=100)
    never = asyncio.Event()
    begun = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield b"x" * 90
        begun.set()
        await never.wait()

    application = an_application(limits=limits)
    first = asyncio.create_task(ask(application, half()))
    await begun.wait()
    second = await ask(application, b"x" * 20)
    held = application.counted("landwaiter_body_bytes_held")
    never.set()
    await first

    assert (OVERLOADED, 90.0, 0.0) == (
        second,
        held,
        application.counted("landwaiter_body_bytes_held"),
    )


async def test_each_refusal_is_counted_by_its_reason() -> None:
    """And nothing is left in flight."""
    application = an_application(limits=RequestLimits(body_bytes=10))
    await ask(application, b"x")
    await ask(application, b"x" * 11)
    await ask(application, b"x", headers={})
    await ask(application, b"x", query="timeout=x")
    reasons = ("not a review", "too large", "content type", "timeout parameter", "too slow")

    assert ([1.0, 1.0, 1.0, 1.0, 0.0], 0.0) == (
        [application.counted("landwaiter_http_refusals_total", reason=each) for each in reasons],
        application.counted("landwaiter_requests_in_flight"),
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/validate", 405),
        ("PUT", "/observe", 405),
        ("POST", "/", 404),
        ("POST", "/validate/", 404),
        ("GET", "/docs", 404),
        ("GET", "/redoc", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/metrics", 404),
    ],
)
async def test_nothing_else_is_served(method: str, path: str, status: int) -> None:
    """No page about the application, and no second spelling of a path."""

    assert status == (await ask(an_application(), method=method, path=path)).status


async def test_a_bug_behind_the_route_shows_no_traceback() -> None:
    """The review is answered with its uid and a sentence, with nothing of the error in it."""
    answer = await ask(an_application(FixedJudge(RuntimeError("inner secret"))), a_body())
    response = json.loads(answer.body)["response"]

    assert (200, A_UID, False, False) == (
        answer.status,
        response["uid"],
        response["allowed"],
        b"inner secret" in answer.body,
    )
