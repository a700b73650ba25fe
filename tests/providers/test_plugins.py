"""Credential provider plugins: programs that are really run, and behave as badly as they can."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cosign.processes import all_end, open_descriptors, unreaped
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded
from landwaiter.images.reference import ImageReference
from landwaiter.providers import programs
from landwaiter.providers.asking import (
    FAULT_SECONDS,
    LONGEST_SECONDS,
    RUNS_AT_ONCE,
    SHORTEST_SECONDS,
    Warn,
    silently,
)
from landwaiter.providers.observer import UNOBSERVED, ProgramObserver
from landwaiter.providers.plugins import Plugins
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import Given
from providers.a_plugin import (
    API,
    NAME,
    Clock,
    a_plugin,
    an_entry,
    images_asked,
    pids_in,
    providers,
)

HOST = "1.dkr.ecr.eu-west-1.amazonaws.com"
PATTERN = "*.dkr.ecr.*.amazonaws.com"
APP = ImageReference.parse(f"{HOST}/team/app:1@sha256:{'a' * 64}")
GOOD = Credential(PATTERN, "AWS", "word")
ANSWER = f'answer({{"{PATTERN}": ("AWS", "word")}})'
SECRET = "hunter2"
HANGS = "time.sleep(600)"


@dataclass
class Observed:
    """What was told of runs."""

    runs: list[tuple[str, str, float]] = field(default_factory=list)

    def program_finished(self, kind: str, end: str, *, seconds: float) -> None:
        self.runs.append((kind, end, seconds))


@asynccontextmanager
async def running(
    folder: Path,
    *entries: dict[str, object],
    clock: Clock | None = None,
    limit: float = 20.0,
    warn: Warn = silently,
    observer: ProgramObserver = UNOBSERVED,
) -> AsyncIterator[Plugins]:
    plugins = Plugins(
        providers(folder, *(entries or (an_entry([PATTERN]),))),
        clock=clock or Clock(),
        limit_seconds=limit,
        warn=warn,
        observer=observer,
    )
    try:
        yield plugins
    finally:
        await plugins.close()


async def given(plugins: Plugins, image: ImageReference = APP) -> Given:
    return await plugins.given(image, deadline=Deadline.after(30))


async def once(folder: Path, body: str, *, limit: float = 20.0) -> Given:
    """Return what comes of asking a plugin that does this, once."""
    a_plugin(folder, body)
    async with running(folder, limit=limit) as plugins:
        return await given(plugins)


def failed(what: str) -> Given:
    return Given(fault=f'the credential provider "{NAME}" {what}')


def image(rest: str) -> ImageReference:
    return ImageReference.parse(rest)


async def test_a_plugin_is_asked_as_the_kubelet_asks(tmp_path: Path) -> None:
    """It reads the name without tag and digest, in the version that the install says."""
    body = f"""
