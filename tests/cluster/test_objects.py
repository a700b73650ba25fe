"""What is sent for each kind of reading and writing, and what becomes of the answers."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from landwaiter.cluster.listing import PAGE_OBJECTS, ListExpired
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiAnswer, ApiRequest, ApiResource
from landwaiter.cluster.transport import AnswerTooLarge
from landwaiter.errors import ClusterConflict, ClusterUnavailable

CONFIG_MAPS = ApiResource("", "v1", "configmaps")
POLICIES = ApiResource("landwaiter.dev", "v1alpha1", "clusterimagepolicies", namespaced=False)
A_MAP = {"metadata": {"name": "set", "namespace": "lw", "resourceVersion": "7"}, "data": {}}
A_PATH = "/api/v1/namespaces/lw/configmaps"


@dataclass
class Server:
    """Answers in turn, and notes what it was asked."""

    answers: list[ApiAnswer | Exception]
    asked: list[ApiRequest] = field(default_factory=list)

    async def send(self, request: ApiRequest) -> ApiAnswer:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(content: object, status: int = 200) -> ApiAnswer:
    return ApiAnswer(status, json.dumps(content).encode())


def a_page(*names: str, version: str = "12", more: str = "") -> ApiAnswer:
    items = [{"metadata": {"name": name}} for name in names]
    return answer({"metadata": {"resourceVersion": version, "continue": more}, "items": items})


Call = Callable[[ClusterObjects], Awaitable[Any]]


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        (
            lambda o: o.get(CONFIG_MAPS, "set", namespace="lw"),
            ("GET", f"{A_PATH}/set", "get", (), None, "application/json"),
        ),
        (
            lambda o: o.create(CONFIG_MAPS, A_MAP),
            ("POST", A_PATH, "create", (), A_MAP, "application/json"),
        ),
        (
            lambda o: o.replace(CONFIG_MAPS, A_MAP),
            ("PUT", f"{A_PATH}/set", "update", (), A_MAP, "application/json"),
        ),
        (
            lambda o: o.merge(POLICIES, "p", {"status": {}}, subresource="status"),
            (
                "PATCH",
                "/apis/landwaiter.dev/v1alpha1/clusterimagepolicies/p/status",
                "patch",
                (),
                {"status": {}},
                "application/merge-patch+json",
            ),
        ),
        (
            lambda o: o.apply(CONFIG_MAPS, A_MAP),
            (
                "PATCH",
                f"{A_PATH}/set",
                "patch",
                (("fieldManager", "landwaiter"), ("force", "true")),
                A_MAP,
                "application/apply-patch+yaml",
            ),
        ),
        (
            lambda o: o.delete(CONFIG_MAPS, "set", namespace="lw", uid="u-1", version="7"),
            (
                "DELETE",
                f"{A_PATH}/set",
                "delete",
                (),
                {"preconditions": {"uid": "u-1", "resourceVersion": "7"}},
                "application/json",
            ),
        ),
        (
            lambda o: o.delete(CONFIG_MAPS, "set", namespace="lw", uid="u-1"),
            (
                "DELETE",
                f"{A_PATH}/set",
                "delete",
                (),
                {"preconditions": {"uid": "u-1"}},
                "application/json",
            ),
        ),
    ],
)
async def test_each_call_sends_its_request(call: Call, sent: tuple[Any, ...]) -> None:
    """Method, path, verb, query and body are those of the Kubernetes API."""
    server = Server([answer(A_MAP)])

    await call(ClusterObjects(server))

    asked = server.asked[0]
    assert [sent] == [
        (asked.method, asked.path, asked.verb, asked.query, asked.body, asked.content_type)
    ]


@pytest.mark.parametrize(
    ("call", "nothing"),
    [
        (lambda o: o.get(CONFIG_MAPS, "set", namespace="lw"), None),
        (lambda o: o.merge(CONFIG_MAPS, "set", {}, namespace="lw"), None),
        (lambda o: o.delete(CONFIG_MAPS, "set", namespace="lw"), False),
    ],
)
async def test_an_object_that_is_not_there_is_no_fault(call: Call, nothing: object) -> None:
    """404 is an answer."""
    assert nothing == await call(ClusterObjects(Server([answer({}, 404)])))


async def test_who_comes_second_is_told_so() -> None:
    """409 is a conflict of its own, so that nothing is overwritten unseen."""
    with pytest.raises(ClusterConflict) as conflict:
        await ClusterObjects(Server([answer({}, 409)])).replace(CONFIG_MAPS, A_MAP)

    assert 'configmaps "set" in namespace "lw" was written by somebody else meanwhile' == str(
        conflict.value
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            answer({}, 403),
            (
                'Landwaiter may not write configmaps "set" in namespace "lw": its ServiceAccount '
                'needs the verb "update" on "configmaps"'
            ),
        ),
        (
            answer({"message": "data is bad"}, 422),
            (
                'configmaps "set" in namespace "lw" could not be written: '
                "the Kubernetes API answered 422: data is bad"
            ),
        ),
        (
            answer({"message": "secret detail"}, 500),
            (
                'configmaps "set" in namespace "lw" could not be written: '
                "the Kubernetes API answered 500"
            ),
        ),
        (
            ApiAnswer(200, b"[" * 100_000),
            'configmaps "set" in namespace "lw" cannot be understood: no JSON',
        ),
        (
            answer([1]),
            'configmaps "set" in namespace "lw" cannot be understood: no object',
        ),
    ],
)
async def test_other_answers_say_what_is_wrong(given: ApiAnswer, problem: str) -> None:
    """A missing right names the verb; a document that is refused is told the reason."""
    with pytest.raises(ClusterUnavailable) as fault:
        await ClusterObjects(Server([given])).replace(CONFIG_MAPS, A_MAP)

    assert problem == str(fault.value)


async def test_what_is_said_against_a_secret_is_not_told() -> None:
    """It might quote what is in it."""
    server = Server([answer({"message": "data: hunter2"}, 422)])
    with pytest.raises(ClusterUnavailable) as fault:
        await ClusterObjects(server).replace(ApiResource("", "v1", "secrets"), A_MAP)

    assert (
        'secrets "set" in namespace "lw" could not be written: the Kubernetes API answered 422'
    ) == str(fault.value)


async def names_of(server: Server, selector: str = "") -> list[list[str]]:
    pages = ClusterObjects(server).pages(CONFIG_MAPS, selector=selector)
    return [[each["metadata"]["name"] for each in page] async for page in pages]


async def test_a_list_is_read_page_by_page() -> None:
    """Each page is asked for with what the page before gave, and all with the selector."""
    server = Server([a_page("a", "b", more="next"), a_page("c")])

    names = await names_of(server, "app=web")

    first = (("limit", str(PAGE_OBJECTS)), ("labelSelector", "app=web"))
    assert [["a", "b"], ["c"]] == names
    assert [first, (*first, ("continue", "next"))] == [each.query for each in server.asked]


async def test_a_page_that_is_too_large_is_asked_for_in_halves() -> None:
    """Whoever makes objects as large as may be does not keep others from being listed."""
    server = Server([AnswerTooLarge("x"), AnswerTooLarge("x"), a_page("a")])

    assert [["a"]] == await names_of(server)
    assert [500, 250, 125] == [int(dict(each.query)["limit"]) for each in server.asked]


async def test_one_object_that_is_too_large_ends_a_list() -> None:
    """The halving ends at one."""
    server = Server([AnswerTooLarge("x")] * 20)
    with pytest.raises(AnswerTooLarge):
        await names_of(server)

    assert "1" == dict(server.asked[-1].query)["limit"]


async def test_a_list_that_took_too_long_says_so() -> None:
    """410 asks for a new beginning."""
    with pytest.raises(ListExpired):
        await names_of(Server([a_page("a", more="x"), answer({}, 410)]))


@pytest.mark.parametrize("content", [{}, [], {"metadata": 1, "items": []}, None])
async def test_what_is_no_list_is_a_fault(content: object) -> None:
    """A list without items or version is not taken for an empty one."""
    with pytest.raises(ClusterUnavailable, match="it is no list"):
        await names_of(Server([answer(content)]))
