"""
A load in a process of its own: reviews posted as the API server posts them, each answer checked.

    python program.py FOLDER SECONDS_AT_MOST

Reads `orders.json` again and again and writes `report.json` (see `orders`). Ends when it is told
to, or when its time is over. A connection goes to the next process in turn, trusts the CAs of the
moment, is used for some reviews, and is given up when its answer says so; nothing is tried twice.
"""

import asyncio
import itertools
import json
import math
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import uvloop

from load.checking import Seen, problem_with
from load.generations import Asked, Question, filled
from load.orders import QUESTIONS, REPORT, APIAddress, Orders, Report, read_orders, write
from serving.clients import Client

WORKERS: Final = 24
API_WORKERS: Final = 2
API_PAUSE_SECONDS: Final = 0.1
REVIEWS_A_CONNECTION: Final = 100
BEHIND_SECONDS: Final = 1.0
"""A load that cannot keep up leaves out what was due longer ago than this, and says so."""
ORDERS_SECONDS: Final = 0.05
REPORT_SECONDS: Final = 0.05
REASONS_MAX: Final = 30
JSON: Final = {"content-type": "application/json"}
STEP: Final = 1.05
"""Latencies are counted in steps of five per cent, from a tenth of a millisecond on."""
FIRST_STEP_SECONDS: Final = 0.0001


@dataclass(slots=True)
class Phase:
    """Figures since one kind of load began."""

    name: str
    began: float
    answered: int = 0
    steps: Counter[int] = field(default_factory=Counter)

    def note(self, seconds: float) -> None:
        self.answered += 1
        self.steps[max(0, math.ceil(math.log(seconds / FIRST_STEP_SECONDS, STEP)))] += 1

    def milliseconds(self, share: float) -> float:
        """Return within how many milliseconds a share of the answers came."""
        wanted, seen = share * self.answered, 0
        for step in sorted(self.steps):
            seen += self.steps[step]
            if seen >= wanted:
                return round(1000 * FIRST_STEP_SECONDS * STEP**step, 2)
        return 0.0


