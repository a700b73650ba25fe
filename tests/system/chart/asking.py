"""People who create Pods all the while, and what they are told."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from realparts.control_plane import ControlPlane
from system.objects import A_PINNED_IMAGE, A_TAG, a_pod, pods_of

AT_ONCE = 4
SECONDS = 120.0
CREATED, FORBIDDEN = 201, 403


@dataclass
class Told:
    """What was answered about good Pods and about bad ones: status and, if it is odd, message."""

    good: Counter[tuple[int, str]] = field(default_factory=Counter)
    bad: Counter[tuple[int, str]] = field(default_factory=Counter)


def ask(api: ControlPlane, namespace: str, image: str) -> tuple[int, str]:
    """Return what a developer is told about a Pod; a verdict has no message here."""
    path = f"{pods_of(namespace)}?dryRun=All"
    answer = api.request("POST", path, a_pod(image), user="developer")
    message = str(answer.body.get("message", ""))
    is_verdict = answer.status == CREATED or "\nThe image in Pod " in message
    return answer.status, "" if is_verdict else message


@contextmanager
def people_asking(api: ControlPlane, namespace: str) -> Iterator[Told]:
    """Have people ask without pause inside the block; all that they were told is there after it."""
    stop = threading.Event()
    told = Told()

    def go_on() -> Told:
        own = Told()
        while not stop.is_set():
            own.good[ask(api, namespace, A_PINNED_IMAGE)] += 1
            own.bad[ask(api, namespace, A_TAG)] += 1
        return own

    with ThreadPoolExecutor(AT_ONCE) as people:
        asking: list[Future[Told]] = [people.submit(go_on) for _ in range(AT_ONCE)]
        try:
            yield told
        finally:
            stop.set()
        for each in asking:
            found = each.result(timeout=SECONDS)
            told.good += found.good
            told.bad += found.bad
