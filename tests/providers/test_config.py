"""The kubelet's `CredentialProviderConfig`, read and refused as the kubelet does."""

from pathlib import Path
from typing import Any

import pytest

from landwaiter.errors import InvalidInput
from landwaiter.images.reference import ImageReference
from landwaiter.providers.config import CredentialProviderConfig, Provider
from landwaiter.providers.durations import seconds_of
from landwaiter.providers.programs import Program
from providers.a_plugin import API, NAME, a_config, a_plugin, an_entry, providers

SECRET = "hunter2"


def test_every_field_of_the_file_is_used(tmp_path: Path) -> None:
    """Names, patterns, durations, versions, arguments and variables all arrive."""
    one, two = (a_plugin(tmp_path, "", name=name) for name in (NAME, "two"))
    found = providers(
        tmp_path,
        an_entry(
            ["*.azurecr.io", "a.example/team"],
            cache="1h30m",
            args=["get", "-v"],
            env=[{"name": "A", "value": "b=c"}],
        ),
        an_entry(["gcr.io"], name="two", cache="0s") | {"apiVersion": f"{API}beta1"},
    )

    assert (
        Provider(
            Program(f'the credential provider "{NAME}"', one, ("get", "-v"), {"A": "b=c"}),
            ("*.azurecr.io", "a.example/team"),
            5400.0,
            API,
        ),
        Provider(Program('the credential provider "two"', two), ("gcr.io",), 0.0, f"{API}beta1"),
    ) == found


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("1.dkr.ecr.eu-west-1.amazonaws.com/team/app", True),
        ("1.dkr.ecr.eu-west-1.amazonaws.com.evil/team/app", False),
        ("evil.example/1.dkr.ecr.eu-west-1.amazonaws.com/app", False),
        ("2.1.dkr.ecr.eu-west-1.amazonaws.com/app", False),
        ("1.dkr.ecr.eu-west-1.amazonaws.com:5000/app", False),
        ("a.example:5000/team/app", True),
        ("a.example:5000/team-other/app", True),
        ("a.example:5000/te/app", False),
        ("a.example/team/app", False),
    ],
)
def test_images_are_covered_as_the_kubelet_covers_them(
    tmp_path: Path, name: str, *, covered: bool
) -> None:
    """Host parts are globbed one by one, ports are equal, and a path is a plain prefix."""
    a_plugin(tmp_path, "")
    patterns = ["*.dkr.ecr.*.amazonaws.com", "a.example:5000/team"]
    (provider,) = providers(tmp_path, an_entry(patterns))

    assert covered == provider.coverage().covers(ImageReference.parse(name))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, "providers.0.name"),
        ({"name": "."}, "providers.0.name"),
        ({"name": ".."}, "providers.0.name"),
        ({"name": "a/b"}, "providers.0.name"),
        ({"name": "../b"}, "providers.0.name"),
        ({"name": "a b"}, "providers.0.name"),
        ({"name": "a\0b"}, "providers.0.name"),
        ({"matchImages": []}, "providers.0.matchImages"),
        ({"matchImages": ["https://a.example"]}, "providers.0.matchImages.0"),
        ({"matchImages": [":%"]}, "providers.0.matchImages.0"),
        ({"defaultCacheDuration": None}, "providers.0.defaultCacheDuration"),
        ({"defaultCacheDuration": "-1s"}, "providers.0.defaultCacheDuration"),
        ({"defaultCacheDuration": "1d"}, "providers.0.defaultCacheDuration"),
        ({"defaultCacheDuration": 60}, "providers.0.defaultCacheDuration"),
        ({"apiVersion": "v1"}, "providers.0.apiVersion"),
        ({"args": [f"{SECRET}\0"]}, "providers.0.args.0"),
        ({"env": [{"name": "A=B", "value": SECRET}]}, "providers.0.env.0.name"),
        ({"env": [{"name": "A", "value": f"{SECRET}\0"}]}, "providers.0.env.0.value"),
        ({"env": [{"name": "A"}]}, "providers.0.env.0.value"),
        ({"tokenAttributes": {"serviceAccountTokenAudience": "a"}}, "providers.0.tokenAttributes"),
        ({"more": SECRET}, "providers.0.more"),
    ],
)
def test_a_wrong_entry_names_the_field_and_quotes_nothing(
    change: dict[str, Any], path: str
) -> None:
    """Arguments and variables may be secrets."""
    with pytest.raises(InvalidInput) as caught:
        CredentialProviderConfig.of(a_config(an_entry(["a.example"]) | change))

    assert (True, False) == (str(caught.value).startswith(f"{path}: "), SECRET in str(caught.value))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        a_config(),
        a_config(an_entry(["a.example"])) | {"kind": "KubeletConfiguration"},
        a_config(an_entry(["a.example"])) | {"apiVersion": "kubelet.config.k8s.io/v2"},
        a_config(an_entry(["a.example"])) | {"more": 1},
    ],
)
def test_what_is_no_such_file_is_refused(document: object) -> None:
    """A file that would do nothing does not load, as for the kubelet."""
    with pytest.raises(InvalidInput):
        CredentialProviderConfig.of(document)


