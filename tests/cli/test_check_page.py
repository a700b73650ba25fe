"""docs/check.md shows what is really printed, and what really works."""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from cli.manifests import run, written
from cli.packaging import ROOT

PAGE = (ROOT / "docs" / "check.md").read_text("utf-8")
BLOCK = re.compile(r"^```(?P<language>yaml|text)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
POLICIES = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: fixed-tags}
spec: {validationActions: [Deny], rules: {pinnedTags: {require: fixedTag}}}
---
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: registries}
spec:
  validationActions: [Warn]
  match: {images: [docker.io]}
  rules: {allowedRegistries: {allow: [registry.example.com/shop]}}
"""
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: registry.example.com/shop/web
        - name: proxy
          image: docker.io/envoyproxy/envoy:v1.31.2
"""


def shown(language: str, beginning: str) -> str:
    """Return the only block of the page that begins so."""
    (text,) = [
        block["text"]
        for block in BLOCK.finditer(PAGE)
        if block["language"] == language and block["text"].startswith(beginning)
    ]
    return text


def test_the_report_for_people_is_a_real_one(tmp_path: Path) -> None:
    """Word for word, for a manifest whose images stand in these lines."""
    folder = written(tmp_path / "policies" / "p.yaml", POLICIES).parent
    manifest = written(tmp_path / "manifests" / "web.yaml", MANIFEST)
    result = run("check", "--policies", folder, manifest)

    assert shown("text", "manifests/web.yaml") == result.stdout.replace(f"{tmp_path}/", "")


def test_the_keys_of_the_json_are_those_that_are_told(tmp_path: Path) -> None:
    """The page lists every key of an entry and of an image, in their order."""
    folder = written(tmp_path / "policies" / "p.yaml", POLICIES).parent
    result = run("check", "--output=json", "--policies", folder, stdin=MANIFEST)
    (entry,) = yaml.safe_load(result.stdout)
    told = [
        (line.startswith(" "), key)
        for line in shown("text", "source, line").splitlines()
        for key in re.split(
            r", *", line[2:23].strip() if line.startswith(" ") else line[:23].strip()
        )
    ]

    assert [key for is_below, key in told if not is_below] == list(entry)
    assert [key for is_below, key in told if is_below] == list(entry["images"][0])


def test_the_declared_cases_are_decided_as_is_declared(tmp_path: Path) -> None:
    """What is shown can be copied to the ready-made policies."""
    shutil.copy(ROOT / "deploy" / "policies" / "production.yaml", tmp_path)
    text = shown("yaml", "apiVersion: landwaiter.dev/v1alpha1\nkind: ImagePolicyTest")
    result = run("policies", "test", written(tmp_path / "tests" / "t.yaml", text))

    assert (0, "1 cases: 1 as declared, 0 not") == (
        result.exit_code,
        result.stdout.splitlines()[-1],
    )


def test_the_hooks_are_those_that_there_are() -> None:
    """Each hook is shown with what it needs to be told."""
    shown_hooks: list[dict[str, Any]] = yaml.safe_load(shown("yaml", "repos:"))["repos"][0]["hooks"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))

    assert [hook["id"] for hook in hooks] == [hook["id"] for hook in shown_hooks]
    assert [True] * len(hooks) == [bool(hook["args"]) for hook in shown_hooks]
