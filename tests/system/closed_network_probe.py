"""
Checks manifests where there is no network but loopback; run by `test_closed_network.py`.

    SPECIFICATION.json holds `check`, the command, `registry`, the command that serves its images on
    loopback, and its `port`.

Prints in JSON how the check ended and what it printed, and which destinations somebody tried to
reach meanwhile.
"""

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from cosign.closed_network import Watch, close  # noqa: E402

READY_SECONDS = 20.0
CHECK_SECONDS = 60.0
POLL_SECONDS = 0.02


def wait_for(port: int) -> None:
    """Return once somebody listens on a port of loopback."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"nobody listens on port {port}")


def main(specification: Path) -> None:
    """Serve the images, check, and tell."""
    given = json.loads(specification.read_text(encoding="utf-8"))
    close()
    with subprocess.Popen(
        given["registry"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as (registry):
        try:
            wait_for(given["port"])
            with Watch() as watch:
                checked = subprocess.run(
                    given["check"],
                    check=False,
                    capture_output=True,
                    text=True,
                    timeout=CHECK_SECONDS,
                )
        finally:
            registry.kill()
    told = {
        "exit": checked.returncode,
        "printed": checked.stdout,
        "problems": checked.stderr,
        "destinations": sorted(watch.destinations),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
