"""
`landwaiter` with certificates that live for seconds, so that a test can see them renewed.

    python -P short_lived.py serve OPTIONS

The variable in `LIFETIME` says for how many seconds, if 15 are not what is wanted.

`-P` keeps the folder of this file from being searched for `landwaiter`.
"""

import importlib
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

from landwaiter.cli import main
from landwaiter.tls.rotation import RotationTimes
from landwaiter.wiring.application import InstallSettings, run

LIFETIME = "LANDWAITER_TESTS_LIFETIME_SECONDS"
TIMES = RotationTimes(
    lifetime=timedelta(seconds=float(os.environ.get(LIFETIME, "15"))),
    trusted_after=timedelta(seconds=1),
    forgotten_after=timedelta(seconds=4),
)
POLL_SECONDS = 0.2


def run_short(settings: InstallSettings) -> None:
    server = replace(settings.server, certificate_poll_seconds=POLL_SECONDS)
    run(replace(settings, server=server, rotation=TIMES))


if __name__ == "__main__":
    serve: Any = importlib.import_module("landwaiter.cli.serve")
    serve.run = run_short
    main()
