"""The chart gives each install the rights that `landwaiter doctor` looks for, and no others."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chart.matrix import INSTALLS, merged
from chart.test_rendering import started
from landwaiter.cli.doctor import _patient, doctor
from landwaiter.cluster.access import Right
from landwaiter.doctor.picture import Install, in_the_dark
from landwaiter.doctor.rights import rights_needed, rights_to_leave_out
from realparts.helm import NAMESPACE, Helm

PROVEN: Mapping[str, Any] = merged(
    {"clusterPolicies": {"enabled": False}},
    {"clientAuth": {"name": "kube-apiserver", "existingConfigMap": "ca"}},
)
FILES_OF_NOBODY = ("LANDWAITER_POLICIES", "LANDWAITER_REGISTRIES")
"""They are there in the Pod; what is in them changes no right that can be left out."""


def install_of(
    objects: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Install:
    """Return what the doctor knows of an install that it is run in a Pod of, without an option."""
    (deployment,) = (each for each in objects if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    started(container, folder, monkeypatch)
    for name in FILES_OF_NOBODY:
        monkeypatch.delenv(name, raising=False)
    return _patient(doctor.make_context("doctor", []).params).install


def granted(objects: list[dict[str, Any]]) -> Iterator[Right]:
    """Yield every right of the rendered roles, one for each verb, resource and name."""
    for role in objects:
        if role["kind"] not in {"ClusterRole", "Role"}:
            continue
        namespace = role["metadata"].get("namespace", "")
        for rule in role["rules"]:
            for verb in rule["verbs"]:
                for resource in rule["resources"]:
                    for name in rule.get("resourceNames", [""]):
                        yield Right(verb, rule["apiGroups"][0], resource, namespace, name)


@pytest.mark.parametrize(
    "values", [*INSTALLS.values(), PROVEN], ids=[*INSTALLS, "Events, and policies in files"]
)
def test_each_install_has_the_rights_that_the_doctor_looks_for(
    helm: Helm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: Mapping[str, Any]
) -> None:
    """What it lacks it can do without; and it has none that nothing needs."""
    objects = helm.objects(values)
    install = install_of(objects, tmp_path, monkeypatch)
    given, needed = set(granted(objects)), set(rights_needed(install))
    there = tuple({"metadata": {"name": name}} for _, name in install.last_good_sets)
    picture = replace(in_the_dark(install, now=0.0, unknown=()), last_good=there)
    here = {NAMESPACE, "default", *values.get("access", {}).get("namespaces", ())}
    narrower = {each for each in given if each.namespace in here and _everywhere(each) in needed}

    assert set() == needed - given - rights_to_leave_out(picture)
    assert set() == given - needed - narrower


def _everywhere(right: Right) -> Right:
    return replace(right, namespace="")
