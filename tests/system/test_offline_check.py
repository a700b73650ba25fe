"""`landwaiter check` says offline what kubectl shows: the same decision, in the same words."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from realparts.install import ensure
from realparts.processes import run
from realparts.registries import TESTER
from system.installation import Installation
from system.objects import (
    A_PINNED_IMAGE,
    A_TAG,
    DEPLOYMENT,
    JOB,
    a_pod,
    findings_of,
    pod_spec,
)
from system.policies import PRIVATE
from system.workshop import Workshop

CHECK_SECONDS = 120.0
SOMETHING_REFUSED = 1
DENIED = re.compile(r"validate\.landwaiter\.dev\" denied the request: \n(?P<message>.*)", re.DOTALL)
HEADER = re.compile(r"(?P<source>\S+):1: \w+ \S+: (?P<decision>admitted|refused|undecided)")
PLACE = re.compile(r"^  at \S+:1\n", re.MULTILINE)
WARNING = re.compile(r"  (?:\S+:1: )?warning: (?P<text>.*)\n")
DECISION_OF_WORD = {"admitted": "allow", "refused": "deny", "undecided": "undecided"}
DECISION_OF_REASON = {"Forbidden": "deny", "ServiceUnavailable": "undecided"}

Images = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody was told about a manifest; `message` is empty where it was admitted."""

    decision: str
    message: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What each of the three said about one manifest; `findings` are those in the JSON."""

    kubectl: Said
    text: Said
    json_decision: str
    json_warnings: tuple[str, ...]
    json_findings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A manifest, made of the images at hand, the policy it meets and what must come of it."""

    policy: str
    decision: str
    manifest: Callable[[Images], dict[str, Any]]


ROWS = {
    "pinned": Row("digest", "allow", lambda _: a_pod(A_PINNED_IMAGE)),
    "tag": Row("digest", "deny", lambda _: a_pod(A_TAG, A_PINNED_IMAGE, "nginx")),
    "deployment": Row("digest", "deny", lambda _: DEPLOYMENT.holding(pod_spec(A_TAG), replicas=0)),
    "placeholder": Row(
        "digest", "allow", lambda _: DEPLOYMENT.holding(pod_spec("auto"), replicas=0)
    ),
    "job": Row(
        "allowed", "deny", lambda _: JOB.holding(pod_spec("evil.com/app", restartPolicy="Never"))
    ),
    "unreadable": Row("allowed", "deny", lambda _: a_pod("registry.example.com/Team/App")),
    "floating": Row("fixed-tag", "deny", lambda _: a_pod("registry.example.com/team/app:latest")),
    "offered": Row("digest-of-team", "deny", lambda images: a_pod(images["tag"])),
    "signed": Row("signed", "allow", lambda images: a_pod(images["signed"])),
    "unsigned": Row("signed", "deny", lambda images: a_pod(images["unsigned"])),
    "good-tag": Row("signed", "deny", lambda images: a_pod(images["tag"])),
    "unpinned": Row("signed-unpinned", "allow", lambda images: a_pod(images["tag"])),
    "absent": Row("signed", "undecided", lambda images: a_pod(images["absent"])),
    "ignored": Row("signed-ignore", "allow", lambda images: a_pod(images["absent"])),
    "private": Row("signed", "allow", lambda images: a_private_pod(images["private"])),
    "no-secret": Row("pull-secrets", "deny", lambda _: a_pod(f"{PRIVATE}/team/app:1.0")),
    "wrong-secret": Row("pull-secrets", "deny", lambda _: a_private_pod(f"{PRIVATE}/team/app:1.0")),
    "warned": Row("warned", "allow", lambda _: a_pod(A_TAG, "nginx")),
    "audited": Row("audited", "allow", lambda _: a_pod(A_TAG)),
}


def a_private_pod(image: str) -> dict[str, Any]:
    return a_pod(image, imagePullSecrets=[{"name": "registry"}])


@pytest.fixture(scope="module")
def images(workshop: Workshop) -> Images:
    """Give images in every state, by what is special about them."""
    signed = workshop.referrers.images.make_image("team/checked:1.0")
    workshop.referrers.signer.sign_with_cosign3(signed, workshop.ci)
    private = workshop.private.images.make_image("checked/app:1.0")
    workshop.private.signer.sign_with_cosign3(private, workshop.ci)
    return {
        "signed": signed,
        "tag": f"{workshop.referrers.host}/team/checked:1.0",
        "unsigned": workshop.referrers.images.make_image("team/unchecked:1.0"),
        "private": private,
        "absent": f"{workshop.absent}/team/app:1.0",
    }


