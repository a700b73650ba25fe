"""Policies and manifests as text, written where the command line can be told of them."""

import os
from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner, Result

from landwaiter.cli import main

A_DIGEST = "sha256:" + "a" * 64

PINNED = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: pinned}
spec:
  validationActions: [Deny]
  rules: {pinnedTags: {require: digest}}
"""
PULLABLE = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: pullable}
spec:
  validationActions: [Deny]
  rules: {pullSecrets: {requireFor: [r.example.com]}}
"""
PRODUCTION = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: production}
spec:
  validationActions: [Deny]
  match: {namespaceSelector: {matchLabels: {env: production}}}
  rules: {pinnedTags: {require: digest}}
"""

GOOD = f"r.example.com/app@{A_DIGEST}"
BAD = "r.example.com/app:1"


def pod(image: str, *, name: str = "web", metadata: str = "") -> str:
    """Return the manifest of a Pod; `metadata` is added to its own."""
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}{metadata}}}\n"
        f'spec: {{containers: [{{name: app, image: "{image}"}}]}}\n'
    )


def written(file: Path, text: str) -> Path:
    """Write a file, in folders that are made where they are missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def policies(folder: Path, *documents: str) -> Path:
    """Write policies and return their folder."""
    written(folder / "policies" / "all.yaml", "---\n".join(documents))
    return folder / "policies"


def run(
    *arguments: str | Path, stdin: str | bytes = "", environment: Sequence[tuple[str, str]] = ()
) -> Result:
    """
    Run the command with nothing of Landwaiter in the environment but what is given.

    A crash, which click's runner would take for exit code 1, is raised.
    """
    variables: dict[str, str | None] = {
        name: None for name in os.environ if name.startswith("LANDWAITER_")
    }
    result = CliRunner().invoke(
        main, [str(each) for each in arguments], input=stdin, env=variables | dict(environment)
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
