"""How the content of a pull secret is read, and which faults break the kubelet's keyring."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.errors import InvalidDockerConfig
from landwaiter.registry.credentials import Credential
from landwaiter.registry.docker_config import (
    MAX_CONFIG_BYTES,
    credentials_of_secret,
    parse_docker_config,
)
from registry.clients import BOUNDED

JSON_TYPE = "kubernetes.io/dockerconfigjson"
OLD_TYPE = "kubernetes.io/dockercfg"
R = "registry.example.com"


def auth(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(entry: object) -> bytes:
    return json.dumps({"auths": {R: entry}}).encode()


@pytest.mark.parametrize(
    ("entry", "username", "password", "identity_token"),
    [
        ({"auth": auth("ann:pw")}, "ann", "pw", ""),
        ({"auth": auth("ann:p:w:")}, "ann", "p:w:", ""),
        ({"auth": auth(":")}, "", "", ""),
        ({"auth": auth("ann:pw").rstrip("=")}, "ann", "pw", ""),
        ({"auth": "YW5u\r\nOnB3\n"}, "ann", "pw", ""),
        ({"username": "ann", "password": "pw"}, "ann", "pw", ""),
        ({"username": "bob", "password": "no", "auth": auth("ann:pw")}, "ann", "pw", ""),
        ({"username": "ann", "password": "pw", "auth": ""}, "ann", "pw", ""),
        ({"username": "ann", "password": "pw", "auth": None}, "ann", "pw", ""),
        ({"USERNAME": "ann", "Password": "pw"}, "ann", "pw", ""),
        ({"username": "x", "Username": "ann"}, "ann", "", ""),
        ({"u\N{LATIN SMALL LETTER LONG S}ername": "ann"}, "ann", "", ""),
        ({"identitytoken": "token"}, "", "", "token"),
        ({"username": "ann", "identitytoken": "token"}, "ann", "", "token"),
        ({"identitytoken": 5}, "", "", ""),
        ({"password": "only"}, "", "only", ""),
        ({"email": "a@b.example"}, "", "", ""),
        ({"unknown": [1, 2.5, True]}, "", "", ""),
        ({}, "", "", ""),
        (None, "", "", ""),
        ({"username": "\ud800"}, "\N{REPLACEMENT CHARACTER}", "", ""),
    ],
)
def test_reads_an_entry_as_the_kubelet_does(
    entry: object, username: str, password: str, identity_token: str
) -> None:
    """An entry gives the user and password that the kubelet would send."""
    expected = (Credential(R, username, password, identity_token),)

    assert expected == parse_docker_config(JSON_TYPE, config(entry))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the document is not JSON"),
        (b"{", "the document is not JSON"),
        (b'{"auths": {}} x', "the document is not JSON"),
        (b'\xef\xbb\xbf{"auths": {}}', "the document is not JSON"),
        (b'{"auths": NaN}', "the document is not JSON"),
        (b"[" * 2_000, "the document is not JSON"),
        (
            b"[" * 200_000,
            "the document has 200000 members and items, at most 3000 are read",
        ),
        (b"5", "the document is a number, a JSON object is wanted"),
        (b'{"auths": {"a": []}}', "entry 1 of `auths` is a list, a JSON object is wanted"),
        (b"[]", "the document is a list, a JSON object is wanted"),
        (b'"text"', "the document is a string, a JSON object is wanted"),
        (b'{"auths": []}', "`auths` is a list, a JSON object is wanted"),
        (b'{"auths": true}', "`auths` is true or false, a JSON object is wanted"),
        (b'{"HttpHeaders": 1}', "`HttpHeaders` is a number, a JSON object is wanted"),
        (b'{"httpheaders": {"a": 1}}', "`HttpHeaders` has a value that is not a string"),
        (config("x"), "entry 1 of `auths` is a string, a JSON object is wanted"),
        (
            config({"username": 1}),
            "`username` in entry 1 of `auths` is a number, a string is wanted",
        ),
        (
            config({"email": {}}),
            "`email` in entry 1 of `auths` is a JSON object, a string is wanted",
        ),
        (config({"auth": "?"}), "`auth` in entry 1 of `auths` is not base64"),
        (config({"auth": "YW5uOnB3 "}), "`auth` in entry 1 of `auths` is not base64"),
        (config({"auth": "YW5u="}), "`auth` in entry 1 of `auths` is not base64"),
        (config({"auth": "YW5uO"}), "`auth` in entry 1 of `auths` is not base64"),
        (config({"auth": "YW5uOnB3===="}), "`auth` in entry 1 of `auths` is not base64"),
        (
            config({"auth": auth("no colon")}),
            "`auth` in entry 1 of `auths` is not base64 of `user:password`",
        ),
        (
            b" " * (MAX_CONFIG_BYTES + 1),
            "the document has 1048577 bytes, at most 1048576 are accepted",
        ),
    ],
)
def test_a_fault_that_breaks_the_keyring_is_named(content: bytes, message: str) -> None:
    """What fails the kubelet's keyring raises an error that names the kind of fault."""
    with pytest.raises(InvalidDockerConfig) as caught:
        parse_docker_config(JSON_TYPE, content)

    assert message == str(caught.value)


