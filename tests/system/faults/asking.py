"""People who create Pods all the while, good ones and bad ones, and what becomes of each."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from realparts.api_client import Answer
from realparts.control_plane import ControlPlane
from realparts.processes import wait_until
from system.faults.table import ADMITTED, AWAY, REFUSED, UNDECIDED, UNREACHED
from system.objects import a_pod, pods_of

AT_ONCE: Final = 4
ANSWER_SECONDS: Final = 15.0
"""When a person gives up: longer than any review may take."""
PAUSE_SECONDS: Final = 0.2
"""How long a person waits who has got no answer at all."""
EACH_KIND: Final = 3
"""How many right answers about each kind of Pod, one after the other, show that all is well."""
PATIENCE_SECONDS: Final = 60.0

KNOWN, NEW = "known", "new"
GOOD: Final = (KNOWN, NEW)
BAD: Final = ("unsigned", "signed by another", "by tag")
KINDS: Final = (*GOOD, *BAD)


@dataclass(frozen=True, slots=True)
class Images:
    """
    The names of images: `signed`, `unsigned` and `other` are digests in a registry at `ports`.

    It has every repository (`AnyRepository`), under each of the hosts.
    """

    hosts: Sequence[str]
    signed: str
    unsigned: str
    other: str
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def of(self, kind: str) -> str:
        """Return an image of a kind, which nobody has asked about where it is not the known one."""
        number = next(self._numbers)
        host = self.hosts[number // len(KINDS) % len(self.hosts)]
        match kind:
            case "known":
                return f"{self.hosts[0]}/known/signed@{self.signed}"
            case "new":
                return f"{host}/new-{number}/signed@{self.signed}"
            case "unsigned":
                return f"{host}/new-{number}/unsigned@{self.unsigned}"
            case "signed by another":
                return f"{host}/new-{number}/other@{self.other}"
            case _:
                return f"{host}/new-{number}/signed:1.0"


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one Pod, when that was asked, and how long it took."""

    kind: str
    begun: float
    seconds: float
    verdict: str
    said: str

    @property
    def ended(self) -> float:
        """When the answer was there."""
        return self.begun + self.seconds

    @property
    def is_right(self) -> bool:
        """Whether it is what the policy asks for."""
        return self.verdict == (ADMITTED if self.kind in GOOD else REFUSED)

    @property
    def is_wrong(self) -> bool:
        """Whether it is the contrary of that; what is neither is not known yet."""
        return self.verdict == (REFUSED if self.kind in GOOD else ADMITTED)


@dataclass(frozen=True, slots=True)
class People:
    """Those who ask, in one namespace; `told` grows while they do."""

    api: ControlPlane
    namespace: str
    images: Images
    answer_seconds: float = ANSWER_SECONDS
    told: list[Told] = field(default_factory=list)

    def ask(self, kind: str) -> Told:
        """Return what becomes of a Pod of this kind, without creating it."""
        pod = a_pod(self.images.of(kind))
        path = f"{pods_of(self.namespace)}?dryRun=All"
        begun = time.monotonic()
        try:
            answer = self.api.request(
                "POST", path, pod, user="developer", timeout_seconds=self.answer_seconds
            )
        except OSError as error:
            return Told(kind, begun, time.monotonic() - begun, AWAY, str(error))
        seconds = time.monotonic() - begun
        said = str(answer.body.get("message", ""))
        return Told(kind, begun, seconds, _verdict(answer, said), said)

    def since(self, begun: float) -> list[Told]:
        """Return what was asked since an instant and has been answered."""
        return [each for each in self.told if each.begun >= begun]

    def wait_until_all_is_well(self, since: float, *, within_seconds: float) -> float:
        """Return how long after an instant each kind's last answers are right, as many times."""

        found = float("inf")

        def is_well() -> bool:
            nonlocal found
            told = self.since(since)
            found = max(_well_since(told, kind) for kind in KINDS)
            return found < float("inf")

        try:
            wait_until(is_well, within_seconds=within_seconds, what="right answers only")
        except TimeoutError as late:
            raise TimeoutError(f"{late}: {_counted(self.since(since))}") from late
        return found - since

    def wait_for_answers(
        self, since: float, *, of_each_kind: int, for_seconds: float = 0.0
    ) -> None:
        """
        Return once so many Pods of each kind that were asked about since then have answers.

        It takes some seconds at least, where something has to have had the time to happen.
        """
        wait_until(
            lambda: (
                time.monotonic() >= since + for_seconds
                and all(
                    sum(each.kind == kind for each in self.since(since)) >= of_each_kind
                    for kind in KINDS
                )
            ),
            within_seconds=PATIENCE_SECONDS,
            what="answers of each kind",
        )


def _well_since(told: Sequence[Told], kind: str) -> float:
    """Return when the first of the last right answers was there, infinity before there are some."""
    last: list[Told] = []
    for each in sorted((each for each in told if each.kind == kind), key=lambda each: each.ended):
        last = [*last, each] if each.is_right else []
    return last[0].ended if len(last) >= EACH_KIND else float("inf")


def _counted(told: Sequence[Told]) -> dict[tuple[str, str, str], int]:
    seen = [(each.kind, each.verdict, each.said[:300]) for each in told]
    return {each: seen.count(each) for each in dict.fromkeys(seen)}


@contextmanager
def people_asking(people: People) -> Iterator[None]:
    """Have them ask without pause inside the block."""
    stop = threading.Event()

    def go_on(kinds: Iterator[str]) -> None:
        while not stop.is_set():
            people.told.append(told := people.ask(next(kinds)))
            if told.verdict == AWAY:
                stop.wait(PAUSE_SECONDS)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        # Each begins with another kind, so that no kind waits for a slow one.
        asking = [
            pool.submit(go_on, itertools.islice(itertools.cycle(KINDS), start, None))
            for start in range(AT_ONCE)
        ]
        try:
            yield
        finally:
            stop.set()
        for each in asking:
            each.result(timeout=PATIENCE_SECONDS)


BY_US: Final = 'admission webhook "validate.landwaiter.dev" denied the request'
NOT_ASKED: Final = "failed calling webhook"


def _verdict(answer: Answer, said: str) -> str:
    """Return what an answer means; one that only the API server has given is none of ours."""
    if answer.status == HTTPStatus.CREATED:
        return ADMITTED
    if BY_US in said:
        verdicts = {HTTPStatus.FORBIDDEN: REFUSED, HTTPStatus.SERVICE_UNAVAILABLE: UNDECIDED}
        return verdicts[HTTPStatus(answer.status)]
    return UNREACHED if NOT_ASKED in said else AWAY
