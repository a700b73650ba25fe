"""
Where the time and the memory go, for the targets that are missed.

Case `parts`: a decision from memory without a network, beside the echo without one, and what of it
is decoding the review and what is answering it; then what each of the larger libraries takes that
`landwaiter serve` imports, and of those that it leaves out until a feature wants them, alone in an
interpreter that has just started (they share parts, so they are no summands), and the server as a
whole. What is installed for development only cannot be imported meanwhile. And for how long bodies
of megabytes keep the loop, by what they are of; and whether a thread could decode them while it
goes on: how long that holds everything else up, beside decoding here.
"""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import pairwise

from bench.desk import desk, posted
from bench.echo import app
from bench.figures import Figure, in_turns
from bench.pod import hidden_packages
from bench.reviews import LARGEST_BYTES, Rollout, changing, numbers, padded, reviews
from bench.scene import Scene
from landwaiter.admission.outcome import Call
from landwaiter.admission.review import decode
from landwaiter.deadline import Deadline
from landwaiter.policy.case import Side

ROUNDS = 15
ANSWERS = 200
IMPORT_ROUNDS = 5
LARGE_BYTES = 3_000_000
IMPORT_SECONDS = 60.0
LIBRARIES = (
    "fastapi",
    "pydantic",
    "aiohttp",
    "aiohttp.web_server",
    "cryptography.x509",
    "urllib3",
    "prometheus_client",
    "structlog",
    "yaml",
)
LEFT_OUT = (
    "kubernetes.config",
    "tuf.ngclient",
    "rfc3161_client",
    "re2",
    "aiohttp.web",
    "cel_expr_python.cel",
)
OURS, ECHO = "landwaiter.cli.serve", "bench.echo"
PROGRAM = """
import sys, time
sys.modules.update(dict.fromkeys(set(sys.argv[2].split(",")) - set(sys.modules)))
sys.path[:0] = sys.argv[3:]
def taken():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
before, began = taken(), time.perf_counter()
__import__(sys.argv[1])
print(1000 * (time.perf_counter() - began), taken() - before)
"""


def measure_parts(_: Scene) -> Iterator[Figure]:
    """Yield the parts of a decision, and what importing takes."""
    with asyncio.Runner() as runner:
        yield from runner.run(_of_a_decision())
        rollout = runner.run(_a_rollout())
    for what, large in (
        ("the largest Pod that etcd can hold, created", padded(rollout, LARGEST_BYTES)),
        ("the same, changed", changing(rollout, 2 * LARGEST_BYTES)),
        ("3 MB of numbers", numbers(rollout, LARGE_BYTES)),
    ):
        times = tuple(decoding(large) for _ in range(ROUNDS))
        yield Figure("parts", f"decoding {what}", "ms", times)
    body = padded(rollout, LARGE_BYTES)
    stood, here = in_turns(ROUNDS, partial(held_up, body), partial(decoding, body))
    yield Figure(
        "parts",
        "decoding 3 MB: others held up by a thread / done here",
        "ms",
        tuple(stood),
        tuple(here),
    )
    whole, echo = in_turns(IMPORT_ROUNDS, partial(imported, OURS), partial(imported, ECHO))
    for at, (what, unit) in enumerate((("time", "ms"), ("memory", "MiB"))):
        ours, theirs = (tuple(each[at] for each in side) for side in (whole, echo))
        yield Figure("parts", f"importing everything, {what}", unit, ours, theirs)
    for what_for, libraries in (("importing", LIBRARIES), ("left out:", LEFT_OUT)):
        for library in libraries:
            found = [imported(library) for _ in range(IMPORT_ROUNDS)]
            for at, (what, unit) in enumerate((("time", "ms"), ("memory", "MiB"))):
                rounds = tuple(each[at] for each in found)
                yield Figure("parts", f"{what_for} {library}, {what}", unit, rounds)


def decoding(body: bytes) -> float:
    """Return the milliseconds that decoding a body takes."""
    began = time.perf_counter()
    decode(body)
    return 1e3 * (time.perf_counter() - began)


def held_up(body: bytes) -> float:
    """Return for how many milliseconds a thread that decodes a body lets no other go on."""
    thread = threading.Thread(target=decode, args=(body,))
    times = [time.perf_counter()]
    thread.start()
    while thread.is_alive():
        times.append(time.perf_counter())
    times.append(time.perf_counter())
    return 1e3 * max(after - before for before, after in pairwise(times))


async def _a_rollout() -> Rollout:
    async with desk() as judging:
        return judging.rollouts[0]


def imported(module: str) -> tuple[float, float]:
    """Return the milliseconds and MiB that importing a module takes, all of it compiled."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, module, ",".join(hidden_packages()), *sys.path],
        stdout=subprocess.PIPE,
        timeout=IMPORT_SECONDS,
        check=True,
    )
    milliseconds, mebibytes = map(float, ended.stdout.split())
    return milliseconds, mebibytes


async def _of_a_decision() -> list[Figure]:
    async with desk() as judging:
        bodies = list(reviews(judging.rollouts, ANSWERS))

        async def decoded(body: bytes) -> None:
            decode(body)

        async def answered(body: bytes) -> None:
            # Decoding is within, and is told beside it.
            call = Call(Side.ENFORCE, time.monotonic(), Deadline.after(9), is_api_server=True)
            await judging.handler.answer(decode(body), call)

        works: dict[str, Callable[[bytes], Awaitable[object]]] = {
            "ours": judging.answer,
            "theirs": lambda body: posted(app, body),
            "decoding": decoded,
            "answering": answered,
        }
        taken: dict[str, list[float]] = {name: [] for name in works}
        for work in works.values():
            await _microseconds(work, bodies)
        for _ in range(ROUNDS):
            for name, work in works.items():
                taken[name].append(await _microseconds(work, bodies))
    rounds = {name: tuple(each) for name, each in taken.items()}
    answering = tuple(
        both - decoding
        for both, decoding in zip(rounds["answering"], rounds["decoding"], strict=True)
    )
    return [
        Figure("parts", "a decision, no network", "us", rounds["ours"], rounds["theirs"]),
        Figure("parts", "of it decoding the review", "us", rounds["decoding"]),
        Figure("parts", "of it answering: verdict, counting, log line", "us", answering),
    ]


async def _microseconds(work: Callable[[bytes], Awaitable[object]], bodies: list[bytes]) -> float:
    began = time.thread_time()
    for body in bodies:
        await work(body)
    return 1e6 * (time.thread_time() - began) / len(bodies)
