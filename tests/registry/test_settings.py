"""What the admin says about single registries; each field does something."""

from pathlib import Path
from typing import Any

import pytest

from landwaiter.errors import InvalidInput
from landwaiter.registry.hosts import api_host
from landwaiter.registry.settings import HostSettings, RegistriesFile, RegistrySettings


def load(*registries: Any, folder: Path = Path("/nowhere")) -> RegistrySettings:  # noqa: ANN401
    return RegistriesFile.of({"registries": list(registries)}).settings(folder)


def test_every_field_of_the_file_is_used(tmp_path: Path) -> None:
    """Host, plain HTTP, CA file and realms all arrive in the settings."""
    (tmp_path / "ca.pem").touch()
    loaded = load(
        {"host": "A.Example:5000", "plainHTTP": True},
        {
            "host": "b.example",
            "caFile": "ca.pem",
            "tokenRealms": ["Login.Example:443", "l.example:1"],
        },
        {"host": "c.example"},
        folder=tmp_path,
    )

    assert {
        "a.example:5000": HostSettings(plain_http=True),
        "b.example": HostSettings(
            ca_file=tmp_path / "ca.pem", realms=("login.example", "l.example:1")
        ),
        "c.example": HostSettings(),
    } == dict(loaded.hosts)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "the document: None"),
        ([], "the document: []"),
        ({}, "the document: {} does not do, Value error, registries, mirrors or nodeCredentials"),
        ({"registries": [], "more": 1}, "more: 1"),
        ({"registries": [{}]}, "registries[0].host: {}"),
        ({"registries": [{"host": "a.example", "plainHttp": True}]}, "registries[0].plainHttp: "),
        ({"registries": [{"host": "a.example", "plainHTTP": "yes"}]}, "registries[0].plainHTTP: "),
        ({"registries": [{"host": "*.example"}]}, "registries[0].host: '*.example'"),
        ({"registries": [{"host": "a.example/team"}]}, "registries[0].host: 'a.example/team'"),
        ({"registries": [{"host": "https://a.example"}]}, "registries[0].host: 'https://"),
        ({"registries": [{"host": "a.example:123456"}]}, "registries[0].host: "),
        ({"registries": [{"host": "a.example\n"}]}, "registries[0].host: "),
        ({"registries": [{"host": ""}]}, "registries[0].host: ''"),
        (
            {"registries": [{"host": "a.example", "tokenRealms": ["https://b.example/token"]}]},
            "registries[0].tokenRealms[0]: 'https://b.example/token'",
        ),
        ({"registries": [{"host": f"h{n}.example"} for n in range(1001)]}, "registries: "),
    ],
)
def test_a_wrong_file_names_field_and_value(document: object, message: str) -> None:
    """An error names the field and what was seen there."""
    with pytest.raises(InvalidInput) as caught:
        RegistriesFile.of(document)

    assert str(caught.value).startswith(f"registries: {message}")


@pytest.mark.parametrize("again", ["a.example", "A.Example", "a.example:443"])
def test_a_host_is_named_once(again: str) -> None:
    """Two entries for one host, however spelled, are a mistake."""
    with pytest.raises(InvalidInput) as caught:
        load({"host": "a.example"}, {"host": again})

    assert f"registries[1].host: {again!r} is named twice, once is wanted" == str(caught.value)


def test_a_ca_file_has_to_be_there(tmp_path: Path) -> None:
    """A CA file that is not there is told when the file is loaded."""
    with pytest.raises(InvalidInput) as caught:
        load({"host": "a.example", "caFile": "ca.pem"}, folder=tmp_path)

    assert f"registries[0].caFile: there is no file '{tmp_path}/ca.pem'" == str(caught.value)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("a.example", True),
        ("A.EXAMPLE", True),
        ("a.example:443", True),
        ("a.example:5000", False),
        ("a.example:80", False),
        ("b.a.example", False),
        ("a.example.evil.example", False),
        ("docker.io", True),
        ("index.docker.io", True),
        ("registry-1.docker.io", True),
        ("plain.example", True),
        ("plain.example:80", True),
        ("[::1]:5000", True),
    ],
)
def test_semantics_11_a_host_is_named_exactly(host: str, named: bool) -> None:  # noqa: FBT001
    """Only the host and port that the admin wrote are named, in any case of letters."""
    settings = load(
        {"host": "a.example"},
        {"host": "docker.io"},
        {"host": "plain.example", "plainHTTP": True},
        {"host": "[::1]:5000"},
    )

    assert named == settings.names(host)


def test_docker_hub_has_one_api() -> None:
    """All names of Docker Hub lead to the host that serves its API."""
    assert {"registry-1.docker.io"} == {
        api_host(name) for name in ("docker.io", "index.docker.io", "Registry-1.docker.io:443")
    }


def test_credentials_of_nodes_are_kept_as_they_are_written() -> None:
    """They need no registry beside them, and name none."""
    loaded = RegistriesFile.of({"nodeCredentials": ["*.example.com/team"]}).settings(Path())

    assert RegistrySettings({}, node_credentials=("*.example.com/team",)) == loaded


@pytest.mark.parametrize("given", ["", "https://a.example", "a example", 5])
def test_an_image_of_nodes_that_the_kubelet_would_not_take_is_refused(given: object) -> None:
    """A typo is told when the file is loaded."""
    with pytest.raises(InvalidInput) as caught:
        RegistriesFile.of({"nodeCredentials": [given]})

    assert str(caught.value).startswith(f"registries: nodeCredentials[0]: {given!r} does not do")
