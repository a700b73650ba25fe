"""Pull secrets as the kubelet's own code reads them: keys, order of trial, and broken entries."""

import base64
import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.errors import InvalidDockerConfig, InvalidReference
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import matching_keys
from landwaiter.registry.docker_config import SECRET_KEYS, credentials_of_secret
from landwaiter.registry.keychain import Keychain
from realparts.install import ensure
from realparts.processes import run
from registry.clients import BOUNDED
from registry.keyring_rows import HUB, ROWS

JSON_TYPE, OLD_TYPE = SECRET_KEYS
SECONDS = 60.0


class Case(NamedTuple):
    """Secrets, each a type and its content, and the image to pull with them."""

    secrets: tuple[tuple[str, bytes], ...]
    image: ImageReference

    def question(self) -> dict[str, Any]:
        secrets = [
            {"type": kind, "data": {SECRET_KEYS[kind]: base64.b64encode(content).decode()}}
            for kind, content in self.secrets
        ]
        return {"secrets": secrets, "image": f"{self.image.registry}/{self.image.repository}"}

    def ours(self) -> dict[str, Any]:
        """Return what Landwaiter answers, in the words of the kubelet's code."""
        try:
            found = [
                credentials_of_secret(kind, {SECRET_KEYS[kind]: content})
                for kind, content in self.secrets
            ]
        except InvalidDockerConfig:
            return {"logins": [], "broken": True}
        candidates = Keychain.of_secrets(found).candidates(self.image)
        return {"logins": [[c.username, c.password] for c in candidates], "broken": False}


