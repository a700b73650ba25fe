"""
The faults that an install goes through, and what the tests show of each.

`page()` is docs/faults.md; run this file to write it anew. The tests of this folder fail when the
page is out of date, and when something else is seen than is written here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "faults.md"

WEBHOOK_TIMEOUT_SECONDS: Final = 4
"""`timeoutSeconds` of the webhook object in the tests."""

MARGIN_SECONDS: Final = 2.0
"""What a request may take besides: the API server's own part of it, on a machine that is busy."""

RUN_SECONDS: Final = 5.0
"""How long cosign may run in the tests, so that they need not wait for half a minute."""

ADMITTED: Final = "admitted"
REFUSED: Final = "refused"
UNDECIDED: Final = "undecided"
UNREACHED: Final = "not reached"
AWAY: Final = "no answer"


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What happens, and what may become meanwhile of good Pods.

    `known` is about Pods whose image has been verified before, `new` about others. What stands
    first in `new` is seen in each run. `within_seconds` is how long after the end of the fault
    every good Pod is admitted again; `heals` says how.
    """

    happens: str
    known: tuple[str, ...]
    new: tuple[str, ...]
    heals: str
    within_seconds: float


FAULTS: Final[Mapping[str, Fault]] = {
    "replica killed": Fault(
        "`kill -9` ends one of two replicas",
        (ADMITTED, UNREACHED),
        (ADMITTED, UNREACHED),
        "the other replica answers at once; the kubelet starts the first one again",
        10,
    ),
    "API server away": Fault(
        "kube-apiserver is killed, and started again",
        (AWAY,),
        (AWAY,),
        "the replicas stay ready, and are asked as soon as the API server is back",
        30,
    ),
    "etcd away": Fault(
        "etcd is killed, and started again",
        (AWAY,),
        (AWAY,),
        "the replicas stay ready, and are asked as soon as the API server can read and write",
        60,
    ),
    "disk full": Fault(
        "the temporary folders of all replicas take no byte more",
        (ADMITTED,),
        (UNDECIDED,),
        "with the first free block; the fault is remembered for two seconds",
        15,
    ),
    "no DNS": Fault(
        "the name server of all replicas does not answer any more",
        (ADMITTED,),
        (UNDECIDED, ADMITTED),
        "lookups that hang end by themselves, and what was asked for meanwhile goes on",
        30,
    ),
    "clock ahead": Fault(
        "the clocks of all replicas leap 100 days ahead",
        (ADMITTED,),
        (ADMITTED,),
        "nothing has to heal: spans are measured by a clock that does not leap, and certificates "
        "and exceptions go by the API server's time",
        15,
    ),
    "clock behind": Fault(
        "the clocks of all replicas leap 100 days back",
        (ADMITTED,),
        (ADMITTED,),
        "as above",
        15,
    ),
    "certificate swapped": Fault(
        "the Secret of the certificate gets one of another CA, and then one that is none",
        (ADMITTED, UNREACHED),
        (ADMITTED, UNREACHED),
        "what is served is trusted on, and the Secret is written again",
        15,
    ),
    "cosign hangs": Fault(
        "cosign and a process that it has started do not end",
        (ADMITTED,),
        (UNDECIDED,),
        "each run is ended with all that it has started after 30 s (5 s in the test), and its "
        "images are asked about again",
        20,
    ),
    "memory limit": Fault(
        "one of two replicas reaches the limit of its memory with what it has started",
        (ADMITTED, UNREACHED),
        (ADMITTED, UNDECIDED, UNREACHED),
        "the kernel ends cosign, or the replica, which the kubelet starts again",
        20,
    ),
}

_WORDS: Final = {
    ADMITTED: "as without the fault",
    UNDECIDED: "503 by Landwaiter, within its deadline; kubectl asks again where the work goes on",
    UNREACHED: "500 by the API server: a connection broke in the middle of a review",
    AWAY: "the API server itself does not answer, or cannot store anything",
}

_HEAD = f"""# What becomes of an install under a fault

This page is what `tests/system/faults` shows on a real control plane: two replicas behind one
address, four people who create Pods without pause, and a fault in the middle of it. Of the Pods,
two kinds are good, one with an image that has been verified before (*known*) and one with an image
that nobody has asked about (*new*); three are bad: not signed, signed by somebody else, without a
digest. A test fails when the page is out of date;
`.venv/bin/python tests/system/faults/table.py` writes it anew.

Under every fault:

- no bad Pod is admitted, and no good one refused: what cannot be found out is undecided;
- no request takes longer than `timeoutSeconds` of the webhook object and {MARGIN_SECONDS:g} s,
  the API server's own part included, unless it is the API server that does not answer;
- every good Pod is admitted again without anybody's doing, within the time in the last column. It
  counts from the end of the fault, or from its beginning where one replica of two is left, and is
  a bound for a busy machine with two cores. Each run prints what it took.

"""

_TAIL = """
## What is not bounded here

- While **etcd** is away the API server holds requests for as long as the person waits. Landwaiter
  has answered by then: a bad Pod is refused as always.
- With a **full disk**, **no DNS** or a **cosign that hangs**, Pods start whose images were verified
  in the last 12 hours. A policy with `failurePolicy: Ignore` also admits others, with a warning,
  once it is known that a fault keeps them from being verified.
- A **full disk** makes no replica unready, for it would make all of them so. A temporary folder
  that could never be written to does: such a replica does not become ready.
- `expires` in `deniedImages`, and the age in `imageLimits`, go by the **clock** of the node.
- A replica that is ended again and again by its **memory limit** needs a higher one:
  [sizing](install.md#sizing).
"""


def page() -> str:
    """Return the page that the table is written to."""
    rows = ["| word | what it means |", "|---|---|"]
    rows += [f"| {word} | {text} |" for word, text in _WORDS.items()]
    rows += ["", "| fault | what happens | known images | new images | what heals it | within |"]
    rows += ["|---|---|---|---|---|---|"]
    for name, fault in FAULTS.items():
        known, new = (" or ".join(words) for words in (fault.known, fault.new))
        within = f"{fault.within_seconds:g} s"
        rows.append(f"| {name} | {fault.happens} | {known} | {new} | {fault.heals} | {within} |")
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
