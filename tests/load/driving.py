"""
Starts a load in its own process, gives it orders and reads what it reports.

The answers that it checks by are learned first, at rest: one by an even set and one by an odd one.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from load import program
from load.generations import Asked
from load.orders import QUESTIONS, APIAddress, Orders, Report, read_report, write, write_orders
from realparts.processes import ChildProcess, wait_until

ROOT = Path(__file__).parents[2]
REPORT_SECONDS = 20.0


class Driver:
    """A load, from `with` to its end; `order` may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        questions: Sequence[Asked],
        orders: Orders,
        *,
        seconds_at_most: float,
        api: APIAddress | None = None,
    ) -> None:
        folder.mkdir()
        self._folder = folder
        self._orders = orders
        self._lock = Lock()
        self._seconds_at_most = seconds_at_most
        self._process: ChildProcess | None = None
        known = [asdict(each) for each in questions]
        write(folder / QUESTIONS, {"questions": known, "api": asdict(api) if api else None})
        write_orders(folder, orders)

    def order(self, **changes: Any) -> None:  # noqa: ANN401  # Fields of `Orders`.
        """Change some of the orders."""
        with self._lock:
            self._orders = replace(self._orders, **changes)
            write_orders(self._folder, self._orders)

    @property
    def ports(self) -> tuple[int, ...]:
        """Return the processes that new connections go to."""
        return self._orders.ports

    def report(self) -> Report:
        """Return the last report; raises `RuntimeError` where the load has ended by itself."""
        found = read_report(self._folder)
        if found is None or (self._process is not None and not self._process.is_running):
            log = (self._folder / "load.log").read_text("utf-8")
            raise RuntimeError(f"the load has ended: {found}\n{log}")
        return found

    def finish(self) -> Report:
        """Let the load end; return its last report."""
        self.order(stop=True)
        wait_until(self._is_over, within_seconds=REPORT_SECONDS, what="the end of the load")
        found = read_report(self._folder)
        assert found is not None
        return found

    def _is_over(self) -> bool:
        found = read_report(self._folder)
        return found is not None and found.is_over

    def __enter__(self) -> Self:
        self._process = ChildProcess(
            "load",
            [sys.executable, program.__file__, self._folder, str(self._seconds_at_most)],
            log=self._folder / "load.log",
            environment={"PATH": os.defpath, "PYTHONPATH": f"{ROOT / 'app'}:{ROOT / 'tests'}"},
        )
        try:
            self._process.wait_until_ready(
                lambda: read_report(self._folder) is not None, within_seconds=REPORT_SECONDS
            )
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