def test_service_account_tokens_are_refused_with_the_reason() -> None:
    """A plugin that wants one would be asked in vain."""
    entry = an_entry(["a.example"], tokenAttributes={"serviceAccountTokenAudience": "a"})
    with pytest.raises(InvalidInput) as caught:
        CredentialProviderConfig.of(a_config(entry))

    assert (
        "providers.0.tokenAttributes: Value error, not supported: its tokens are bound to a Pod, "
        "and while an image is judged there is none"
    ) == str(caught.value)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    """Two plugins of one name are a mistake."""
    a_plugin(tmp_path, "")
    with pytest.raises(InvalidInput) as caught:
        providers(tmp_path, an_entry(["a.example"]), an_entry(["b.example"]))

    assert f'the provider "{NAME}" given twice, once is wanted' == str(caught.value)


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_program_has_to_be_there_and_to_be_one(tmp_path: Path, mode: int | None) -> None:
    """What cannot be run is told at the start, and not at the first Pod."""
    if mode is not None:
        a_plugin(tmp_path, "").chmod(mode)
    with pytest.raises(InvalidInput) as caught:
        providers(tmp_path, an_entry(["a.example"]))

    assert f'"{tmp_path / NAME}" is wanted, a program that can be run' == str(caught.value)


def test_what_may_be_secret_is_not_shown(tmp_path: Path) -> None:
    """Neither arguments nor variables stand in what is printed of a provider."""
    a_plugin(tmp_path, "")
    entry = an_entry(["a.example"], args=[SECRET], env=[{"name": "A", "value": SECRET}])

    assert SECRET not in repr(providers(tmp_path, entry))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("12h", 43_200.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("+2m", 120.0),
        ("-2m", -120.0),
        ("100ms", 0.1),
        ("3us", 3e-6),
        ("3\N{MICRO SIGN}s", 3e-6),
        ("3\N{GREEK SMALL LETTER MU}s", 3e-6),
        ("5ns", 5e-9),
        ("2562047h", 9_223_369_200.0),
    ],
)
def test_durations_are_those_of_go(text: str, seconds: float) -> None:
    """What Go's parser takes is taken, with its value."""
    assert pytest.approx(seconds) == seconds_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "s",
        "1d",
        "1 h",
        "h1",
        "1h 1m",
        "--1s",
        "1e3s",
        "1_0s",
        "2562048h",
        "٣s",
        "9" * 70 + "s",
    ],
)
def test_what_go_does_not_take_is_refused(text: str) -> None:
    """The message says what is wanted."""
    with pytest.raises(ValueError, match='a duration is wanted, such as "12h" or "90s"'):
        seconds_of(text)
