"""Reviews as bytes, and how each kind of nonsense is named."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from admission.builders import A_UID, a_body, a_deployment, a_pod, a_review
from landwaiter.admission.review import (
    AdmissionRequest,
    ObjectKind,
    PodCreation,
    Request,
    UserInfo,
    decode,
)
from landwaiter.errors import InvalidReview
from landwaiter.workloads.podspec import Pod


def changed(**fields: object) -> bytes:
    return json.dumps({**a_review(), **fields}).encode()


def test_only_what_is_judged_is_read() -> None:
    """Unknown fields, of which each Kubernetes release adds some, are passed over."""

    assert AdmissionRequest(
        uid=A_UID,
        kind=ObjectKind(group="apps", version="v1", kind="Deployment"),
        operation="CREATE",
        subResource="",
        name="web",
        namespace="shop",
        userInfo=UserInfo(username="alice", groups=("developers",)),
        object=a_deployment("nginx:latest"),
        oldObject=None,
        dryRun=False,
    ) == decode(a_body(anythingNew={"a": [1]}))


def test_what_the_api_server_leaves_out_has_its_default() -> None:
    """A DELETE has no object, a system request no groups, and dryRun may be null."""
    body = a_body(
        drop=["name", "namespace", "oldObject"],
        operation="DELETE",
        object=None,
        userInfo={"groups": None},
        dryRun=None,
    )
    request = decode(body)

    assert ("", "", "", None, None, UserInfo(username="", groups=None), None) == (
        request.name,
        request.namespace,
        request.sub_resource,
        request.object,
        request.old_object,
        request.user_info,
        request.dry_run,
    )


def test_a_flood_of_errors_is_read_up_to_the_first() -> None:
    """A body of millions of wrong groups took eleven seconds to list, on everybody's event loop."""
    with pytest.raises(ValidationError) as problems:
        UserInfo.model_validate({"groups": (1,) * 1000})

    assert 1 == problems.value.error_count()


def test_of_duplicate_keys_the_last_one_stands() -> None:
    """As in Go's decoder, so that both sides read the same image."""
    body = a_body().replace(b'"image": "nginx:latest"', b'"image": "a", "image": "b"')
    obj: Any = decode(body).object

    assert "b" == obj["spec"]["template"]["spec"]["containers"][0]["image"]


UID_WANTED = "1 to 128 letters, digits and ._:-"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is not one JSON document: EOF while parsing a value at line 1 column 0"),
        (b"\xff\xfe", "the body is not one JSON document: expected value at line 1 column 1"),
        (b"\xef\xbb\xbf{}", "the body is not one JSON document: expected value at line 1 column 1"),
        (b"{} {}", "the body is not one JSON document: trailing characters at line 1 column 4"),
        (
            b"[" * 100_000,
            "the body is not one JSON document: recursion limit exceeded at line 1 column 202",
        ),
        (
            b"9" * 100_000,
            "the body is not one JSON document: number out of range at line 1 column 4302",
        ),
        (
            b'{"apiVersion": "\\ud800"}',
            "the body is not one JSON document: unexpected end of hex escape at line 1 column 23",
        ),
        (b"[]", "the body: seen a list, wanted an object"),
        (b"null", "the body: seen null, wanted an object"),
        (b"{}", 'apiVersion: seen nothing, wanted "admission.k8s.io/v1"'),
        (
            changed(apiVersion="admission.k8s.io/v1beta1"),
            'apiVersion: seen "admission.k8s.io/v1beta1", wanted "admission.k8s.io/v1"',
        ),
        (
            changed(kind="ConversionReview"),
            'kind: seen "ConversionReview", wanted "AdmissionReview"',
        ),
        (changed(request=None), "request: seen null, wanted an object"),
        (a_body(drop=["uid"]), f"request.uid: seen nothing, wanted {UID_WANTED}"),
        (a_body(uid=""), f'request.uid: seen "", wanted {UID_WANTED}'),
        (a_body(uid="a\nb"), f'request.uid: seen "a\\nb", wanted {UID_WANTED}'),
        (a_body(uid="a\n"), f'request.uid: seen "a\\n", wanted {UID_WANTED}'),
        (a_body(uid=7), f"request.uid: seen 7, wanted {UID_WANTED}"),
        (a_body(uid="u" * 129), f'request.uid: seen "{"u" * 60}...", wanted {UID_WANTED}'),
        (
            a_body(operation="PATCH"),
            'request.operation: seen "PATCH", wanted CREATE, UPDATE, DELETE or CONNECT',
        ),
        (a_body(kind="Pod"), 'request.kind: seen "Pod", wanted an object'),
        (a_body(object=[1]), "request.object: seen a list, wanted an object"),
        (
            a_body(object="x" * 1000),
            f'request.object: seen "{"x" * 60}...", wanted an object',
        ),
        (a_body(namespace=None), "request.namespace: seen null, wanted a valid string"),
        (a_body(dryRun="true"), 'request.dryRun: seen "true", wanted a valid boolean'),
        (
            a_body(userInfo={"groups": [1]}),
            "request.userInfo.groups.0: seen 1, wanted a valid string",
        ),
    ],
)
def test_nonsense_is_named(body: bytes, problem: str) -> None:
    """The text says the field, what was seen and what was wanted."""
    with pytest.raises(InvalidReview) as refusal:
        decode(body)

    assert problem == str(refusal.value)


