"""Children are started, waited for and ended without remains and without endless waits."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from realparts.processes import (
    ChildProcess,
    CommandFailedError,
    NotReadyError,
    free_port,
    http_status,
    retried_on_port_clash,
    run,
    run_logged,
    wait_until,
)

TESTS = Path(__file__).resolve().parents[1]
SLEEPS = "import time; time.sleep(60)"
IGNORES_TERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); {SLEEPS}"
HAS_A_HELPER = f"import os; print(os.fork(), flush=True); {SLEEPS}"
RUNNER = f"""
import sys
from pathlib import Path

from realparts.processes import ChildProcess

child = ChildProcess(
    "child", [sys.executable, "-c", {SLEEPS!r}], log=Path(sys.argv[1]), environment={{}}
)
print(child.pid, flush=True)
sys.stdin.read()
"""


def a_child(folder: Path, program: str = SLEEPS) -> ChildProcess:
    return ChildProcess(
        "child", [sys.executable, "-u", "-c", program], log=folder / "log", environment={}
    )


def is_alive(pid: int) -> bool:
    """Say whether a process runs; a dead one that nobody has reaped yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_stopping_reaps_the_child(tmp_path: Path) -> None:
    """A stopped child has ended by the signal that asks politely."""
    with a_child(tmp_path) as child:
        assert child.is_running

    assert (False, -signal.SIGTERM) == (child.is_running, child.exit_code)


def test_a_stubborn_child_is_killed(tmp_path: Path) -> None:
    """Who ignores the request to end is killed after the grace."""
    child = a_child(tmp_path, IGNORES_TERM)
    child.wait_until_ready(lambda: "1" in child.log.read_text(), within_seconds=10)

    child.stop(grace_seconds=0.1)

    assert -signal.SIGKILL == child.exit_code


def test_helpers_end_with_the_child(tmp_path: Path) -> None:
    """The whole group ends, whoever is in it."""
    child = a_child(tmp_path, HAS_A_HELPER)
    child.wait_until_ready(lambda: len(child.log.read_text().split()) == 2, within_seconds=10)
    helper = max(map(int, child.log.read_text().split()))

    child.stop()

    wait_until(lambda: not is_alive(helper), within_seconds=10, what="the end of the helper")


def test_a_killed_runner_takes_its_children_along(tmp_path: Path) -> None:
    """The kernel ends a child whose parent was killed without warning."""
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path / "log")],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with runner:
        assert runner.stdout is not None
        child = int(runner.stdout.readline())
        runner.kill()

    wait_until(lambda: not is_alive(child), within_seconds=10, what="the end of the child")


def test_children_belong_to_the_main_thread(tmp_path: Path) -> None:
    """A child of a thread would die with the thread, so it is not started."""
    problems: list[str] = []

    def start() -> None:
        try:
            a_child(tmp_path)
        except RuntimeError as error:
            problems.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(timeout=10)

    assert ["child: start it from the main thread, it dies with its thread"] == problems


def test_a_child_that_ends_is_not_ready(tmp_path: Path) -> None:
    """Waiting ends with the child, and tells its last words."""
    child = a_child(tmp_path, "print('no such flag'); raise SystemExit(3)")

    with pytest.raises(NotReadyError) as caught:
        child.wait_until_ready(lambda: False, within_seconds=30)

    wanted = f"child ended with 3:\nno such flag\n(log: {child.log})"
    assert wanted == str(caught.value)


def test_waiting_has_an_end(tmp_path: Path) -> None:
    """A child that never gets ready does not hold the tests up."""
    with a_child(tmp_path) as child, pytest.raises(NotReadyError, match=r"not ready after 0 s"):
        child.wait_until_ready(lambda: False, within_seconds=0.1)


def test_a_frozen_child_goes_on_when_thawed(tmp_path: Path) -> None:
    """Freezing ends nothing."""
    with a_child(tmp_path) as child:
        child.freeze()
        child.thaw()

        assert child.is_running


def test_a_command_gets_only_the_given_environment() -> None:
    """Nothing of the runner's environment leaks into a command."""
    program = "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"  # Python sets that one.

    answer = run([sys.executable, "-c", program], environment={"ONLY": "this"}, timeout_seconds=30)

    assert "['ONLY']\n" == answer.stdout


def test_a_slow_command_is_killed() -> None:
    """A command that does not end in time fails."""
    with pytest.raises(CommandFailedError, match="did not end within 0 s"):
        run([sys.executable, "-c", SLEEPS], environment={}, timeout_seconds=0.2)


def test_a_failing_command_tells_why() -> None:
    """The message of a failure has what the command wrote."""
    with pytest.raises(CommandFailedError, match=r"(?s)ended with 1:.*the reason"):
        run(
            [sys.executable, "-c", "raise SystemExit('the reason')"],
            environment={},
            timeout_seconds=30,
        )


def test_a_long_command_is_watched(tmp_path: Path) -> None:
    """While a logged command runs, its caller is called back; its failure shows the log."""
    calls: list[int] = []

    with pytest.raises(CommandFailedError, match=r"(?s)the job ended with 1:.*the reason"):
        run_logged(
            "the job",
            [sys.executable, "-c", "import time; time.sleep(1.2); raise SystemExit('the reason')"],
            log=tmp_path / "log",
            environment={},
            timeout_seconds=30,
            on_wait=lambda: calls.append(1),
        )

    assert calls


def test_a_long_command_has_an_end(tmp_path: Path) -> None:
    """A logged command that takes too long is stopped."""
    with pytest.raises(CommandFailedError, match="the job did not end within 0 s"):
        run_logged(
            "the job",
            [sys.executable, "-c", SLEEPS],
            log=tmp_path / "log",
            environment={},
            timeout_seconds=0.1,
            on_wait=lambda: None,
        )


def test_a_port_that_was_taken_is_tried_again(tmp_path: Path) -> None:
    """A child that finds its port taken is started again on another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], free_port()]

        def launch() -> ChildProcess:
            return serving_child(tmp_path, ports.pop(0))

        with retried_on_port_clash(launch) as child:
            assert child.is_running

    assert [] == ports


def serving_child(folder: Path, port: int) -> ChildProcess:
    program = (
        "import http.server as h;"
        f"h.HTTPServer(('127.0.0.1', {port}), h.BaseHTTPRequestHandler).serve_forever()"
    )
    child = a_child(folder / str(port), program)
    child.wait_until_ready(
        lambda: http_status(f"http://127.0.0.1:{port}/") == 501 and child.is_running,
        within_seconds=30,
    )
    return child


def test_other_faults_are_not_tried_again() -> None:
    """Only a taken port is worth another attempt."""
    attempts: list[int] = []

    def launch() -> ChildProcess:
        attempts.append(1)
        raise NotReadyError("no such flag")

    with pytest.raises(NotReadyError, match="no such flag"):
        retried_on_port_clash(launch)

    assert [1] == attempts


def test_nothing_listening_is_no_status() -> None:
    """A refused connection is not an answer."""
    assert None is http_status(f"http://127.0.0.1:{free_port()}/")
