"""The probes of a container, counted as the kubelet counts them."""

from collections.abc import Callable, Mapping
from typing import Any

from realparts.processes import http_status

GOOD = range(200, 400)


class Probe:
    """One probe by HTTP: how often, and after how many results in a row it changes its mind."""

    def __init__(
        self, spec: Mapping[str, Any], url: Callable[[Mapping[str, Any]], str], *, good: bool
    ) -> None:
        self._url = url(spec["httpGet"])
        self._period = spec["periodSeconds"]
        self._timeout = spec["timeoutSeconds"]
        self._wanted = {True: spec["successThreshold"], False: spec["failureThreshold"]}
        self._due = 0.0
        self._last = good
        self._in_a_row = 0
        self.is_good = good

    def look(self, now: float) -> None:
        """Ask if it is time to, and count."""
        if now < self._due:
            return
        self._due = now + self._period
        status = http_status(self._url, timeout_seconds=self._timeout)
        result = status is not None and status in GOOD
        self._in_a_row = self._in_a_row + 1 if result == self._last else 1
        self._last = result
        if self._in_a_row >= self._wanted[result]:
            self.is_good = result

    @property
    def has_failed(self) -> bool:
        """Whether it has failed as often as it may."""
        return not self._last and self._in_a_row >= self._wanted[False]