@pytest.fixture(scope="module")
def told(
    installation: Installation,
    workshop: Workshop,
    images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Told]:
    """Show each manifest to kubectl and to both forms of the check."""
    folder = tmp_path_factory.mktemp("offline")
    manifests = folder / "manifests"
    manifests.mkdir()
    state: list[Any] = []
    for name, row in ROWS.items():
        namespace = installation.namespace(row.policy)
        if "secret" in name or name == "private":
            create_pull_secret(installation, workshop, namespace)
        manifest = row.manifest(images)
        manifest["metadata"]["namespace"] = namespace
        (manifests / f"{name}.yaml").write_text(json.dumps(manifest), encoding="utf-8")
        state += everything_known_about(installation, namespace)
    (folder / "state.yaml").write_text(json.dumps({"kind": "List", "items": state}))
    texts = texts_of(check(installation, folder, "text"))
    judged = json.loads(check(installation, folder, "json"))
    return {
        Path(each["source"]).stem: Told(
            kubectl=kubectl_said(installation, Path(each["source"])),
            text=texts[Path(each["source"]).stem],
            json_decision=each["decision"],
            json_warnings=tuple(each["warnings"]),
            json_findings=tuple(
                (image["path"], finding["rule"])
                for image in each["images"]
                for finding in [*image["violations"], *image["undecided"]]
                if each["decision"] != "allow"
            ),
        )
        for each in judged
    }


def create_pull_secret(installation: Installation, workshop: Workshop, namespace: str) -> None:
    installation.cluster.kubectl(
        *("create", "secret", "docker-registry", "registry", f"--namespace={namespace}"),
        f"--docker-server={workshop.private.host}",
        f"--docker-username={TESTER.user}",
        f"--docker-password={TESTER.password}",
    )


def everything_known_about(installation: Installation, namespace: str) -> list[Any]:
    """Return what an admin would export for the offline check."""
    shown = installation.cluster.kubectl(
        *("get", "serviceaccounts,secrets", f"--namespace={namespace}", "--output=json")
    )
    path = f"/api/v1/namespaces/{namespace}"
    items: list[Any] = json.loads(shown.stdout)["items"]
    return [installation.cluster.request("GET", path).body, *items]


def check(installation: Installation, folder: Path, output: str) -> str:
    """Return the report on all manifests, with the policies and registries of the installation."""
    own = installation.landwaiter.folder
    ended: subprocess.CompletedProcess[str] = run(
        [
            *(sys.executable, "-m", "landwaiter", "check", f"--policies={own / 'policies'}"),
            f"--cluster-state={folder / 'state.yaml'}",
            f"--registries={own / 'registries.yaml'}",
            f"--cosign={ensure(['cosign3'])['cosign3']}",
            *(f"--output={output}", str(folder / "manifests")),
        ],
        environment={"HOME": str(folder), "PATH": os.defpath},
        timeout_seconds=CHECK_SECONDS,
        directory=folder,
        check=False,
    )
    assert (SOMETHING_REFUSED, "") == (ended.returncode, ended.stderr)
    return ended.stdout


def texts_of(report: str) -> dict[str, Said]:
    """Return what the text says about each manifest, without the lines of the file."""
    found: dict[str, Said] = {}
    headers = [*HEADER.finditer(report)]
    ends = [header.start() for header in headers[1:]] + [report.rindex("\n", 0, -1) + 1]
    for header, end in zip(headers, ends, strict=True):
        lines = report[header.end() + 1 : end].splitlines(keepends=True)
        warnings = [match["text"] for match in map(WARNING.fullmatch, lines) if match]
        found[Path(header["source"]).stem] = Said(
            DECISION_OF_WORD[header["decision"]],
            PLACE.sub("", "".join(lines[len(warnings) :])).strip("\n"),
            tuple(warnings),
        )
    return found


def kubectl_said(installation: Installation, manifest: Path) -> Said:
    """Return what a person reads who creates the manifest in the cluster."""
    answer = installation.cluster.kubectl("create", f"--filename={manifest}", check=False)
    warnings = re.findall(r"^Warning: (.*)$", answer.stderr, re.MULTILINE)
    if answer.returncode == 0:
        return Said("allow", warnings=tuple(warnings))
    reason = re.match(r"Error from server \((\w+)\)", answer.stderr)
    message = DENIED.search(answer.stderr)
    assert (reason, message) != (None, None), answer.stderr
    assert reason is not None
    assert message is not None
    decision = DECISION_OF_REASON[reason[1]]
    return Said(decision, message["message"].strip("\n"), tuple(warnings))


@pytest.mark.parametrize("name", ROWS)
def test_offline_says_what_kubectl_shows(told: Mapping[str, Told], name: str) -> None:
    """Decision, message and warnings are the same, in the text and in the JSON."""
    seen = told[name]

    kubectl = seen.kubectl
    assert (
        ROWS[name].decision,
        kubectl,
        (kubectl.decision, kubectl.warnings, tuple(findings_of(kubectl.message))),
    ) == (
        kubectl.decision,
        seen.text,
        (seen.json_decision, seen.json_warnings, seen.json_findings),
    )


def test_every_row_was_judged(told: Mapping[str, Told]) -> None:
    """The check reports each manifest of the folder once."""

    assert sorted(ROWS) == sorted(told)
