"""Each value of the chart is described, does something, and is refused when it is wrong."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from chart.matrix import (
    A_CA,
    A_DIGEST,
    A_PROVIDER,
    CHANGED,
    GUARDED,
    INSTALLS,
    merged,
    nested,
    together,
)
from landwaiter import __version__
from realparts.helm import CHART, KUBE_VERSION, RELEASE, Helm
from repository.chart_values import SCHEMA, chart_values, schema_text

VALUES = [value.name for value in chart_values()]


def test_every_value_is_tried() -> None:
    """A new value comes with another one to try."""
    assert sorted(VALUES) == sorted(CHANGED)


def test_the_schema_knows_the_values_and_no_others() -> None:
    """What `values.yaml` has is in the schema, by hand, at every depth, and nothing else is."""
    schema = json.loads(SCHEMA.read_text("utf-8"))

    assert sorted([*VALUES, "global"]) == sorted(_leaves(schema, ()))


def _leaves(schema: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    name = ".".join(path)
    if name in VALUES or "properties" not in schema:
        return [name]
    assert schema["additionalProperties"] is False
    return [
        leaf for key, each in schema["properties"].items() for leaf in _leaves(each, (*path, key))
    ]


def test_the_schema_has_the_definitions_of_the_models() -> None:
    """What is generated in it is up to date; `make generate` writes it anew."""
    assert schema_text() == SCHEMA.read_text("utf-8")


def test_the_chart_installs_this_version() -> None:
    """The image that is pulled by default is that of the code beside it."""
    lines = (CHART / "Chart.yaml").read_text("utf-8").splitlines()

    assert {f"version: {__version__}", f"appVersion: {__version__}"} <= set(lines)


@pytest.mark.parametrize("path", VALUES)
def test_every_value_does_something(helm: Helm, path: str) -> None:
    """Another value gives another rendering."""
    before = together(path)

    assert helm.rendered(before) != helm.rendered(merged(before, nested(path, CHANGED[path])))


@pytest.mark.parametrize("install", [*INSTALLS, "guarded"])
def test_helm_finds_nothing_to_complain_about(helm: Helm, install: str) -> None:
    """`helm lint --strict` passes, its templates included."""
    values = INSTALLS.get(install, GUARDED)
    version = f"--kube-version={KUBE_VERSION}"
    said = helm.run("lint", "--strict", CHART, version, values=values)

    complaints = [line for line in said.stdout.splitlines() if line.startswith("[")]
    assert complaints == ["[INFO] Chart.yaml: icon is recommended"]


ONE_TYPO = {"metadata": {"name": "typo"}}
REFUSED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "an unknown value": ({"replica": 3}, "additional properties 'replica' not allowed"),
    "an unknown value inside": ({"image": {"name": "x"}}, "additional properties 'name' not"),
    "one Pod": ({"replicas": 1}, "minimum: got 1, want 2"),
    "one Pod of an autoscaler": ({"autoscaling": {"minReplicas": 1}}, "minimum: got 1, want 2"),
    "a number as text": ({"replicas": "3"}, "got string, want integer"),
    "a webhook timeout too long": ({"webhook": {"timeoutSeconds": 31}}, "maximum: got 31, want 30"),
    "a digest without algorithm": ({"image": {"digest": "a" * 64}}, "'/image/digest'"),
    "a tag with a digest in it": ({"image": {"tag": f"1@{A_DIGEST}"}}, "'/image/tag'"),
    "Deny with Warn": ({"guard": {"actions": ["Deny", "Warn"]}}, "'/guard/actions'"),
    "a place that is no host": ({"guard": {"images": ["library"]}}, "'/guard/images/0'"),
    "a certificate that is none": ({"clientAuth": {"ca": "ca.pem"}}, "'/clientAuth/ca'"),
    "a policy with a typo": (
        {"policies": [{**ONE_TYPO, "spec": {"rule": {}}}]},
        "additional properties 'rule' not allowed",
    ),
    "a registry with a typo": (
        {"registries": [{"host": "registry.example.com", "plainHttp": True}]},
        "additional properties 'plainHttp' not allowed",
    ),
    "an argument that is none": ({"extraArgs": ["serve"]}, "'/extraArgs/0'"),
}


def refusal(
    helm: Helm, values: Mapping[str, Any], version: str = KUBE_VERSION
) -> subprocess.CompletedProcess[str]:
    return helm.run(
        "template", RELEASE, CHART, f"--kube-version={version}", values=values, check=False
    )


@pytest.mark.parametrize("case", REFUSED)
def test_the_schema_refuses_what_is_wrong(helm: Helm, case: str) -> None:
    """Nothing is installed, and the message names the value and what is wanted."""
    values, expected = REFUSED[case]
    ended = refusal(helm, values)

    assert ended.returncode == 1
    assert expected in ended.stderr


DISAGREEING: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "a certificate of nobody": (
        {"tls": {"mode": "secret"}},
        "tls.secretName: wanted with tls.mode secret",
    ),
    "a certificate that is not used": (
        {"tls": {"secretName": "ours"}},
        "tls.secretName, tls.ca: given, but tls.mode is self and not secret",
    ),
    "a name without authority": (
        {"clientAuth": {"name": "kube-apiserver"}},
        "clientAuth.name and clientAuth.ca (or existingConfigMap) go together",
    ),
    "two authorities": (
        {"clientAuth": {"name": "kube-apiserver", "ca": A_CA, "existingConfigMap": "ours"}},
        "clientAuth.ca, clientAuth.existingConfigMap: both given, one wanted",
    ),
    "objects that anybody could have written": (
        {"verifiedImages": {"enabled": True}},
        "verifiedImages.enabled: wants clientAuth.name, or anybody could have objects written",
    ),
    "an end before the drain": (
        {"terminationGracePeriodSeconds": 30},
        "terminationGracePeriodSeconds: 30 given, at least 145 wanted: drain.timeoutSeconds, and",
    ),
    "a drain that ends before it begins": (
        {"drain": {"seconds": 60, "timeoutSeconds": 30}},
        "drain.timeoutSeconds: less than drain.seconds given, at least as much wanted",
    ),
    "one port for two": (
        {"ports": {"metrics": 8443}},
        "ports.webhook, ports.metrics: the same port given, two wanted",
    ),
    "no policy": (
        {"policies": [], "clusterPolicies": {"enabled": False}},
        "policies: none given, at least one wanted, or existingPolicies, or clusterPolicies",
    ),
    "files of no policy": (
        {"policies": [], "policyFiles": {"ci.pub": "key"}},
        "policyFiles: given, but there are no policies that could name them",
    ),
    "two policies of one name": (
        {"policies": [CHANGED["policies"][0], CHANGED["policies"][0]]},
        "policies: production is the name of two of them",
    ),
    "a file in the place of a policy": (
        {"policyFiles": {"baseline.yaml": "x"}},
        "policyFiles: baseline.yaml is the file of a policy",
    ),
    "a file in the place of the registries": (
        {"registries": CHANGED["registries"], "registryFiles": {"registries.yaml": "x"}},
        "registryFiles: registries.yaml is the file of the registries",
    ),
    "plugins of nowhere": (
        {"credentialProviders": {"providers": [A_PROVIDER]}},
        "credentialProviders.folder: wanted, the folder of the plugins",
    ),
    "files of no registry": (
        {"registryFilesSecret": "ours"},
        "registryFilesSecret: given, but there are no registries that could name its files",
    ),
    "variables of no helper": (
        {"registryCredentials": {"helperEnvironment": ["AWS_REGION"]}},
        "registryCredentials.helperEnvironment: given, but existingSecret, which could name",
    ),
    "fewer Pods than the fewest": (
        {"autoscaling": {"enabled": True, "minReplicas": 7}},
        "autoscaling.maxReplicas: less than autoscaling.minReplicas given",
    ),
    "an account of nobody": (
        {"serviceAccount": {"create": False}},
        "serviceAccount.name: wanted where none is made",
    ),
    "a namespace for no rights": (
        {"access": {"secrets": False, "configMaps": False, "namespaces": ["shop"]}},
        "access.namespaces: given, but access.secrets and access.configMaps are false",
    ),
}


@pytest.mark.parametrize("case", DISAGREEING)
def test_values_that_do_not_go_together_are_refused(helm: Helm, case: str) -> None:
    """The message says which they are, and what is wanted."""
    values, expected = DISAGREEING[case]
    ended = refusal(helm, values)

    assert ended.returncode == 1
    assert expected in ended.stderr


@pytest.mark.parametrize(
    ("version", "values", "expected"),
    [
        ("1.24.17", {}, "chart requires kubeVersion: >=1.25.0-0 which is incompatible"),
        ("1.29.9", GUARDED, "guard.enabled: wants Kubernetes 1.30 or newer, this is v1.29.9"),
    ],
)
def test_an_older_kubernetes_is_refused(
    helm: Helm, version: str, values: Mapping[str, Any], expected: str
) -> None:
    """Where something that is asked for does not work, nothing is installed."""
    ended = refusal(helm, values, version)

    assert ended.returncode == 1
    assert expected in ended.stderr
