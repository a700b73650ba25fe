"""What `landwaiter doctor` is told, and how it says what it has found."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.manifests import PINNED, policies, run, written
from landwaiter.cli import webhook_options
from landwaiter.doctor.findings import Diagnosis, Finding, Severity, Unknown
from landwaiter.doctor.picture import Install
from landwaiter.webhooks.configuration import WebhookPath
from landwaiter.wiring.doctor import Patient

PROBLEM = Finding("doorOpen", Severity.PROBLEM, "ClusterRole guard", "missing", "it", "apply it")
ADVICE = Finding("clocksDisagree", Severity.ADVICE, "clock", "61 s", "60 s", "synchronise")
UNKNOWN = Unknown("daemonsets.apps", "Landwaiter may not read the list of daemonsets.apps")
NECESSARY = {"webhook-name": "guard", "own-namespace": "lw"}


class Examined:
    """Stands in for the examination: notes the patient and gives a diagnosis."""

    def __init__(self) -> None:
        self.patients: list[Patient] = []
        self.diagnosis = Diagnosis((), ())

    async def __call__(self, patient: Patient) -> Diagnosis:
        self.patients.append(patient)
        return self.diagnosis


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Examined:
    examined = Examined()
    monkeypatch.setattr("landwaiter.cli.doctor.examine", examined)
    monkeypatch.setattr(webhook_options, "NAMESPACE_FILE", tmp_path / "no-pod")
    return examined


def arguments(options: dict[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def variables(options: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("LANDWAITER_" + name.upper().replace("-", "_"), str(value))
        for name, value in options.items()
    ]


@pytest.mark.parametrize("by_variable", [False, True], ids=["option", "variable"])
def test_each_option_describes_the_patient(
    examined: Examined,
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
) -> None:
    """They are those of `serve`, so that a Pod of the install has them in its environment."""
    given = {
        **NECESSARY,
        "kubeconfig": written(tmp_path / "kubeconfig", ""),
        "exclude-namespace": "networking",
        "webhook-timeout-seconds": 20,
        "tls-secret": "guard-tls",
        "last-good-set": "lw/last-good",
        "policies": policies(tmp_path, PINNED),
        "registries": written(tmp_path / "r.yaml", "registries: [{host: registry.example.com}]"),
    }
    result = (
        run("doctor", environment=variables(given))
        if by_variable
        else run("doctor", *arguments(given))
    )
    patient = examined.patients[0]

    assert (0, "") == (result.exit_code, result.stderr)
    assert (
        Install(
            "guard",
            "lw",
            frozenset({"networking"}),
            20,
            "guard-tls",
            ("lw", "last-good"),
            frozenset({WebhookPath.VALIDATE}),
        )
        == patient.install
    )
    assert (given["kubeconfig"], ["registry.example.com"], ["pinned"]) == (
        patient.kubeconfig,
        list(patient.registries.hosts),
        [policy.name for policy in patient.policies],
    )


def test_the_necessary_options_are_enough(examined: Examined) -> None:
    """Without policies nothing is said about paths."""
    run("doctor", *arguments(NECESSARY))

    assert [Patient(Install("guard", "lw"), None, examined.patients[0].registries)] == (
        examined.patients
    )
    assert {} == examined.patients[0].registries.hosts


def test_policies_of_the_cluster_leave_open_which_paths_are_needed(
    examined: Examined, tmp_path: Path
) -> None:
    """They are not read; the rights for them are looked at."""
    folder = policies(tmp_path, PINNED)
    run("doctor", *arguments({**NECESSARY, "policies": folder}), "--policies-from-cluster")
    variable = [("LANDWAITER_POLICIES_FROM_CLUSTER", "true")]
    run("doctor", *arguments(NECESSARY), environment=variable)

    assert [(None, True)] * 2 == [
        (each.install.paths, each.install.policies_from_cluster) for each in examined.patients
    ]


def test_images_without_a_policy_need_a_path(examined: Examined, tmp_path: Path) -> None:
    """As the install says."""
    folder = policies(tmp_path, PINNED.replace("Deny", "Warn"))
    run("doctor", *arguments({**NECESSARY, "policies": folder, "unmatched-images": "Deny"}))

    assert frozenset(WebhookPath) == examined.patients[0].install.paths


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"own-namespace": "lw"}, "--webhook-name"),
        ({"webhook-name": "guard"}, "--own-namespace is wanted outside of a Pod"),
        ({**NECESSARY, "last-good-set": "junk"}, "--last-good-set"),
        ({**NECESSARY, "output": "xml"}, "--output"),
        ({**NECESSARY, "kubeconfig": "/does/not/exist"}, "--kubeconfig"),
    ],
)
def test_bad_options_are_refused(options: dict[str, str], problem: str, examined: Examined) -> None:
    """Nobody is examined then."""
    result = run("doctor", *arguments(options))

    assert (2, True, []) == (result.exit_code, problem in result.stderr, examined.patients)


@pytest.mark.parametrize(
    ("diagnosis", "code"),
    [
        (Diagnosis((), ()), 0),
        (Diagnosis((ADVICE,), ()), 0),
        (Diagnosis((ADVICE,), (UNKNOWN,)), 3),
        (Diagnosis((PROBLEM,), ()), 1),
        (Diagnosis((PROBLEM, ADVICE), (UNKNOWN,)), 1),
    ],
)
def test_the_exit_code_says_how_bad_it_is(
    examined: Examined, diagnosis: Diagnosis, code: int
) -> None:
    """Advice never changes it."""
    examined.diagnosis = diagnosis

    assert code == run("doctor", *arguments(NECESSARY)).exit_code


def test_findings_as_text(examined: Examined) -> None:
    """What was seen, what is wanted, what to do; and what could not be looked at."""
    examined.diagnosis = Diagnosis((PROBLEM, ADVICE), (UNKNOWN,))

    assert (
        "✗ doorOpen: ClusterRole guard\n"
        "  seen:   missing\n"
        "  wanted: it\n"
        "  → apply it\n"
        "\n"
        "· clocksDisagree: clock\n"
        "  seen:   61 s\n"
        "  wanted: 60 s\n"
        "  → synchronise\n"
        "\n"
        "? daemonsets.apps: Landwaiter may not read the list of daemonsets.apps\n"
        "\n"
        "1 problems, 1 advice, 1 not looked at\n"
    ) == run("doctor", *arguments(NECESSARY)).stdout


def test_findings_as_json(examined: Examined) -> None:
    """The same, for scripts."""
    examined.diagnosis = Diagnosis((PROBLEM,), (UNKNOWN,))
    result = run("doctor", *arguments({**NECESSARY, "output": "json"}))

    assert {
        "findings": [
            {
                "id": "doorOpen",
                "severity": "problem",
                "about": "ClusterRole guard",
                "seen": "missing",
                "wanted": "it",
                "remedy": "apply it",
            }
        ],
        "unknown": [
            {
                "what": "daemonsets.apps",
                "why": "Landwaiter may not read the list of daemonsets.apps",
            }
        ],
    } == json.loads(result.stdout)
