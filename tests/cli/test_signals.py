"""Each verb hears SIGTERM from its first moment on, also as the first process of a container."""

import json
import os
import signal
import sys
from pathlib import Path

from realparts.processes import ChildProcess, free_port, wait_until

POLICY = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: digest}
spec:
  validationActions: [Audit]
  rules: {pinnedTags: {require: digest}}
"""


def handles_sigterm(process: int) -> bool:
    """Whether a process has a handler, without which the first one of a container hears nothing."""
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    (caught,) = (each for each in status.splitlines() if each.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def ended(folder: Path, *arguments: str | Path, when: str) -> tuple[int | None, str]:
    """Start a verb, end it when its log has a text, and return its exit code and the log."""
    log = folder / "log"
    with ChildProcess(
        "landwaiter",
        [sys.executable, *arguments],
        log=log,
        environment={"PATH": os.defpath, "PYTHONUNBUFFERED": "1"},
        directory=folder,
    ) as child:
        wait_until(
            lambda: handles_sigterm(child.pid) and when in log.read_text("utf-8"),
            within_seconds=60,
            what=f"a handler, and {when!r}",
        )
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(within_seconds=10)
    return child.exit_code, log.read_text("utf-8")


def test_sigterm_is_heard_while_everything_is_imported(tmp_path: Path) -> None:
    """Which takes a second or more; the exit code is no verdict."""
    code, _ = ended(tmp_path, "-v", "-m", "landwaiter", "serve", when="import 'click'")

    assert 143 == code


def test_sigterm_is_heard_while_the_cluster_is_waited_for(tmp_path: Path) -> None:
    """Nothing is served yet, and nobody has to be waited for."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(POLICY)
    cluster = {"server": f"https://127.0.0.1:{free_port()}"}
    context = {"cluster": "c", "user": "u"}
    document = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": context}],
        "current-context": "c",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(document))
    code, log = ended(
        tmp_path,
        *("-m", "landwaiter", "serve", "--kubeconfig=kubeconfig", "--policies=policies"),
        *("--policies-from-cluster", "--own-namespace=lw", "--tls-secret=t"),
        *("--webhook-name=lw", "--webhook-url=https://127.0.0.1:1", "--last-good-set=lw/kept"),
        *("--port=0", "--metrics-port=0", "--host=127.0.0.1"),
        when="no last good documents of the cluster",
    )

    assert (0, False) == (code, "Traceback" in log)
