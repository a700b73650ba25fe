"""
Where the time of one run of cosign goes: most of it is its start, and that of its packages.

With `GODEBUG=inittrace=1` Go itself tells what initialising each package took, so no other tool is
needed. `strace -f -r` of a run of ours is what ADR 18 tells of.
"""

import re
import resource
import subprocess
from collections.abc import Callable, Mapping
from functools import partial

from bench.figures import Figure, in_turns
from bench.signed import Signed
from landwaiter.cosign.command import verify_command
from landwaiter.cosign.outcome import SignatureFormat

ROUNDS = 15
AN_OPERAND = f"127.0.0.1:1/{'0' * 32}/0@sha256:{'0' * 64}"
INITIALISED = re.compile(r"(?m)^init \S+ @\S+ ms, (?P<milliseconds>\S+) ms clock,")


def measure_cosign_start(signed: Signed) -> list[Figure]:
    """Return what a run consists of, and what our environment and others make of it."""
    ours = environment_of_ours(signed)
    without = {name: value for name, value in ours.items() if not name.startswith("GO")}
    start = partial(_start, signed)
    verify = partial(signed.verify, signed.bundle)

    def pair(name: str, one: Callable[[], None], other: Callable[[], None]) -> Figure:
        first, second = in_turns(ROUNDS, partial(_processor, one), partial(_processor, other))
        return Figure("cold", f"processor time of cosign{name}", "ms", tuple(first), tuple(second))

    initialising = tuple(_initialising(signed, ours) for _ in range(ROUNDS))
    return [
        pair(" verify: collector off / on", partial(verify, environment=ours), verify),
        pair(": start alone / verify", partial(start, ours), partial(verify, environment=ours)),
        pair(": start, our environment / bare", partial(start, ours), partial(start, without)),
        pair(
            ": start, one thread / ours",
            partial(start, {**ours, "GOMAXPROCS": "1"}),
            partial(start, ours),
        ),
        Figure(
            "cold",
            "start of cosign: initialising packages",
            "ms",
            tuple(sum(each) for each in initialising),
            note=f"{len(initialising[0])} packages, one after the other",
        ),
    ]


def environment_of_ours(signed: Signed) -> Mapping[str, str]:
    """Return the environment that a run of ours has."""
    criterion = next(iter(signed.authority.criteria()))
    return verify_command(
        signed.cosign,
        signed.folder,
        [AN_OPERAND],
        signature_format=SignatureFormat.BUNDLE,
        criterion=criterion,
        limit_seconds=10,
    ).environment


def initialisations(traced: str) -> list[float]:
    """Return the milliseconds that each package took, from what Go tells of them."""
    return [float(found["milliseconds"]) for found in INITIALISED.finditer(traced)]


def _initialising(signed: Signed, environment: Mapping[str, str]) -> list[float]:
    traced = subprocess.run(
        [signed.cosign, "version"],
        env={**environment, "GODEBUG": "inittrace=1"},
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    return initialisations(traced)


def _start(signed: Signed, environment: Mapping[str, str]) -> None:
    subprocess.run([signed.cosign, "version"], env=environment, capture_output=True, check=True)


def _processor(work: Callable[[], None]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