def raw_body(old: str, new: str) -> bytes:
    """Return an UPDATE whose objects hold these texts, which are too deep to be written by json."""
    body = a_body(
        a_pod("nginx"),
        operation="UPDATE",
        object={**a_pod("nginx"), "metadata": {"managedFields": "NEW"}},
        oldObject={**a_pod("nginx:1"), "metadata": {"managedFields": "OLD"}},
    )
    return body.replace(b'"OLD"', old.encode()).replace(b'"NEW"', new.encode())


def images_in(obj: dict[str, Any] | Pod | None) -> list[str]:
    if isinstance(obj, Pod):
        return [str(each.image) for each in obj.spec.containers or ()]
    return [each["image"] for each in (obj or {})["spec"]["containers"]]


@pytest.mark.parametrize("depth", [150, 250, 1_000, 9_900])
def test_what_is_nested_deep_hides_no_image(depth: int) -> None:
    """The API server takes `managedFields` of any depth, from whoever wants to be passed over."""
    text = '{"f:[{":' * depth + '"]"' + "}" * depth
    request = decode(raw_body(text, f'[{{"fieldsV1":{text}}}]'))

    assert (["nginx"], ["nginx:1"]) == (images_in(request.object), images_in(request.old_object))


def test_what_is_nested_deep_is_left_out_and_nothing_else() -> None:
    """Whatever stands beside it, strings with brackets and quotes among it, is as it was."""
    beside = {"[": '}"\\', "list": [1, {"a": []}]}
    deep = {"beside": beside, "deep": "DEEP", "after": beside}
    text = json.dumps(deep).replace('"DEEP"', "[" * 300 + "]" * 300)

    request = decode(raw_body(text, "null"))

    seen = (request.old_object or {})["metadata"]["managedFields"]
    assert (beside, beside, list) == (seen["beside"], seen["after"], type(seen["deep"]))


@pytest.mark.parametrize(
    "text",
    ["[" * 7_000_000, '"' + '\\"' * 3_000_000, "[]," * 2_000_000 + "[]", '{"a":' * 1_000_000],
)
def test_a_flood_of_nesting_is_refused_in_a_moment(text: str) -> None:
    """A body as large as may be takes no longer than any other, whatever its brackets do."""
    begun = time.process_time()

    with pytest.raises(InvalidReview):
        decode(b'{"a":[' + b"[" * 300 + b'"",' + text.encode())
    assert 2.0 > time.process_time() - begun


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)


def decoded_or_refused(body: bytes) -> type[Request | InvalidReview]:
    try:
        return type(decode(body))
    except InvalidReview as refusal:
        str(refusal).encode()
        return InvalidReview


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    """The decoder raises nothing but its own error."""

    assert decoded_or_refused(body) is InvalidReview


@given(
    st.dictionaries(
        st.sampled_from(sorted(a_review()["request"])) | st.text(max_size=5),
        json_values,
        max_size=6,
    )
)
@settings(deadline=None, max_examples=300)
def test_any_request_is_decoded_or_refused(fields: dict[str, Any]) -> None:
    """Whatever its fields hold, and however deep, nothing but its own error is raised."""
    body = a_body(**fields)

    assert decoded_or_refused(body) in {AdmissionRequest, PodCreation, InvalidReview}


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_a_damaged_review_is_decoded_or_refused(data: st.DataObject) -> None:
    """A few bytes changed anywhere in a good review do no harm."""
    body = bytearray(a_body())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    assert decoded_or_refused(bytes(body)) in {AdmissionRequest, PodCreation, InvalidReview}
