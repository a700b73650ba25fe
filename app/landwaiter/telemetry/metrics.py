"""
Metrics: every name, label and label value is decided here.

A label value is either from a closed set, anything else counting as `other`, a word that stands in
the code, or the name of a policy or an exception. These are bounded, so that nothing can make the
number of series grow without end; those of namespaces, which others than admins may write, have a
bound of their own, so that they take no place from the cluster's. None is taken from a request. The
registry is handed in, so that two servers in one process, as in the tests, do not count each
other's requests.
"""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SIDES: Final = ("enforce", "observe")
DECISIONS: Final = ("allow", "deny", "undecided")
ACTIONS: Final = ("Deny", "Warn", "Audit")
OUTCOMES: Final = ("violation", "undecided", "let through", "stale", "excepted")
HTTP_REFUSALS: Final = (
    "content type",
    "timeout parameter",
    "too large",
    "too slow",
    "not a review",
    "overloaded",
)
CONNECTION_ENDS: Final = (
    "client name",
    "too many",
    "slow head",
    "long head",
    "slow request",
    "evicted",
)
RELOADS: Final = ("loaded", "refused")
OTHER: Final = "other"

POLICY_NAMES_LIMIT: Final = 500
"""Findings of further policies count as `other`; the benchmark's largest set has 200."""

EXCEPTION_NAMES_LIMIT: Final = 500
"""Of exceptions, which come and go; what further ones lift counts as `other`."""

CAUSES_LIMIT: Final = 100
"""Of the reasons that stand in the code, of which there are some thirty."""

REQUEST_BUCKETS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
"""In seconds: from a warm decision to the longest timeout that a webhook can have."""


DEADLINE_BUCKETS: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""In seconds that are left of a deadline when its answer goes out; 0 for an answer too late."""


def closed(value: str, among: Iterable[str]) -> str:
    """Return the value if it is one of the set, else `other`."""
    return value if value in among else OTHER


class _Names:
    """The first names of the cluster, and the first of namespaces, each up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of_cluster: set[str] = set()
        self._of_namespaces: set[str] = set()

    def bounded(self, name: str) -> str:
        """Return the name if it is one of the first, else `other`."""
        names = self._of_namespaces if "/" in name else self._of_cluster
        if name not in names:
            if len(names) >= self._limit:
                return OTHER
            names.add(name)
        return name


