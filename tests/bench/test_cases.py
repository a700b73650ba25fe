"""The cases send what they say that they send, and count what they say that they count."""

import asyncio
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from bench import growth
from bench.cosign_start import initialisations
from bench.desk import HOST as HOST_OF_IMAGES
from bench.desk import Furnishing, desk
from bench.growth import images_of
from bench.machine import resident_mib, tree_mib
from bench.offline import manifest
from bench.parts import decoding, held_up, imported
from bench.reviews import VARIABLE_BYTES, Rollout, changing, numbers, padded
from bench.round_robin import HOST, forward
from bench.sharing import share_from_memory
from bench.storm import pods_of
from bench.warm import SIZES
from landwaiter.admission.review import AdmissionRequest, PodCreation, decode
from realparts.processes import free_port

IMAGES = tuple(f"{HOST_OF_IMAGES}/shop/part-{n}@sha256:{n:064x}" for n in range(3))


@pytest.mark.parametrize("size", SIZES.values())
def test_a_padded_review_has_its_size(size: int) -> None:
    """Within a variable, of a Pod that is judged as such."""
    body = padded(Rollout("web-0", "shop", IMAGES), size)

    assert abs(len(body) - size) < VARIABLE_BYTES
    assert list(IMAGES) == images_of(body)
    assert PodCreation is type(decode(body))


def test_a_change_brings_its_object_twice() -> None:
    """Of half the size each, and the images are those of the other reviews."""
    body = changing(Rollout("web-0", "shop", IMAGES), 200_000)
    request = decode(body)

    assert abs(len(body) - 200_000) < 2 * VARIABLE_BYTES + 1_000
    assert isinstance(request, AdmissionRequest)
    assert ("UPDATE", request.old_object) == (request.operation, request.object)
    assert list(IMAGES) == images_of(body)


def test_numbers_are_most_of_a_body() -> None:
    """It has its size, and is a Pod that is judged as such."""
    body = numbers(Rollout("web-0", "shop", IMAGES), 200_000)

    assert 0 <= 200_000 - len(body) < 2 * len(",0")
    assert body.count(b",0") > 98_000
    assert list(IMAGES) == images_of(body)
    assert PodCreation is type(decode(body))


SLOW_AND_LARGE = """
import time
end = time.perf_counter() + 0.05
held = bytearray(20 << 20)
held[::4096] = b"1" * len(held[::4096])
while time.perf_counter() < end: pass
"""
"""Computes for 50 ms, and writes to each page of 20 MiB, which it keeps."""


def test_importing_takes_time_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the module takes, which on a busy machine is more time; the interpreter's are not in."""
    (tmp_path / "slow_and_large.py").write_text(SLOW_AND_LARGE, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    milliseconds, mebibytes = imported("slow_and_large")

    assert 50 <= milliseconds < 10_000
    assert 20 <= mebibytes < 22


def test_a_thread_holds_others_up_for_no_longer_than_it_takes() -> None:
    """Both are told in milliseconds; a review of 200 kB takes less than a minute."""
    body = padded(Rollout("web-0", "shop", IMAGES), 200_000)

    assert 0 < decoding(body) < 60_000
    assert 0 < held_up(body) < 60_000


def test_a_storm_has_one_image_a_pod_in_turn() -> None:
    """So that each image is asked about as often as any other."""
    found = [images_of(body) for body in pods_of(IMAGES, 6)]

    assert [[image] for image in IMAGES * 2] == found


def test_a_pod_of_many_containers_has_so_many_uses() -> None:
    """No init container among them."""

    assert [1, 100] == [len(images_of(growth._pod(count))) for count in (1, 100)]


def test_everything_that_is_compared_is_answered() -> None:
    """The smallest of each kind; the others differ from them by a number."""

    async def answered() -> None:
        others = [growth.policies(1, *each) for each in growth.elsewhere(2).values()]
        for policies in (growth.policies(2), *others, None):
            furnishing = Furnishing(policies, remembered=5)
            async with desk(stands=False, furnishing=furnishing) as judging:
                await judging.answer(growth._pod(12))

    asyncio.run(answered())


def test_growth_compares_what_the_issue_names() -> None:
    """Policies, containers and remembered verdicts, each to its largest number."""
    names = [each.name for each in growth.compared()]

    assert {
        "200 policies / 1",
        "200 policies, all but one for others / 1",
        "200 policies, all but one for other registries / 1",
        "100 containers / 1",
        "100,000 remembered verdicts / 10",
    } < set(names)


@pytest.mark.parametrize(
    ("reviews", "verified", "expected"), [(2000, 50, 97.5), (2000, 200, 90.0), (10, 10, 0.0)]
)
def test_what_is_not_verified_is_answered_from_memory(
    reviews: int, verified: int, expected: float
) -> None:
    """Of reviews with one image each."""

    assert expected == share_from_memory(reviews, verified)


def test_memory_of_a_tree_has_its_children() -> None:
    """
    A storm's memory is mostly that of the programs which it starts.

    This one keeps 40 MiB, and what starts it has more than 5 as well.
    """
    program = "x = bytearray(40 << 20); x[::4096] = b'1' * len(x[::4096]); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        own = resident_mib(child.pid)
        whole = tree_mib(os.getpid())
        child.communicate(b"\n")

    assert own > 40
    assert whole > own + 5


def test_connections_go_round() -> None:
    """Each server behind it has as many as any other, and gets back what it was sent."""

    async def asked() -> list[bytes]:
        servers = [await asyncio.start_server(partial(_named, name), HOST) for name in (b"a", b"b")]
        behind = [server.sockets[0].getsockname()[1] for server in servers]
        port = free_port()
        forwarding = asyncio.ensure_future(forward(port, behind))
        answers = []
        try:
            await _until_listening(port)
            for _ in range(4):
                reader, writer = await asyncio.open_connection(HOST, port)
                writer.write(b"hello\n")
                answers.append(await reader.readline())
                writer.close()
        finally:
            forwarding.cancel()
            for server in servers:
                server.close()
        return answers

    answers = asyncio.run(asked())

    assert [b"a: hello\n", b"a: hello\n", b"b: hello\n", b"b: hello\n"] == sorted(answers)


async def _named(name: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(name + b": " + await reader.readline())
    await writer.drain()
    writer.close()


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0)
            else:
                writer.close()
                return


def test_manifests_of_the_offline_check_differ() -> None:
    """A thousand images a container, so that nothing is answered twice."""
    images = {
        container["image"]
        for number in range(1000)
        for container in json.loads(json.dumps(manifest(number)))["spec"]["template"]["spec"][
            "containers"
        ]
    }

    assert 2000 == len(images)


def test_what_go_tells_of_packages_is_read() -> None:
    """Whatever else is on standard error is passed over."""
    told = (
        "init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs\n"
        "WARNING: init of something\n"
        "init github.com/a/b-c.v2 @26 ms, 3.2 ms clock, 951816 bytes, 6206 allocs\n"
    )

    assert [0.0, 3.2] == initialisations(told)