class Load:
    """Workers that post, and what they have seen."""

    def __init__(self, folder: Path, questions: Sequence[Asked], api: APIAddress | None) -> None:
        self._folder = folder
        self._api = api
        self._orders = read_orders(folder)
        self._direct = _in_turn(each for each in questions if not each.question.to_api)
        self._by_api = [each for each in questions if each.question.to_api]
        self._turn = 0
        self._numbers = itertools.count(1)
        self._seen: dict[int, Seen] = {}
        self._kinds: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._handshakes = 0
        self._passed_over = 0
        self._phase = Phase(self._orders.phase, time.monotonic())
        self._due = time.monotonic()

    async def run(self, seconds_at_most: float) -> None:
        """Post until told to stop, or until the time is over."""
        end = time.monotonic() + seconds_at_most
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._post_directly())
            if self._api is not None and self._by_api:
                for _ in range(API_WORKERS):
                    group.create_task(self._create_pods(self._api))
            reporting = group.create_task(self._report_often())
            while not self._orders.stop and time.monotonic() < end:
                await asyncio.sleep(ORDERS_SECONDS)
                self._take(read_orders(self._folder))
            reporting.cancel()
            self._take(Orders((), "", stop=True, phase=self._orders.phase))
        self._report(is_over=True)

    def _take(self, orders: Orders) -> None:
        if orders.phase != self._phase.name:
            self._phase = Phase(orders.phase, time.monotonic())
            self._due = time.monotonic()
        self._orders = orders

    async def _until_due(self) -> float:
        """Wait for the next request's time and return it."""
        now = time.monotonic()
        if self._orders.rate is None:
            return now
        if self._due < now - BEHIND_SECONDS:
            late = math.ceil((now - BEHIND_SECONDS - self._due) * self._orders.rate)
            self._passed_over += late
            self._due += late / self._orders.rate
        due = self._due
        self._due += 1 / self._orders.rate
        await asyncio.sleep(max(0.0, due - now))
        return due

    async def _post_directly(self) -> None:
        while not self._orders.stop:
            self._turn += 1
            port = self._orders.ports[self._turn % len(self._orders.ports)]
            try:
                # The API server makes one context for the bundle that its webhook object has.
                tls = ssl.create_default_context(cadata=self._orders.bundle)
                client = await Client.connect(port, tls)
            except OSError as problem:
                self._fail(f"no connection: {problem!r}")
                await self._until_due()
                continue
            self._handshakes += 1
            try:
                await self._use(client, port)
            finally:
                client.writer.close()

    async def _use(self, client: Client, port: int) -> None:
        """Post one review after the other, as long as the connection is good for it."""
        seen = self._seen.setdefault(port, Seen())
        for _ in range(REVIEWS_A_CONNECTION):
            due = await self._until_due()
            if self._orders.stop:
                return
            asked, number, at_least = next(self._direct), next(self._numbers), seen.newest
            body = filled(asked.question.body, number).encode()
            try:
                answer = await client.ask(asked.question.path, body, headers=JSON)
            except (OSError, EOFError, TimeoutError) as problem:
                self._fail(f"no answer: {problem!r}")
                return
            text = answer.body.decode()
            if answer.status != 200:
                self._fail(f"HTTP {answer.status}: {text}")
            elif problem_found := problem_with(asked, text, number, seen, at_least=at_least):
                self._fail(f"{asked.question.kind} {problem_found}")
            self._note(asked.question, time.monotonic() - due)
            if answer.is_last:
                return

    async def _create_pods(self, api: APIAddress) -> None:
        tls = ssl.create_default_context(cafile=api.ca_file)
        headers = {"Authorization": f"Bearer {api.token}"}
        questions = _in_turn(self._by_api)
        async with aiohttp.ClientSession(headers=headers) as session:
            while not self._orders.stop:
                asked, number = next(questions), next(self._numbers)
                pod = json.loads(filled(asked.question.body, number))
                begin = time.monotonic()
                try:
                    async with session.post(api.url, json=pod, ssl=tls) as response:
                        told = told_by_api(response.status, await response.json())
                except (aiohttp.ClientError, OSError, TimeoutError) as problem:
                    self._fail(f"no answer of the API server: {problem!r}")
                    continue
                # Which of the processes it has asked is not known: any set may be the newest.
                if problem_found := problem_with(asked, told, number, Seen(), at_least=0):
                    self._fail(f"{asked.question.kind} {problem_found}")
                self._note(asked.question, time.monotonic() - begin)
                await asyncio.sleep(API_PAUSE_SECONDS)

    def _note(self, question: Question, seconds: float) -> None:
        self._kinds[question.kind] += 1
        if not question.to_api:
            self._phase.note(max(seconds, FIRST_STEP_SECONDS))

    def _fail(self, reason: str) -> None:
        known = reason in self._failed or len(self._failed) < REASONS_MAX
        self._failed[reason if known else "of other reasons"] += 1

    async def _report_often(self) -> None:
        while True:
            self._report(is_over=False)
            await asyncio.sleep(REPORT_SECONDS)

    def _report(self, *, is_over: bool) -> None:
        report = Report(
            kinds=dict(self._kinds),
            failed=dict(self._failed),
            newest={str(port): seen.newest for port, seen in self._seen.items()},
            sets=len(set().union(*(seen.sets for seen in self._seen.values()))),
            handshakes=self._handshakes,
            passed_over=self._passed_over,
            is_over=is_over,
            phase=self._phase.name,
            seconds=time.monotonic() - self._phase.began,
            answered=self._phase.answered,
            milliseconds={f"p{share:g}": self._phase.milliseconds(share / 100) for share in SHARES},
        )
        write(self._folder / REPORT, asdict(report))


SHARES: Final = (50, 99, 99.9, 100)


def told_by_api(status: int, body: dict[str, object]) -> str:
    """Return what of the API server's answer the webhook decides."""
    return json.dumps({"status": status, "message": body.get("message", "")})


def _in_turn(questions: "Iterator[Asked] | Sequence[Asked]") -> Iterator[Asked]:
    """Return the questions without end, each as often as its share says."""
    return itertools.cycle([each for each in questions for _ in range(each.question.share)])


def read_questions(folder: Path) -> tuple[list[Asked], APIAddress | None]:
    """Return what is to be asked, and the API server, if one is to be asked."""
    found = json.loads((folder / QUESTIONS).read_text("utf-8"))
    questions = [
        Asked(Question(**each["question"]), tuple(each["answers"])) for each in found["questions"]
    ]
    return questions, APIAddress(**found["api"]) if found["api"] else None


def main(folder: Path, seconds_at_most: float) -> None:
    """Run a load in a folder."""
    questions, api = read_questions(folder)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Load(folder, questions, api).run(seconds_at_most))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