class Metrics:
    """Everything that is counted, registered in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._policy_names = _Names(POLICY_NAMES_LIMIT)
        self._exception_names = _Names(EXCEPTION_NAMES_LIMIT)
        self._causes = _Names(CAUSES_LIMIT)
        self._decisions = Counter(
            "landwaiter_decisions",
            "Reviews answered, by path and by what was decided.",
            ("side", "decision"),
            registry=registry,
        )
        self._findings = Counter(
            "landwaiter_findings",
            "What rules found about images: violations, undecided that blocked, "
            "undecided that failurePolicy Ignore let through, and what exceptions lifted.",
            ("policy", "rule", "action", "outcome", "cause"),
            registry=registry,
        )
        self._exceptions_used = Counter(
            "landwaiter_exceptions_used",
            "Findings that an exception lifted.",
            ("exception", "policy", "rule"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "landwaiter_request_seconds",
            "Time from the first byte of a request to its answer.",
            ("side",),
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self._deadline_left = Histogram(
            "landwaiter_deadline_left_seconds",
            "What was left of a request's deadline when its answer was ready; 0 when it was late.",
            ("side",),
            buckets=DEADLINE_BUCKETS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "landwaiter_requests_in_flight", "Reviews being judged.", registry=registry
        )
        self._body_bytes = Gauge(
            "landwaiter_body_bytes_held", "Request bodies in memory.", registry=registry
        )
        self._http_refusals = Counter(
            "landwaiter_http_refusals",
            "Requests answered with a 4xx or 5xx before there was a review to answer.",
            ("reason",),
            registry=registry,
        )
        self._handler_errors = Counter(
            "landwaiter_handler_errors",
            "Reviews answered as undecided because of a bug; the log has the traceback.",
            ("side",),
            registry=registry,
        )
        self._overruns = Counter(
            "landwaiter_judge_overruns",
            "Reviews answered at their deadline although the judging had not returned.",
            ("side",),
            registry=registry,
        )
        for side in SIDES:
            self._handler_errors.labels(side)
            self._overruns.labels(side)
            self._request_seconds.labels(side)
        # Looking a series up by its labels costs more than counting; these are in each answer.
        self._seconds_of = {side: self._request_seconds.labels(side) for side in (*SIDES, OTHER)}
        self._left_of = {side: self._deadline_left.labels(side) for side in (*SIDES, OTHER)}
        self._count_of = {
            (side, decision): self._decisions.labels(side, decision)
            for side in (*SIDES, OTHER)
            for decision in (*DECISIONS, OTHER)
        }
        for reason in HTTP_REFUSALS:
            self._http_refusals.labels(reason)

    def decided(self, *, side: str, decision: str) -> None:
        """Count one answered review."""
        self._count_of[closed(side, SIDES), closed(decision, DECISIONS)].inc()

    def found(self, *, policy: str, rule: str, action: str, outcome: str, cause: str) -> None:
        """
        Count one finding.

        `rule` is the id of a rule in the code and `cause` a reason that it gives, never a text of
        a request.
        """
        self._findings.labels(
            self._policy_names.bounded(policy),
            rule,
            closed(action, ACTIONS),
            closed(outcome, OUTCOMES),
            self._causes.bounded(cause),
        ).inc()

    def excepted(self, *, exception: str, policy: str, rule: str) -> None:
        """Count one finding that an exception lifted."""
        self._exceptions_used.labels(
            self._exception_names.bounded(exception), self._policy_names.bounded(policy), rule
        ).inc()

    def answered(self, *, side: str, seconds: float, left_seconds: float) -> None:
        """Observe how long a request took, and what it left of its deadline."""
        known = closed(side, SIDES)
        self._seconds_of[known].observe(seconds)
        self._left_of[known].observe(left_seconds)

    def watch(self, *, requests: Callable[[], float], body_bytes: Callable[[], float]) -> None:
        """Ask at each scrape how many reviews are being judged, and what is held of bodies."""
        self._in_flight.set_function(requests)
        self._body_bytes.set_function(body_bytes)

    def http_refused(self, reason: str) -> None:
        """Count a request that was refused before it was a review."""
        self._http_refusals.labels(closed(reason, HTTP_REFUSALS)).inc()

    def handler_failed(self, *, side: str) -> None:
        """Count a review that a bug kept from being judged."""
        self._handler_errors.labels(closed(side, SIDES)).inc()

    def overran(self, *, side: str) -> None:
        """Count a review whose judging did not return by the deadline."""
        self._overruns.labels(closed(side, SIDES)).inc()


class ServingMetrics:
    """What the listeners count: connections, certificates, readiness."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connections = Gauge(
            "landwaiter_connections", "Open connections on the admission port.", registry=registry
        )
        self._connections_ended = Counter(
            "landwaiter_connections_ended",
            "Connections that this side ended, by reason.",
            ("reason",),
            registry=registry,
        )
        self._ready = Gauge(
            "landwaiter_ready", "1 while /readyz says so, else 0.", registry=registry
        )
        self._certificate_expiry = Gauge(
            "landwaiter_certificate_expiry_timestamp_seconds",
            "When the serving certificate in use ends.",
            registry=registry,
        )
        self._certificate_begin = Gauge(
            "landwaiter_certificate_not_before_timestamp_seconds",
            "When the serving certificate in use begins.",
            registry=registry,
        )
        self._certificate_reloads = Counter(
            "landwaiter_certificate_reloads",
            "Changes of the certificate: loaded, or refused and the old one kept.",
            ("outcome",),
            registry=registry,
        )
        for reason in CONNECTION_ENDS:
            self._connections_ended.labels(reason)
        for outcome in RELOADS:
            self._certificate_reloads.labels(outcome)

    def connections(self, count: int) -> None:
        """Set the number of open connections."""
        self._connections.set(count)

    def connection_ended(self, reason: str) -> None:
        """Count a connection that this side ended."""
        self._connections_ended.labels(closed(reason, CONNECTION_ENDS)).inc()

    def ready(self, *, is_ready: bool) -> None:
        """Set what /readyz said last."""
        self._ready.set(1 if is_ready else 0)

    def certificate_loaded(self, *, begins: float, expires: float) -> None:
        """Note that a certificate came into use; both times are in seconds since the epoch."""
        self._certificate_reloads.labels("loaded").inc()
        self._certificate_begin.set(begins)
        self._certificate_expiry.set(expires)

    def certificate_refused(self) -> None:
        """Note that a changed certificate could not be used."""
        self._certificate_reloads.labels("refused").inc()