def kubelets_answers(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Return what the kubelet's code says of each case."""
    answers = run(
        [ensure(["keyring"])["keyring"]],
        environment={"PATH": os.defpath},
        timeout_seconds=SECONDS,
        stdin="".join(json.dumps(case.question()) + "\n" for case in cases),
    )
    return [json.loads(line) for line in answers.stdout.splitlines()]


def config(auths: object) -> bytes:
    return json.dumps({"auths": auths}).encode()


def test_every_row_of_the_table_is_what_the_kubelet_does() -> None:
    """Exactly the keys of a row are tried, in its order, whichever Secrets they are in."""
    cases = [
        Case(
            tuple((JSON_TYPE, config({key: {"username": f"{at}"}})) for at, key in enumerate(keys)),
            ImageReference.parse(image),
        )
        for keys, image, _ in ROWS
    ]
    answers = kubelets_answers(cases)
    tried = [
        [keys[int(user)] for user, _ in answer["logins"]]
        for (keys, _, _), answer in zip(ROWS, answers, strict=True)
    ]

    assert [expected for _, _, expected in ROWS] == tried
    assert len(ROWS) >= 150


LABELS = st.sampled_from(["a", "b", "ab", "example", "com", "io", "*", "a*", "*b", "**", "A"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PORTS = st.sampled_from(["", "", "", ":5000", ":443", ":", ":x"])
PATHS = st.sampled_from(
    ["", "", "/", "/v1/", "/v2/", "/v1", "/a", "/a/b", "/ab", "/v1/a", "/v2/a/", "//", "/%61", "/*"]
)
SCHEMES = st.sampled_from(["", "", "https://", "http://", "HTTPS://", "user:pw@", "//"])
KEYS = st.one_of(
    st.sampled_from([HUB, "docker.io", "index.docker.io", "[::1]:5000", "", "#", "?", "%zz"]),
    st.builds(lambda *parts: "".join(parts), SCHEMES, HOSTS, PORTS, PATHS),
    st.text(alphabet="ab.*:/[]%@#?-é", max_size=12),
)
IMAGE_NAMES = st.builds(
    lambda host, port, path: f"{host}{port}/{path}",
    st.lists(
        st.sampled_from(["a", "b", "ab", "example", "com", "io", "A"]), min_size=1, max_size=4
    ).map(".".join),
    st.sampled_from(["", "", ":5000", ":443"]),
    st.sampled_from(["a", "a/b", "ab", "a/b/c", "v1/a"]),
)


def parsed(name: str) -> ImageReference | None:
    try:
        return ImageReference.parse(name)
    except InvalidReference:
        return None


@settings(BOUNDED, max_examples=30)
@given(
    st.lists(
        st.tuples(st.lists(KEYS, max_size=5, unique=True), IMAGE_NAMES), min_size=100, max_size=100
    )
)
def test_any_keys_are_tried_as_the_kubelet_tries_them(pairs: list[tuple[list[str], str]]) -> None:
    """Whatever the keys and the image, ours and the kubelet's answers are the same."""
    named = [(keys, image) for keys, name in pairs if (image := parsed(name)) is not None]
    cases = [
        Case(
            tuple((JSON_TYPE, config({key: {"username": f"{at}"}})) for at, key in enumerate(keys)),
            image,
        )
        for keys, image in named
    ]
    theirs = [
        [keys[int(user)] for user, _ in answer["logins"]]
        for (keys, _), answer in zip(named, kubelets_answers(cases), strict=True)
    ]

    assert theirs == [matching_keys(keys, image) for keys, image in named]


IMAGE = ImageReference.parse("r.example.com/team/app:1")
ENTRIES: list[object] = [
    None,
    {},
    [],
    5,
    "text",
    {"username": "ann", "password": "pw"},
    {"username": "ann"},
    {"password": "pw"},
    {"username": 5},
    {"username": None},
    {"USERNAME": "ann", "Password": "pw"},
    {"auth": base64.b64encode(b"ann:pw").decode()},
    {"auth": base64.b64encode(b"ann:p:w").decode()},
    {"auth": base64.b64encode(b"ann:pw").decode().rstrip("=")},
    {"auth": base64.b64encode(b"ann").decode()},
    {"auth": base64.urlsafe_b64encode(b"ann:\xff\xfe?").decode()},
    {"auth": "!"},
    {"auth": ""},
    {"auth": "YW5u\nOnB3"},
    {"auth": "YW5uOnB3=="},
    {"auth": base64.b64encode(b"ann:pw").decode(), "username": "bob", "password": "no"},
    {"auth": 5},
    {"identitytoken": "t"},
    {"identitytoken": 5},
    {"email": 5},
    {"email": "a@b.example", "username": "ann"},
    {"unknown": [1]},
]
DOCUMENTS = [
    b"{",
    b"[]",
    b"null",
    b"5",
    b'{"auths": null}',
    b'{"auths": []}',
    b'{"AUTHS": {"r.example.com": {"username": "ann"}}}',
    b'{"auths": {}, "credHelpers": {"r.example.com": "x"}}',
    b'{"auths": {}, "HttpHeaders": {"a": 5}}',
    b'{"auths": {}} x',
    b"\xef\xbb\xbf{}",
]


@pytest.mark.parametrize("kind", SECRET_KEYS)
def test_broken_entries_break_what_they_break_for_the_kubelet(kind: str) -> None:
    """Each is read, passed over, or fails the keyring for every image, as by the kubelet."""
    good = (JSON_TYPE, config({"r.example.com": {"username": "good", "password": "pw"}}))
    entries = [{"r.example.com": entry} for entry in ENTRIES]
    contents = [json.dumps(e if kind == OLD_TYPE else {"auths": e}).encode() for e in entries]
    cases = [Case(((kind, content), good), IMAGE) for content in (*contents, *DOCUMENTS)]

    assert kubelets_answers(cases) == [case.ours() for case in cases]


def test_several_secrets_are_one_keyring_for_the_kubelet() -> None:
    """Entries of one key keep the order of their Secrets, and longer keys come before all."""

    def secret(user: str, *keys: str) -> tuple[str, bytes]:
        return JSON_TYPE, config({key: {"username": user, "password": key} for key in keys})

    cases = [
        Case((secret("a", "r.example.com"), secret("b", "r.example.com")), IMAGE),
        Case((secret("b", "r.example.com"), secret("a", "r.example.com")), IMAGE),
        Case((secret("a", "r.example.com"), secret("b", "r.example.com/team")), IMAGE),
        Case((secret("a", "*.example.com/team"), secret("b", "r.example.com")), IMAGE),
        Case((secret("a", "https://r.example.com"), secret("b", "r.example.com/v2/")), IMAGE),
    ]

    assert kubelets_answers(cases) == [case.ours() for case in cases]
