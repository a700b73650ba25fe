"""
Renders the chart for those who use no Helm, into `deploy/landwaiter.yaml`.

Run this file to write it anew (`make generate`); a test fails when it is out of date.
"""

import re
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":  # Run as a file: Python has put this folder on its path, not its parent.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from realparts.helm import NAMESPACE, Helm

FILE = Path(__file__).resolve().parents[2] / "deploy" / "landwaiter.yaml"
REGISTRY = "registry.example.com"
OF_HELM = re.compile(r"^ *(?:helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)
SOURCES = re.compile(r"^# Source: .*\n", re.MULTILINE)
HEAD = f"""\
# Landwaiter without Helm. Generated from charts/landwaiter by `make generate`; do not edit.
#
# Put the name of your image in the place of {REGISTRY}/landwaiter, and your policies
# into the ConfigMap landwaiter-policies: docs/install.md. Then
#   kubectl apply -f deploy/landwaiter.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def plain_manifests(helm: Helm) -> str:
    """Return the text of the file."""
    rendered = helm.rendered({"image": {"registry": REGISTRY}})
    return HEAD + SOURCES.sub("", OF_HELM.sub("", rendered))


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        FILE.write_text(plain_manifests(Helm(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