def test_one_malformed_auth_breaks_the_whole_keyring() -> None:
    """A Secret with one good and one malformed entry gives nothing, as in the kubelet."""
    content = json.dumps({"auths": {R: {"auth": auth("a:b")}, "x.example": {"auth": "?"}}}).encode()

    with pytest.raises(InvalidDockerConfig) as caught:
        parse_docker_config(JSON_TYPE, content)

    assert "`auth` in entry 2 of `auths` is not base64" == str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        config({"auth": "hunter2hunter2?"}),
        config({"auth": auth("hunter2")}),
        config({"username": ["hunter2"]}),
        json.dumps({"auths": {"u:hunter2@r.example": 1}}).encode(),
        b'{"auths": {"hunter2"',
    ],
)
def test_an_error_never_quotes_the_content(content: bytes) -> None:
    """Neither the message of an error nor what it was raised from holds the content."""
    with pytest.raises(InvalidDockerConfig) as caught:
        parse_docker_config(JSON_TYPE, content)

    assert (False, None, None) == (
        "hunter2" in repr(caught.value),
        caught.value.__cause__,
        caught.value.__context__,
    )


def test_the_old_type_has_no_auths() -> None:
    """A `dockercfg` is the map of entries itself."""
    content = json.dumps({R: {"auth": auth("ann:pw")}, "auths": {}}).encode()

    assert (Credential(R, "ann", "pw"), Credential("auths", "", "")) == parse_docker_config(
        OLD_TYPE, content
    )


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (b'{"auths": {"a": {}, "b": {}}}', ["a", "b"]),
        (b'{"AUTHS": {"a": {}}}', ["a"]),
        (b'{"auths": {"a": {}}, "auths": {"b": {}}}', ["a", "b"]),
        (b'{"auths": {"a": {}}, "auths": null}', []),
        (b'{"auths": null}', []),
        (b'{"HttpHeaders": null, "auths": {"a": null}}', ["a"]),
        (b'{"HttpHeaders": {"x": "y", "z": null}, "auths": {"a": null}}', ["a"]),
        (b"null", []),
        (b"{}", []),
        (b'{"credsStore": "x", "credHelpers": {"a": "b"}}', []),
        (b'{"auths": {"a": {}}, "n": 1' + b"0" * 5000 + b"}", ["a"]),
    ],
)
def test_reads_the_map_as_go_does(content: bytes, keys: list[str]) -> None:
    """The entries of `auths` come in the order written, repeated members as Go merges them."""
    assert keys == [credential.key for credential in parse_docker_config(JSON_TYPE, content)]


def test_the_last_of_two_entries_with_one_key_wins() -> None:
    """A key that is repeated has the last entry's user."""
    content = b'{"auths": {"a": {"username": "first"}, "a": {"username": "last"}}}'

    assert (Credential("a", "last", ""),) == parse_docker_config(JSON_TYPE, content)


@pytest.mark.parametrize(
    ("secret_type", "content"),
    [
        ("Opaque", {".dockerconfigjson": config({"username": "ann"})}),
        (JSON_TYPE, {}),
        (JSON_TYPE, {".dockerconfigjson": b""}),
        (JSON_TYPE, {".dockercfg": b"not read"}),
        (OLD_TYPE, {".dockerconfigjson": b"not read"}),
    ],
)
def test_the_kubelet_skips_other_secrets(secret_type: str, content: dict[str, bytes]) -> None:
    """A Secret of another type, or without its key, has no credentials and no fault."""
    assert () == credentials_of_secret(secret_type, content)


@pytest.mark.parametrize(
    ("secret_type", "key"), [(JSON_TYPE, ".dockerconfigjson"), (OLD_TYPE, ".dockercfg")]
)
def test_reads_a_secret_of_each_type(secret_type: str, key: str) -> None:
    """Each of the two types is read from its own key."""
    entries = {R: {"username": "ann"}}
    content = json.dumps({"auths": entries} if secret_type == JSON_TYPE else entries).encode()

    assert (Credential(R, "ann", ""),) == credentials_of_secret(secret_type, {key: content})


def test_the_old_type_has_to_be_a_map() -> None:
    """A `dockercfg` that is no JSON object breaks the keyring; null is an empty one."""
    with pytest.raises(InvalidDockerConfig) as caught:
        parse_docker_config(OLD_TYPE, b"[]")

    assert ("the document is a list, a JSON object is wanted", ()) == (
        str(caught.value),
        parse_docker_config(OLD_TYPE, b"null"),
    )


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["auths", "Auth", "auth", "username", "password", "HttpHeaders", R]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(BOUNDED, max_examples=400)
@given(
    st.sampled_from([JSON_TYPE, OLD_TYPE]),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60),
)
def test_fuzz_never_raises_anything_else(secret_type: str, content: bytes) -> None:
    """Whatever bytes a Secret holds, they raise `InvalidDockerConfig` or become proper text."""
    try:
        credentials = parse_docker_config(secret_type, content)
    except InvalidDockerConfig:
        credentials = ()

    text = "".join(each.key + each.username + each.password for each in credentials)

    assert text == text.encode().decode()