request = json.loads(asked)
answer({{"{PATTERN}": (request["kind"] + " " + request["apiVersion"], request["image"])}})
"""

    assert Given(
        (Credential(PATTERN, f"CredentialProviderRequest {API}", f"{HOST}/team/app"),)
    ) == await once(tmp_path, body)


async def test_a_plugin_has_its_arguments_and_no_environment_but_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No shell reads the arguments, and nothing of ours is inherited."""
    monkeypatch.setenv("LANDWAITER_OURS", SECRET)
    a_plugin(
        tmp_path,
        f"""
home = os.environ.pop("HOME")
own = [os.environ.pop("TMPDIR") == home, oct(os.stat(home).st_mode)[-3:], os.listdir(home)]
os.environ.pop("LC_CTYPE", None)
answer({{"{PATTERN}": (json.dumps(sys.argv[1:]), json.dumps([dict(os.environ), own]))}})
""",
    )
    entry = an_entry([PATTERN], args=["$HOME", "a b"], env=[{"name": "AWS_REGION", "value": "x"}])
    async with running(tmp_path, entry) as plugins:
        (credential,) = (await given(plugins)).credentials
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    assert (
        ["$HOME", "a b"],
        [{"PATH": path, "AWS_REGION": "x"}, [True, "700", []]],
    ) == (json.loads(credential.username), json.loads(credential.password))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (f"print('{SECRET}'); sys.exit(3)", "ended with exit status 3"),
        ("os.kill(os.getpid(), 9)", "was ended by signal 9"),
        (f"print('{SECRET}')", "did not answer with a JSON object"),
        (f"print('[\"{SECRET}\"]')", "did not answer with a JSON object"),
        ("", "did not answer with a JSON object"),
        ("print('[' * 100000)", "did not answer with a JSON object"),
        (
            f'answer({{"a": ("b", "{SECRET}")}}, cache="Host")',
            "did not answer with a CredentialProviderResponse",
        ),
        (
            f'answer({{"a": ("b", "{SECRET}")}}, more=1)',
            "did not answer with a CredentialProviderResponse",
        ),
        (
            f'answer({{"a": ("b", "{SECRET}")}}, cacheDuration=5)',
            "did not answer with a CredentialProviderResponse",
        ),
        (
            f'answer({{"a": ("b", "{SECRET}")}}, cacheDuration="soon")',
            "did not answer with a CredentialProviderResponse",
        ),
        (
            f'answer({{"a": ("b", ["{SECRET}"])}})',
            "did not answer with a CredentialProviderResponse",
        ),
        (
            'answer({"a": ("b", "\\ud800")})',
            "did not answer with a CredentialProviderResponse",
        ),
        (
            f'answer({{"a": ("b", "{SECRET}")}}, kind="Request")',
            "did not answer with a CredentialProviderResponse",
        ),
        (
            f'answer({{"a": ("b", "{SECRET}")}}, apiVersion="v1")',
            "answered in another version than it was asked in",
        ),
    ],
)
async def test_a_wrong_answer_names_the_plugin_and_nothing_that_it_printed(
    tmp_path: Path, body: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed can be a password, so it stands in no message and in no log."""
    body = f"print('{SECRET}', file=sys.stderr)\n{body}"

    assert (failed(what), False) == (
        await once(tmp_path, body),
        SECRET in "".join(capsys.readouterr()),
    )


async def test_a_plugin_may_have_no_credentials_for_an_image(tmp_path: Path) -> None:
    """That is an answer and no fault."""
    assert Given() == await once(tmp_path, "answer({}, auth=None)")


async def test_a_plugin_that_hangs_is_ended(tmp_path: Path) -> None:
    """What it started ends with it."""
    body = "os.fork(); (folder / str(os.getpid())).touch(); time.sleep(600)"
    found = await once(tmp_path, body, limit=0.4)
    pids = pids_in(tmp_path)

    assert (failed("took longer than the limit of 0.4 s and was ended"), True, []) == (
        found,
        await all_end(pids),
        unreaped(),
    )


@pytest.mark.parametrize(
    ("body", "end"),
    [(ANSWER, "ok"), ("sys.exit(1)", "failed"), ("print('x')", "failed"), (HANGS, "timed out")],
    ids=["answers", "fails", "answers nonsense", "hangs"],
)
async def test_each_run_is_told_with_its_end(tmp_path: Path, body: str, end: str) -> None:
    """What is remembered, also of a failure, is no run."""
    a_plugin(tmp_path, body)
    observed = Observed()
    limit = 0.4 if body == HANGS else 20.0
    async with running(tmp_path, limit=limit, observer=observed) as plugins:
        for _ in range(2):
            await given(plugins)

    assert [("plugin", end, True)] == [
        (kind, each, 0 < seconds < 10) for kind, each, seconds in observed.runs
    ]


async def test_output_without_end_is_ended(tmp_path: Path) -> None:
    """It neither fills our memory nor waits for the time limit."""
    found = await once(tmp_path, "while True: sys.stdout.write('x' * 65536)")

    assert failed("printed more than 262144 bytes and was ended") == found


async def test_errors_without_end_hold_nobody(tmp_path: Path) -> None:
    """Standard error goes nowhere."""
    body = f"sys.stderr.write('x' * 10_000_000)\n{ANSWER}"

    assert Given((GOOD,)) == await once(tmp_path, body)


async def test_a_child_that_holds_the_output_ends_with_the_plugin(tmp_path: Path) -> None:
    """The plugin's own answer counts, and nobody waits for what it left behind."""
    body = f"""
if os.fork() == 0:
    (folder / str(os.getpid())).touch()
    time.sleep(600)
while not [each for each in folder.iterdir() if each.name.isdecimal()]: pass
{ANSWER}
"""
    found = await once(tmp_path, body)
    (pid,) = pids_in(tmp_path)

    assert (Given((GOOD,)), True) == (found, await all_end([pid]))


async def test_a_child_that_left_the_group_cannot_make_us_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the answer is whole is not known while somebody can still add to it."""
    monkeypatch.setattr(programs, "DRAIN_SECONDS", 0.2)
    body = f"""
if os.fork() == 0:
    os.setsid()
    (folder / str(os.getpid())).touch()
    time.sleep(600)
while not [each for each in folder.iterdir() if each.name.isdecimal()]: pass
{ANSWER}
"""
    found = await once(tmp_path, body)
    (pid,) = pids_in(tmp_path)
    os.kill(pid, signal.SIGKILL)

    assert failed("left a process behind that holds its output") == found


async def test_a_program_that_cannot_be_run_is_a_fault(tmp_path: Path) -> None:
    """It may have been removed after the start."""
    path = a_plugin(tmp_path, ANSWER)
    async with running(tmp_path) as plugins:
        path.unlink()

        assert failed("could not be run: No such file or directory") == await given(plugins)


async def test_no_plugin_is_asked_for_an_image_that_it_does_not_cover(tmp_path: Path) -> None:
    """Nothing is started for it."""
    a_plugin(tmp_path, ANSWER)
    async with running(tmp_path) as plugins:
        found = await given(plugins, image("registry.example.com/team/app"))

    assert (Given(), []) == (found, images_asked(tmp_path))


async def test_a_login_goes_to_the_images_of_its_key_only(tmp_path: Path) -> None:
    """What a plugin gives for another registry is not tried at this one."""
    body = f'answer({{"other.example.com": ("b", "w"), "{HOST}/team": ("c", "w")}})'

    assert Given((Credential(f"{HOST}/team", "c", "w"),)) == await once(tmp_path, body)


async def test_what_several_plugins_give_is_tried_as_the_kubelet_tries_it(tmp_path: Path) -> None:
    """Longer keys come first, and between equal ones the plugin that is named first."""
    a_plugin(
        tmp_path, f'answer({{"{HOST}": ("one", "w"), "{PATTERN}": ("glob", "w")}})', name="one"
    )
    a_plugin(
        tmp_path, f'answer({{"{HOST}": ("two", "w"), "{HOST}/te": ("path", "w")}})', name="two"
    )
    a_plugin(tmp_path, "sys.exit(1)", name="three")
    entries = [an_entry([PATTERN], name=name) for name in ("one", "two", "three")]
    async with running(tmp_path, *entries) as plugins:
        found = await given(plugins)

    assert (
        ["path", "one", "two", "glob"],
        'the credential provider "three" ended with exit status 1',
    ) == ([each.username for each in found.credentials], found.fault)


@pytest.mark.parametrize(
    ("kind", "runs"),
    [
        ("Image", ["a/app", "a/other", "b/app"]),
        ("Registry", ["a/app", "b/app"]),
        ("Global", ["a/app"]),
    ],
)
async def test_an_answer_is_remembered_for_what_it_says(
    tmp_path: Path, kind: str, runs: list[str]
) -> None:
    """For one image, for its registry, or for all images of the plugin."""
    a_plugin(tmp_path, f'answer({{"*.example": ("{kind}", "w")}}, cache="{kind}")')
    names = ["a.example/app:1", "a.example/app:2", "a.example/other", "b.example/app"]
    async with running(tmp_path, an_entry(["*.example"])) as plugins:
        found = [await given(plugins, image(name)) for name in names]

    assert ([Given((Credential("*.example", kind, "w"),))] * 4, runs) == (
        found,
        [each.replace(".example", "") for each in images_asked(tmp_path)],
    )


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("None", 3600.0),
        ("'2h'", 7200.0),
        ("'1m'", 60.0),
        ("'0s'", SHORTEST_SECONDS),
        ("'1000h'", LONGEST_SECONDS),
    ],
)
async def test_an_answer_is_good_for_as_long_as_it_says(
    tmp_path: Path, duration: str, seconds: float
) -> None:
    """Else for as long as the install says; one look at an image asks once in any case."""
    a_plugin(tmp_path, f'answer({{"{PATTERN}": ("a", "w")}}, cacheDuration={duration})')
    clock = Clock()
    runs = []
    async with running(tmp_path, clock=clock) as plugins:
        for after in (0, seconds - 1, 2):
            clock.now += after
            await given(plugins)
            runs.append(len(images_asked(tmp_path)))

    assert [1, 1, 2] == runs


async def test_a_failure_is_remembered_for_some_seconds(tmp_path: Path) -> None:
    """A plugin that hangs does not hold up each request about its images."""
    a_plugin(tmp_path, "sys.exit(4)")
    clock = Clock()
    runs = []
    warned: list[str] = []
    async with running(tmp_path, clock=clock, warn=warned.append) as plugins:
        for after in (0, FAULT_SECONDS - 1, 2):
            clock.now += after
            await given(plugins)
            runs.append(len(images_asked(tmp_path)))
    warning = f'{HOST}/team/app: the credential provider "{NAME}" ended with exit status 4'

    assert ([1, 1, 2], [warning] * 2) == (runs, warned)


async def test_many_who_ask_for_one_image_run_a_plugin_once(tmp_path: Path) -> None:
    """The same work asked for at once is done once."""
    a_plugin(tmp_path, ANSWER)
    async with running(tmp_path) as plugins:
        found = await asyncio.gather(*(given(plugins) for _ in range(20)))

    assert ([Given((GOOD,))] * 20, 1) == (found, len(images_asked(tmp_path)))


async def test_many_images_of_one_registry_wait_for_its_answer(tmp_path: Path) -> None:
    """No more run at once than may, and who waited takes what has come meanwhile."""
    a_plugin(tmp_path, f'answer({{"{PATTERN}": ("AWS", "word")}}, cache="Registry")')
    async with running(tmp_path) as plugins:
        found = await asyncio.gather(
            *(given(plugins, image(f"{HOST}/app{number}")) for number in range(20))
        )

    assert ([Given((GOOD,))] * 20, True) == (found, len(images_asked(tmp_path)) <= RUNS_AT_ONCE)


async def test_at_the_deadline_the_work_goes_on(tmp_path: Path) -> None:
    """Who asks again finds what has come meanwhile, and nothing is run twice."""
    go = tmp_path / "go"
    a_plugin(tmp_path, f"while not (folder / 'go').exists(): time.sleep(0.01)\n{ANSWER}")
    async with running(tmp_path) as plugins:
        with pytest.raises(DeadlineExceeded):
            await plugins.given(APP, deadline=Deadline.after(0.01))
        go.touch()

        assert (Given((GOOD,)), 1) == (await given(plugins), len(images_asked(tmp_path)))


async def test_what_is_under_way_ends_with_us(tmp_path: Path) -> None:
    """No process and no descriptor is left behind."""
    a_plugin(tmp_path, "(folder / str(os.getpid())).touch(); time.sleep(600)")
    before = open_descriptors()
    async with running(tmp_path) as plugins:
        with pytest.raises(DeadlineExceeded):
            await plugins.given(APP, deadline=Deadline.after(0.3))
    pids = pids_in(tmp_path)

    assert (True, [], before) == (await all_end(pids), unreaped(), open_descriptors())
