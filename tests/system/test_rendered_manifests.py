"""What Helm and kustomize render is piped into `landwaiter check`, as in anybody's pipeline."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from realparts.install import ensure
from realparts.processes import run

SECONDS = 60.0
POLICY = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: pinned}
spec:
  validationActions: [Deny]
  rules: {pinnedTags: {require: fixedTag}}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: registry.example.com/shop/web
"""
CHART = {
    "Chart.yaml": "{apiVersion: v2, name: shop, version: 1.0.0}\n",
    "values.yaml": "image: {name: registry.example.com/shop/web, tag: latest}\nproxy: envoy:1.31\n",
    "templates/_names.tpl": '{{- define "shop.image" }}{{ .Values.image.name }}:'
    "{{ .Values.image.tag }}{{ end -}}\n",
    "templates/config.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: none}}\n",
    "templates/empty.yaml": "{{- if .Values.never }}\nkind: Nothing\n{{- end }}\n",
    "templates/web.yaml": DEPLOYMENT.replace(
        "registry.example.com/shop/web",
        '{{ include "shop.image" . | quote }}\n        - {name: proxy, image: {{ .Values.proxy }}}',
    ).replace("web\nspec", "{{ .Release.Name }}-web\n  namespace: {{ .Release.Namespace }}\nspec"),
    "templates/tests/try.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: try\n"
    "  annotations: {helm.sh/hook: test}\nspec: {containers: [{name: try, image: busybox}]}\n",
    "crds/things.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
    "metadata: {name: things.example.com}\n",
}


def command(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run(
        arguments,
        environment={"HOME": str(folder), "PATH": os.defpath},
        timeout_seconds=SECONDS,
        directory=folder,
    )


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str, Sequence[str]], str]:
    """Give what a check of standard input says; it has to refuse something."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "pinned.yaml").write_text(POLICY)

    def checked(rendered: str, arguments: Sequence[str]) -> str:
        ended = run(
            [
                *(sys.executable, "-m", "landwaiter", "check"),
                *("--policies=policies", *arguments, "-"),
            ],
            environment={"HOME": str(tmp_path), "PATH": os.defpath},
            timeout_seconds=SECONDS,
            directory=tmp_path,
            stdin=rendered,
            check=False,
        )
        assert (1, "") == (ended.returncode, ended.stderr)
        return ended.stdout

    return checked


def test_a_helm_chart_is_judged_as_it_is_rendered(
    tmp_path: Path, check: Callable[[str, Sequence[str]], str]
) -> None:
    """Each refused image is told with the line of the rendered text that names it."""
    for name, text in CHART.items():
        (tmp_path / "chart" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "chart" / name).write_text(text)
    rendered = command(
        tmp_path,
        *(ensure(["helm"])["helm"], "template", "live", "chart"),
        *("--namespace=shop", "--include-crds"),
    ).stdout
    found = json.loads(check(rendered, ["--output=json"]))

    lines = rendered.splitlines()
    assert [
        ("Deployment", "shop", "live-web", "deny"),
        ("Pod", "default", "try", "deny"),
    ] == [(each["kind"], each["namespace"], each["name"], each["decision"]) for each in found]
    assert [
        ('image: "registry.example.com/shop/web:latest"', 1),
        ("- {name: proxy, image: envoy:1.31}", 0),
        ("spec: {containers: [{name: try, image: busybox}]}", 1),
    ] == [
        (lines[image["line"] - 1].strip(), len(image["violations"]))
        for each in found
        for image in each["images"]
    ]


def test_a_kustomization_is_judged_as_it_is_built(
    tmp_path: Path, check: Callable[[str, Sequence[str]], str]
) -> None:
    """What an overlay changes counts, and nothing of the base beside it."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "web.yaml").write_text(DEPLOYMENT)
    (tmp_path / "base" / "kustomization.yaml").write_text("resources: [web.yaml]\n")
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "kustomization.yaml").write_text(
        "resources: [../base]\nnamespace: staging\nimages:\n"
        "- {name: registry.example.com/shop/web, newTag: latest}\n"
    )
    kubectl = ensure(["kubectl"])["kubectl"]
    rendered = command(tmp_path, kubectl, "kustomize", "overlay").stdout
    report = check(rendered, [])

    line = next(
        number for number, line in enumerate(rendered.splitlines(), 1) if "shop/web:latest" in line
    )
    assert (
        f"""\
<stdin>:1: Deployment staging/web: refused
The image in Deployment staging/web is refused:

spec.template.spec.containers[0].image (container app): registry.example.com/shop/web:latest
  at <stdin>:{line}
  ✗ pinnedTags (policy pinned): tag "latest" floats; a fixed tag or a digest is wanted
    → name a version that stays, or add the digest: NAME:TAG@sha256:...

1 checked: 0 admitted, 1 refused, 0 undecided
"""
        == report
    )
