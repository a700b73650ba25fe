"""
What a server has loaded at rest: the libraries that it uses, and none that only others need.

Python itself tells what it imports. `docs/performance.md` says what that is about.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.pod import PodLandwaiter, hidden_packages
from realparts.control_plane import ControlPlane

A_POLICY = {
    "apiVersion": "landwaiter.dev/v1alpha1",
    "kind": "ClusterImagePolicy",
    "metadata": {"name": "pinned"},
    "spec": {"validationActions": ["Deny"], "rules": {"pinnedTags": {"require": "digest"}}},
}
IMPORTED = re.compile(r"(?m)^import time: .*\| +(?P<module>\S+)$")
LEFT_OUT = {
    "aiohttp.web_app": "applications of aiohttp's server",
    "cel_expr_python": "matchConditions, in a process of their own",
    "kubernetes": "a kubeconfig",
    "landwaiter.cli.check": "another verb",
    "landwaiter.cli.doctor": "another verb",
    "landwaiter.cli.policies": "another verb",
    "oauthlib": "a kubeconfig",
    "opentelemetry.sdk": "--otlp-endpoint",
    "re2": "an expression of an identity",
    "requests": "a kubeconfig",
    "rfc3161_client": "a timestamp",
    "tuf": "a root that a repository distributes",
}
"""Modules, and what would want them."""


def test_a_plain_server_has_loaded_nothing_that_it_does_not_use(
    tmp_path: Path, control_plane: ControlPlane
) -> None:
    """What a feature needs is loaded with the feature: it takes memory of every replica."""
    with PodLandwaiter(
        tmp_path,
        policies=json.dumps(A_POLICY),
        cluster=control_plane,
        environment={"PYTHONPROFILEIMPORTTIME": "1"},
    ) as server:
        log = server.log.read_text("utf-8")
    loaded = {found["module"] for found in IMPORTED.finditer(log)}

    assert {"landwaiter.wiring.application", "aiohttp.web_server", "uvicorn"} <= loaded
    assert [] == sorted(set(LEFT_OUT) & loaded)


KUBECONFIG = """
from pathlib import Path
from landwaiter.cluster.transport import ApiTransport
ApiTransport.connect(Path(sys.argv[1])).close()
"""
EXPRESSION = """
from landwaiter.identities import Name
Name.matching(".*@example.com")
"""
VERB = """
from landwaiter.cli import main
main(["policies", "schema"], standalone_mode=False)
"""


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        (KUBECONFIG, {"kubernetes", "oauthlib", "requests"}),
        (EXPRESSION, {"re2"}),
        (VERB, {"landwaiter.cli.policies"}),
    ],
    ids=["kubeconfig", "expression", "verb"],
)
def test_what_a_feature_needs_is_loaded_with_it(
    tmp_path: Path, program: str, wanted: set[str]
) -> None:
    """A module that nothing loads any more does not belong on the list."""
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(a_kubeconfig()))
    shown = "import sys, json\n" + program + "\nprint(json.dumps(list(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", shown, str(file)], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(ended.stdout.splitlines()[-1]))

    assert wanted == set(LEFT_OUT) & loaded


def a_kubeconfig() -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "hunter2"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def test_what_only_development_needs_is_hidden() -> None:
    """The bench measures what the image has, and libraries load others where they find them."""
    hidden = set(hidden_packages())

    assert {"pytest", "rich", "ruff"} <= hidden
    assert set() == hidden & {"aiohttp", "click", "kubernetes", "landwaiter", "opentelemetry"}
