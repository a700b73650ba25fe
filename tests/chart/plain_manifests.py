"""
Renders the chart for those who use no Helm, into `deploy/`.

Run this file to write all of it anew (`make generate`); a test fails when it is out of date.
"""

import re
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":  # Run as a file: Python has put this folder on its path, not its parent.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from realparts.helm import NAMESPACE, Helm

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
REGISTRY = "registry.example.com"
OF_HELM = re.compile(r"^ *(?:helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)
SOURCES = re.compile(r"^# Source: .*\n", re.MULTILINE)
GENERATED = "Generated from charts/landwaiter by `make generate`; do not edit."
DEFINITIONS_HEAD = f"""\
# The kinds of policies and exceptions. {GENERATED}
# Whoever deletes them deletes all policies and exceptions of the cluster.
"""
HEAD = f"""\
# Landwaiter without Helm. {GENERATED}
#
# Put the name of your image in the place of {REGISTRY}/landwaiter, and your policies
# into the ConfigMap landwaiter-policies: docs/install.md. Then
#   kubectl apply --server-side -f deploy/definitions.yaml
#   kubectl apply -f deploy/landwaiter.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def plain_manifests(helm: Helm) -> dict[Path, str]:
    """Return the text of each file."""
    only = ["--show-only=templates/definitions.yaml"]
    definitions = helm.rendered({"clusterPolicies": {"keepDefinitions": False}}, arguments=only)
    values = {"image": {"registry": REGISTRY}, "clusterPolicies": {"installDefinitions": False}}
    return {
        DEPLOY / "definitions.yaml": DEFINITIONS_HEAD + _plain(definitions),
        DEPLOY / "landwaiter.yaml": HEAD + _plain(helm.rendered(values)),
    }


def _plain(rendered: str) -> str:
    return SOURCES.sub("", OF_HELM.sub("", rendered))


def main() -> None:
    """Write the files."""
    with tempfile.TemporaryDirectory() as folder:
        for file, text in plain_manifests(Helm(Path(folder))).items():
            file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
