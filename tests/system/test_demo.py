"""The demo does what the README promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[1] / "demo" / "run.py"
FOLDER_PREFIX = "landwaiter-demo-"
FEWEST_STEPS = 10


def processes_of_the_demo() -> list[str]:
    """Return the commands of all processes that work in a folder of the demo."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if FOLDER_PREFIX in command:
            found.append(command)
    return found


def test_every_step_of_the_demo_is_as_expected_and_no_process_is_left(tmp_path: Path) -> None:
    """It applies at least ten manifests, ends with 0 only when all match, and cleans up."""
    answer = subprocess.run(
        [sys.executable, str(DEMO)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-2000:]
    counted = re.search(r"^(\d+) of (\d+) as expected", answer.stdout, re.MULTILINE)
    assert counted is not None
    assert counted[1] == counted[2]
    assert int(counted[1]) >= FEWEST_STEPS
    assert [] == processes_of_the_demo()
    assert [] == list(tmp_path.iterdir())
