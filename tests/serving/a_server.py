"""
A server in a process of its own, for signals: the admission application with a judge that waits.

    python a_server.py CERTIFICATE KEY DRAIN_SECONDS DRAIN_TIMEOUT_SECONDS

Prints one line of JSON with its ports when it listens.
"""

import asyncio
import json
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from landwaiter.admission.handler import Handler
from landwaiter.admission.http import Gate, RequestLimits, admission_app
from landwaiter.images.reference import ShortNames
from landwaiter.policy.case import Case, Side
from landwaiter.rules.verdict import Verdict
from landwaiter.serving.health import Readiness
from landwaiter.serving.server import Ports, ServerSettings, run_on_uvloop, serve
from landwaiter.telemetry.logging import configure_logging
from landwaiter.telemetry.metrics import Metrics, ServingMetrics


class Thinking:
    """Takes as long as a verification does."""

    async def judge(self, case: Case, side: Side) -> Verdict:
        await asyncio.sleep(0.05)
        return Verdict()

    def at_once(self, case: Case, side: Side) -> Verdict | None:
        return None


def tell(ports: Ports) -> None:
    line = json.dumps({"admission": ports.admission, "metrics": ports.metrics})
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(certificate: str, key: str, drain: str, drain_timeout: str) -> None:
    registry = CollectorRegistry()
    metrics, serving_metrics = Metrics(registry), ServingMetrics(registry)
    handler = Handler(judge=Thinking(), short_names=ShortNames.DOCKER_HUB, metrics=metrics)
    settings = ServerSettings(
        tls_cert=Path(certificate),
        tls_key=Path(key),
        host="127.0.0.1",
        port=0,
        metrics_port=0,
        drain_seconds=float(drain),
        drain_timeout_seconds=float(drain_timeout),
    )
    await serve(
        admission_app(Gate(handler=handler, limits=RequestLimits(), metrics=metrics)),
        settings,
        readiness=Readiness({}, serving_metrics),
        metrics=serving_metrics,
        registry=registry,
        on_started=tell,
    )


if __name__ == "__main__":
    configure_logging(level="WARNING")
    run_on_uvloop(main(*sys.argv[1:]))
