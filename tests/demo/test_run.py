"""The demo tells the truth about its steps, and stays up when it is asked to."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from demo import run
from demo.run import Outcome, Step

ROOT = Path(__file__).resolve().parents[2]
A_STEP = Step("a tag without digest", ("apply", "-f", "03.yaml"), "refused", ("pinnedTags",))
AS_EXPECTED = Outcome(A_STEP, "refused", (), 12.0)
ADMITTED = Outcome(A_STEP, "admitted", (), 12.0)
SILENT = Outcome(A_STEP, "refused", ("pinnedTags",), 12.0)


class NoDemo:
    """Stands for the demo, without any part; `happened` is what was done with it."""

    outcomes: Sequence[Outcome] = ()
    happened: list[str]

    def __init__(self, folder: Path) -> None:
        type(self).happened = []

    def start(self) -> None:
        self.happened.append("start")

    def stop(self) -> None:
        self.happened.append("stop")

    def all_steps(self) -> Sequence[Outcome]:
        return self.outcomes

    def run(self, step: Outcome) -> Outcome:
        return step


@pytest.fixture
def no_demo(monkeypatch: pytest.MonkeyPatch) -> type[NoDemo]:
    """Give what is run in place of the demo."""
    monkeypatch.setattr(run, "Demo", NoDemo)
    monkeypatch.setattr(run, "by_hand", lambda _: "lines to try by hand")
    monkeypatch.setattr(sys, "argv", ["run.py"])
    return NoDemo


@pytest.mark.parametrize(
    ("outcomes", "code", "counted"),
    [
        ([AS_EXPECTED, AS_EXPECTED], 0, "2 of 2 as expected"),
        ([AS_EXPECTED, ADMITTED], 1, "1 of 2 as expected"),
        ([SILENT, AS_EXPECTED], 1, "1 of 2 as expected"),
    ],
    ids=["good", "admitted", "silent"],
)
def test_it_ends_with_0_only_when_all_steps_match(
    no_demo: type[NoDemo],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcomes: Sequence[Outcome],
    code: int,
    counted: str,
) -> None:
    """A step matches by what came of it and by every text that people have to read."""
    monkeypatch.setattr(no_demo, "outcomes", outcomes)

    ended = run.main()

    assert (code, True, ["start", "stop"]) == (
        ended,
        counted in capsys.readouterr().out,
        no_demo.happened,
    )


def test_the_table_shows_expected_got_and_what_the_output_lacks() -> None:
    """One row a step, and below it the texts that are missing."""
    rows = run.table([AS_EXPECTED, ADMITTED, SILENT]).splitlines()

    assert [
        ["manifest", "or", "command", "what", "it", "is", "expected", "got", "ms"],
        ["ok", "03.yaml", "a", "tag", "without", "digest", "refused", "refused", "12"],
        ["!!", "03.yaml", "a", "tag", "without", "digest", "refused", "admitted", "12"],
        ["!!", "03.yaml", "a", "tag", "without", "digest", "refused", "refused", "12"],
        ["the", "output", "lacks", "'pinnedTags'"],
    ] == [row.split() for row in rows]


def test_keep_leaves_it_up_until_enter(
    no_demo: type[NoDemo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines to try by hand are shown while everything runs, and all of it ends after them."""
    shown = []

    def wait_for_enter(prompt: str) -> str:
        shown.append(("lines to try by hand" in prompt, *no_demo.happened))
        return ""

    monkeypatch.setattr(sys, "argv", ["run.py", "--keep"])
    monkeypatch.setattr("builtins.input", wait_for_enter)

    ended = run.main()

    assert (0, [(True, "start")], ["start", "stop"]) == (ended, shown, no_demo.happened)


@pytest.mark.parametrize(("given", "wanted"), [((), []), (("KEEP=1",), ["--keep"])])
def test_make_demo_passes_keep_on(given: Sequence[str], wanted: list[str]) -> None:
    """`make demo KEEP=1` is what the README says."""
    told = subprocess.run(
        [str(shutil.which("make")), "--dry-run", "--silent", "demo", *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (line,) = (line for line in told.splitlines() if "tests/demo/run.py" in line)

    assert wanted == line.partition("tests/demo/run.py")[2].split()
