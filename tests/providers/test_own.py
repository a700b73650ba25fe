"""The install's own docker config: what is written in it, and the helpers that it names."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from landwaiter.deadline import Deadline
from landwaiter.errors import InvalidInput
from landwaiter.images.reference import ImageReference
from landwaiter.providers.asking import Warn, silently
from landwaiter.providers.docker_file import read_docker_file
from landwaiter.providers.own import HELPER_SECONDS, OwnCredentials, OwnFiles
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import Given
from providers.a_plugin import Clock, a_helper, asked

SECRET = "hunter2"
HUB = "https://index.docker.io/v1/"
PRINT = 'print(json.dumps({"ServerURL": asked, "Username": "u", "Secret": asked}))'
HELPER = "docker-credential-example"


def written(folder: Path, content: Mapping[str, Any] | str) -> Path:
    file = folder / "config.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


@asynccontextmanager
async def own(
    folder: Path,
    content: Mapping[str, Any],
    *,
    clock: Clock | None = None,
    warn: Warn = silently,
) -> AsyncIterator[OwnCredentials]:
    files = OwnFiles(written(folder, content), folder, {"GIVEN": "x"})
    credentials = OwnCredentials(files, clock=clock or Clock(), warn=warn)
    try:
        yield credentials
    finally:
        await credentials.close()


async def given(credentials: OwnCredentials, name: str) -> Given:
    return await credentials.given(ImageReference.parse(name), deadline=Deadline.after(30))


def login(name: str, word: str = "w") -> dict[str, str]:
    return {"username": name, "password": word}


async def test_what_is_written_is_tried_as_the_kubelet_tries_it(tmp_path: Path) -> None:
    """Longer keys first; an entry with nothing in it is a mark of `docker login`, and no login."""
    auths = {"a.example": login("host"), "a.example/team": login("path"), "*.example": {}}
    async with own(tmp_path, {"auths": auths}) as credentials:
        found = await given(credentials, "a.example/team/app")
        other = await given(credentials, "b.example/team/app")

    assert (["path", "host"], Given()) == ([each.username for each in found.credentials], other)


@pytest.mark.parametrize(
    ("content", "image", "server"),
    [
        ({"credHelpers": {"a.example:5000": "example"}}, "a.example:5000/app", "a.example:5000"),
        ({"credHelpers": {"A.example": "example"}}, "a.example:443/app", "A.example"),
        ({"credHelpers": {"a.example": "example"}}, "b.example/app", None),
        ({"credHelpers": {"a.example": "example"}}, "a.example.evil/app", None),
        ({"credHelpers": {HUB: "example"}}, "nginx", HUB),
        ({"credHelpers": {"docker.io": "example"}}, "nginx", "docker.io"),
        ({"credsStore": "example", "auths": {"a.example": {}}}, "a.example/app", "a.example"),
        ({"credsStore": "example", "auths": {"a.example": {}}}, "b.example/app", None),
        ({"credsStore": "example"}, "a.example/app", None),
        (
            {"credsStore": "other", "credHelpers": {"a.example": "example"}},
            "a.example/app",
            "a.example",
        ),
        (
            {"credsStore": "example", "credHelpers": {"a.example": ""}, "auths": {"a.example": {}}},
            "a.example/app",
            None,
        ),
    ],
)
async def test_a_helper_is_asked_about_its_registries_alone(
    tmp_path: Path, content: dict[str, Any], image: str, server: str | None
) -> None:
    """It reads the key as the config has it, and what it gives is tried."""
    a_helper(tmp_path, PRINT)
    async with own(tmp_path, content) as credentials:
        found = await given(credentials, image)
    expected = Given() if server is None else Given((Credential(server, "u", server),))

    assert (expected, [server] if server else []) == (found, asked(tmp_path, HELPER))


async def test_a_helper_comes_before_what_is_written(tmp_path: Path) -> None:
    """For Docker it takes the place of what is written; here that is tried too."""
    a_helper(tmp_path, PRINT)
    content = {
        "auths": {"a.example": login("written")},
        "credHelpers": {"a.example": "example"},
    }
    async with own(tmp_path, content) as credentials:
        found = await given(credentials, "a.example/app")

    assert ["u", "written"] == [each.username for each in found.credentials]


async def test_a_helper_is_called_as_docker_calls_it(tmp_path: Path) -> None:
    """With the verb `get`, and the variables that the install gives it."""
    a_helper(
        tmp_path,
        'print(json.dumps({"Username": sys.argv[1], "Secret": os.environ["GIVEN"]}))',
    )
    async with own(tmp_path, {"credHelpers": {"a.example": "example"}}) as credentials:
        found = await given(credentials, "a.example/app")

    assert Given((Credential("a.example", "get", "x"),)) == found


async def test_a_helper_may_give_an_identity_token(tmp_path: Path) -> None:
    """It then has `<token>` for a user name."""
    a_helper(tmp_path, 'print(json.dumps({"Username": "<token>", "Secret": "t"}))')
    async with own(tmp_path, {"credHelpers": {"a.example": "example"}}) as credentials:
        found = await given(credentials, "a.example/app")

    assert Given((Credential("a.example", "", "", "t"),)) == found


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('print("credentials not found in native keychain"); sys.exit(1)', None),
        (f'print("{SECRET}"); sys.exit(1)', "ended with exit status 1"),
        (f'print("{SECRET}")', "did not answer with a JSON object"),
        (
            f'print(json.dumps({{"Secret": "{SECRET}"}}))',
            "did not answer with a user name and a secret",
        ),
        (
            'print(\'{"Username": "u", "Secret": "\\\\ud800"}\')',
            "did not answer with a user name and a secret",
        ),
        (
            "while True: sys.stdout.write('x' * 65536)",
            "printed more than 262144 bytes and was ended",
        ),
    ],
)
async def test_what_a_helper_does_wrong_is_told_without_its_words(
    tmp_path: Path, body: str, fault: str | None
) -> None:
    """That it has none is an answer and no fault; what is written is tried in any case."""
    a_helper(tmp_path, body)
    content = {
        "auths": {"a.example": login("written")},
        "credHelpers": {"a.example": "example"},
    }
    async with own(tmp_path, content) as credentials:
        found = await given(credentials, "a.example/app")
    expected = None if fault is None else f'the credential helper "example" {fault}'

    assert Given((Credential("a.example", "written", "w"),), expected) == found


async def test_an_answer_is_remembered(tmp_path: Path) -> None:
    """Protocol and config say nothing of for how long."""
    a_helper(tmp_path, PRINT)
    clock = Clock()
    runs = []
    async with own(tmp_path, {"credHelpers": {"a.example": "example"}}, clock=clock) as credentials:
        for after in (0, HELPER_SECONDS - 1, 2):
            clock.now += after
            await given(credentials, "a.example/app")
            runs.append(len(asked(tmp_path, HELPER)))

    assert [1, 1, 2] == runs


async def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """So that a rotated password counts; what does not load leaves the last good one."""
    found: list[str] = []
    warned: list[str] = []
    async with own(
        tmp_path, {"auths": {"a.example": login("one")}}, warn=warned.append
    ) as credentials:
        for content in (None, {"auths": {"a.example": login("two")}}, "{", "gone"):
            if content == "gone":
                (tmp_path / "config.json").unlink()
            elif content is not None:
                file = written(tmp_path, content)
                os.utime(file, ns=(0, len(found)))
            found.append((await given(credentials, "a.example/app")).credentials[0].username)

    problems = ("the document is not JSON", "No such file or directory")
    file = tmp_path / "config.json"

    assert (
        ["one", "two", "two", "two"],
        [f"{file}: {problem}; the last good one stays" for problem in problems],
    ) == (found, warned)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (f"{SECRET}", "the document is not JSON"),
        (
            {"auths": {"a.example": {"auth": "aHVudGVyMg=="}}},
            "`auth` in entry 1 of `auths` is not base64 of `user:password`",
        ),
        (
            {"credsStore": f"../{SECRET}"},
            "`credsStore`: names of programs docker-credential-NAME are wanted",
        ),
        (
            {"credHelpers": {"a.example": f"/{SECRET}"}},
            "`credHelpers`: names of programs docker-credential-NAME are wanted",
        ),
        (
            {"credHelpers": [SECRET]},
            "`credHelpers`: names of programs docker-credential-NAME are wanted",
        ),
    ],
)
def test_a_wrong_file_says_what_is_wrong_and_quotes_nothing(
    tmp_path: Path, content: dict[str, Any] | str, problem: str
) -> None:
    """It is told at the start."""
    file = written(tmp_path, content)
    with pytest.raises(InvalidInput) as caught:
        read_docker_file(file)

    assert f"{file}: {problem}" == str(caught.value)


@pytest.mark.parametrize("has_folder", [True, False])
def test_the_program_of_a_helper_has_to_be_there(tmp_path: Path, *, has_folder: bool) -> None:
    """It stands in the install's folder of programs, and PATH is not searched."""
    file = written(tmp_path, {"credHelpers": {"a.example": "example"}})
    with pytest.raises(InvalidInput) as caught:
        OwnCredentials(OwnFiles(file, tmp_path if has_folder else None))
    wanted = (
        f'"{tmp_path / HELPER}" is wanted, a program that can be run'
        if has_folder
        else "credential helpers are named, so --image-credential-provider-bin-dir is wanted"
    )

    assert wanted == str(caught.value)
