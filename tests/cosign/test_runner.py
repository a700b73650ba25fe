"""The runner, against programs that behave as badly as programs can."""

import asyncio
import errno
import gc
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from cosign.fakes import program
from cosign.processes import (
    all_end,
    belonging_to,
    memory_bytes,
    open_descriptors,
    peak_memory_bytes,
    unreaped,
)
from landwaiter.cosign import runner as runner_module
from landwaiter.cosign.command import Command
from landwaiter.cosign.outcome import FinishedRun
from landwaiter.cosign.runner import CosignRunner, RunLimits
from landwaiter.errors import CosignUnavailable

MANY_BYTES = 200_000


def a_runner(folder: Path, *, runs_at_once: int = 2, limit_seconds: float = 20.0) -> CosignRunner:
    return CosignRunner(RunLimits(runs_at_once, limit_seconds), temporary_folder=runs(folder))


def runs(folder: Path) -> Path:
    """Return where the private folders of runs are made."""
    folder = folder / "runs"
    folder.mkdir(exist_ok=True)
    return folder


async def run(
    runner: CosignRunner,
    path: Path,
    *arguments: str,
    files: Mapping[str, bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> FinishedRun:
    def build(folder: Path) -> Command:
        return Command((str(path), *arguments), environment or {"HOME": str(folder)})

    async with runner.place() as place:
        return await place.run(build, files or {})


async def text_from(pipe: Path) -> str:
    """Return what a program writes into a named pipe, once it does."""
    return await asyncio.to_thread(pipe.read_text)


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


async def test_what_a_program_prints_and_how_it_ends_is_returned(tmp_path: Path) -> None:
    """Exit code and both outputs come back as they were."""
    path = program(tmp_path, "echo out; echo err >&2; exit 7")

    assert FinishedRun(exit_code=7, stdout=b"out\n", stderr=b"err\n") == await run(
        a_runner(tmp_path), path
    )


async def test_arguments_are_passed_as_they_are(tmp_path: Path) -> None:
    """No shell stands between us and the program."""
    path = program(tmp_path, 'printf "%s|" "$@"')
    arguments = ("$HOME", "a b", "; exit 9", "*", "")

    assert FinishedRun(exit_code=0, stdout=b"$HOME|a b|; exit 9|*||") == await run(
        a_runner(tmp_path), path, *arguments
    )


async def test_the_environment_is_the_one_given(tmp_path: Path) -> None:
    """Nothing of our environment is inherited."""
    path = program(tmp_path, 'read -r -d "" line </proc/self/environ; set', name="print")
    result = await run(a_runner(tmp_path), path, environment={"ONLY": "this"})
    names = {line.partition(b"=")[0] for line in result.stdout.splitlines() if b"=" in line}

    assert (b"ONLY" in names, names & {os.fsencode(name) for name in ("HOME", "VIRTUAL_ENV")}) == (
        True,
        set(),
    )


async def test_standard_input_is_empty(tmp_path: Path) -> None:
    """A program that asks for a password gets none, and does not wait for us."""
    path = program(tmp_path, "read -r line || exit 5")

    assert FinishedRun(exit_code=5) == await run(a_runner(tmp_path), path)


async def test_the_private_folder_is_ours_alone(tmp_path: Path) -> None:
    """Files for a run stand in a new folder that nobody else can read."""
    path = program(tmp_path, 'cd; /bin/ls -ldn . key.pem; read -r line <key.pem; echo "$line"')
    result = await run(a_runner(tmp_path), path, files={"key.pem": b"the key\n"})
    folder, key, content = result.stdout.splitlines()

    assert (b"drwx------", b"-rw-------", b"the key") == (folder[:10], key[:10], content)


async def test_the_private_folder_is_removed_whatever_is_in_it(tmp_path: Path) -> None:
    """What a run leaves behind does not pile up."""
    path = program(tmp_path, "/bin/mkdir -p $HOME/a/b; echo x >$HOME/a/b/c; exit 3")
    await run(a_runner(tmp_path), path, files={"key.pem": b"k"})

    assert [] == list(runs(tmp_path).iterdir())


async def test_a_missing_program_is_undecided(tmp_path: Path) -> None:
    """Without cosign nothing can be verified, and the message says what is wanted where."""
    with pytest.raises(CosignUnavailable) as fault:
        await run(a_runner(tmp_path), tmp_path / "cosign")

    assert (
        f'cosign could not be started: "{tmp_path}/cosign": No such file or directory; '
        "the program of cosign 3 is wanted there"
    ) == str(fault.value)


async def test_a_bare_name_is_not_looked_for_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program called cosign in a checkout that is checked in CI is not run."""
    program(tmp_path, "exit 0")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CosignUnavailable) as fault:
        await run(a_runner(tmp_path), Path("cosign"))

    assert (
        'cosign could not be started: "cosign": No such file or directory; '
        "the program of cosign 3 is wanted there"
    ) == str(fault.value)


async def test_a_file_that_is_not_executable_is_undecided(tmp_path: Path) -> None:
    """A file without permission to run it is no cosign."""
    path = program(tmp_path, "exit 0")
    path.chmod(0o644)
    with pytest.raises(CosignUnavailable) as fault:
        await run(a_runner(tmp_path), path)

    assert (
        f'cosign could not be started: "{path}": Permission denied; '
        "the program of cosign 3 is wanted there"
    ) == str(fault.value)


async def test_a_folder_that_cannot_be_made_is_undecided(tmp_path: Path) -> None:
    """A full or missing disk is our fault and not the image's."""
    runner = CosignRunner(RunLimits(1, 5), temporary_folder=tmp_path / "missing")
    with pytest.raises(CosignUnavailable) as fault:
        await run(runner, program(tmp_path, "exit 0"))

    assert "no folder for cosign could be made: No such file or directory" == str(fault.value)


async def test_a_killed_program_tells_its_signal(tmp_path: Path) -> None:
    """A process that was killed has no exit code."""
    path = program(tmp_path, "kill -9 $$")

    assert FinishedRun(exit_code=None, signal=9) == await run(a_runner(tmp_path), path)


async def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    """The limit is ours, so it is no verdict."""
    path = program(tmp_path, "exec /bin/sleep 600")
    with pytest.raises(CosignUnavailable) as fault:
        await run(a_runner(tmp_path, limit_seconds=0.1), path)

    assert ("cosign took longer than the limit of 0.1 s and was ended", []) == (
        str(fault.value),
        list(runs(tmp_path).iterdir()),
    )


async def test_a_program_that_ignores_sigterm_is_ended(tmp_path: Path) -> None:
    """Nothing is asked to end: it is killed, with all that it started."""
    pids = tmp_path / "pids"
    path = program(
        tmp_path, f"trap '' TERM INT HUP; /bin/sleep 600 & echo $$ $! >{pids}; while :; do :; done"
    )
    with pytest.raises(CosignUnavailable, match="took longer"):
        await run(a_runner(tmp_path, limit_seconds=0.4), path)

    assert await all_end(map(int, pids.read_text().split()))


async def test_a_cancelled_run_leaves_nothing(tmp_path: Path) -> None:
    """Cancellation kills the whole group and removes the folder, before it is passed on."""
    pipe = a_pipe(tmp_path)
    path = program(tmp_path, f"/bin/sleep 600 & echo $$ $! >{pipe}; wait")
    task = asyncio.create_task(run(a_runner(tmp_path), path))
    pids = (await text_from(pipe)).split()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ([], True) == (list(runs(tmp_path).iterdir()), await all_end(map(int, pids)))


async def test_a_run_cancelled_while_it_is_started_leaves_nothing(tmp_path: Path) -> None:
    """Whenever cancellation comes, also in the middle of a start, no process lives on."""
    started = tmp_path / "started"
    started.mkdir()
    path = program(tmp_path, f"echo >{started}/$$; exec /bin/sleep 600")
    runner = a_runner(tmp_path, runs_at_once=100)
    for turns in range(40):
        task = asyncio.create_task(run(runner, path))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    pids = [int(file.name) for file in started.iterdir()]

    assert await all_end(pids)


async def test_a_run_cancelled_twice_is_still_reaped(tmp_path: Path) -> None:
    """Whoever is in a hurry to leave does not leave a dead process behind."""
    pipe = a_pipe(tmp_path)
    path = program(tmp_path, f"echo $$ >{pipe}; exec /bin/sleep 600")
    task = asyncio.create_task(run(a_runner(tmp_path), path))
    pid = int(await text_from(pipe))
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await all_end([pid])
    await run(a_runner(tmp_path), program(tmp_path, "exit 0", name="another"))

    assert [] == unreaped()


async def test_kernels_without_process_descriptors_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 5.3 a thread waits for the process instead."""

    def unknown(_: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("os.pidfd_open", unknown)
    hanging = program(tmp_path, "exec /bin/sleep 600")
    with pytest.raises(CosignUnavailable, match="took longer"):
        await run(a_runner(tmp_path, limit_seconds=0.1), hanging)
    finished = await run(a_runner(tmp_path), program(tmp_path, "exit 7", name="another"))

    assert (FinishedRun(exit_code=7), []) == (finished, unreaped())


async def test_a_process_that_is_reaped_by_somebody_else_is_undecided(tmp_path: Path) -> None:
    """Where SIGCHLD is ignored nobody knows how a process ended, which must not pass for 0."""
    path = program(tmp_path, "exit 0")
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(CosignUnavailable) as fault:
            await run(a_runner(tmp_path), path)
    finally:
        signal.signal(signal.SIGCHLD, before)

    assert "how cosign ended is not known: No child processes" == str(fault.value)


async def test_a_helper_that_outlives_the_program_cannot_hold_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grandchild that keeps the output open is killed, and the run proves nothing."""
    monkeypatch.setattr(runner_module, "DRAIN_SECONDS", 0.2)
    pid = tmp_path / "pid"
    path = program(tmp_path, f"/bin/sleep 600 & echo $! >{pid}; echo '[]'; exit 0")
    with pytest.raises(CosignUnavailable) as fault:
        await run(a_runner(tmp_path), path)

    assert ("cosign left a process behind that holds its output", True) == (
        str(fault.value),
        await all_end([int(pid.read_text())]),
    )


async def test_a_helper_of_a_failed_program_is_killed(tmp_path: Path) -> None:
    """On any exit but success the whole group goes, and its output is still read."""
    pid = tmp_path / "pid"
    path = program(tmp_path, f"/bin/sleep 600 & echo $! >{pid}; echo no >&2; exit 1")
    result = await run(a_runner(tmp_path), path)

    assert (FinishedRun(exit_code=1, stderr=b"no\n"), True) == (
        result,
        await all_end([int(pid.read_text())]),
    )


@pytest.mark.parametrize("stream", ["1", "2"])
async def test_printing_1_gb_is_ended(tmp_path: Path, stream: str) -> None:
    """Output without end neither fills our memory nor waits for the time limit."""
    path = program(tmp_path, f"exec /usr/bin/head -c 1000000000 /dev/zero >&{stream}")
    before = peak_memory_bytes()
    with pytest.raises(CosignUnavailable) as fault:
        await run(a_runner(tmp_path), path)

    assert ("cosign printed more than the limit and was ended", True) == (
        str(fault.value),
        peak_memory_bytes() - before < 64 * 1024 * 1024,
    )


async def test_the_end_of_a_long_standard_error_is_kept(tmp_path: Path) -> None:
    """Many bad signatures make a long last error, which is no reason not to judge."""
    path = program(
        tmp_path, f"/usr/bin/head -c {MANY_BYTES} /dev/zero >&2; echo the end >&2; exit 12"
    )
    result = await run(a_runner(tmp_path), path)

    assert (12, runner_module.STDERR_KEPT_BYTES, b"the end\n") == (
        result.exit_code,
        len(result.stderr),
        result.stderr[-8:],
    )


async def test_standard_output_is_kept_whole(tmp_path: Path) -> None:
    """Answers are judged as a whole, so nothing of them may be lost below the limit."""
    path = program(tmp_path, f"exec /usr/bin/head -c {40 * MANY_BYTES} /dev/zero")
    result = await run(a_runner(tmp_path), path)

    assert FinishedRun(exit_code=0, stdout=bytes(40 * MANY_BYTES)) == result


@pytest.mark.parametrize("runs_at_once", [1, 3])
async def test_no_more_run_at_once_than_there_are_places(tmp_path: Path, runs_at_once: int) -> None:
    """The limit on processes holds however many are asked for."""
    under_way = 0
    most = 0

    async def one(runner: CosignRunner) -> None:
        nonlocal under_way, most
        async with runner.place():
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    runner = a_runner(tmp_path, runs_at_once=runs_at_once)
    await asyncio.gather(*(one(runner) for _ in range(10)))

    assert runs_at_once == most


async def test_waiting_for_a_place_can_be_given_up(tmp_path: Path) -> None:
    """Who waits in the queue obeys its own limit, and leaves the place to others."""
    runner = a_runner(tmp_path, runs_at_once=1)
    async with runner.place():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run(runner, tmp_path / "never"), timeout=0.05)

    assert FinishedRun(exit_code=0) == await run(runner, program(tmp_path, "exit 0"))


async def test_200_cancelled_and_timed_out_runs_leave_nothing(tmp_path: Path) -> None:
    """No process, no file, no descriptor and no memory is left."""
    path = program(tmp_path, "/bin/sleep 600 & exec /bin/sleep 601")
    timing_out = a_runner(tmp_path, runs_at_once=20, limit_seconds=0.05)
    cancelled = a_runner(tmp_path, runs_at_once=20)

    async def many(count: int) -> None:
        tasks = [asyncio.create_task(run(timing_out, path)) for _ in range(count)]
        others = [asyncio.create_task(run(cancelled, path)) for _ in range(count)]
        while not all(task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=0.1)
            for task in others:
                task.cancel()
        await asyncio.gather(*tasks, *others, return_exceptions=True)

    await many(10)
    gc.collect()
    descriptors, memory = open_descriptors(), memory_bytes()
    await many(100)
    gc.collect()

    assert (True, [], [], True, True) == (
        await all_end(belonging_to(tmp_path)),
        unreaped(),
        list(runs(tmp_path).iterdir()),
        open_descriptors() <= descriptors,
        memory_bytes() - memory < 16 * 1024 * 1024,
    )
