"""What `landwaiter doctor` is told, and how it says what it has found."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.manifests import PINNED, policies, run, written
from landwaiter.cli import webhook_options
from landwaiter.container import Container
from landwaiter.doctor.findings import Diagnosis, Finding, Severity, Unknown
from landwaiter.doctor.picture import Install
from landwaiter.policy.install import (
    NamespacedExceptions,
    PolicyInstallSettings,
    UnmatchedImages,
)
from landwaiter.sizing import CosignRuns
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
        "verified-images-secret": "guard-seal",
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
            verified_images="guard-seal",
        )
        == patient.install
    )
    assert (given["kubeconfig"], ["registry.example.com"], ["pinned"]) == (
        patient.kubeconfig,
        list(patient.registries.hosts),
        [policy.name for policy in patient.policies or ()],
    )


def test_the_necessary_options_are_enough(examined: Examined) -> None:
    """Nothing is known of policies then."""
    run("doctor", *arguments(NECESSARY))
    (patient,) = examined.patients

    assert (Install("guard", "lw"), None, None) == (
        patient.install,
        patient.kubeconfig,
        patient.policies,
    )
    assert {} == patient.registries.hosts


@pytest.mark.parametrize(
    ("pod_of", "expected"),
    [
        ("lw", CosignRuns(3, Container(8, 2**30), 3, 0)),
        ("another", None),
        (None, None),
    ],
)
def test_in_a_pod_of_the_install_its_memory_is_looked_at(
    examined: Examined,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pod_of: str | None,
    expected: CosignRuns | None,
) -> None:
    """That of any other machine says nothing."""
    monkeypatch.setattr("landwaiter.cli.doctor.this_container", lambda: Container(8, 2**30))
    if pod_of is not None:
        monkeypatch.setattr(webhook_options, "NAMESPACE_FILE", written(tmp_path / "n", pod_of))
    run("doctor", *arguments({**NECESSARY, "cosign-runs": 3}))
    run("doctor", *arguments(NECESSARY), environment=variables({"cosign-runs": 3}))

    assert [expected, expected] == [each.install.cosign_runs for each in examined.patients]


@pytest.mark.parametrize("flag", ["policies-from-cluster", "events"])
def test_each_flag_describes_the_patient(examined: Examined, flag: str) -> None:
    """As an option, and as a variable."""
    run("doctor", *arguments(NECESSARY), f"--{flag}")
    run("doctor", *arguments(NECESSARY), environment=variables({flag: "true"}))
    run("doctor", *arguments(NECESSARY))

    field = flag.replace("-", "_")
    assert [True, True, False] == [getattr(each.install, field) for each in examined.patients]


def test_policies_that_do_not_load_are_no_reason_to_look_at_nothing(
    examined: Examined, tmp_path: Path
) -> None:
    """It is when something is wrong that people ask."""
    folder = policies(tmp_path, PINNED.replace("Deny", "Allow"))
    result = run("doctor", *arguments({**NECESSARY, "policies": folder}))
    (patient,) = examined.patients

    assert (0, None) == (result.exit_code, patient.policies)
    assert "validationActions" in patient.install.broken


def test_what_an_install_decides_about_policies_describes_the_patient(examined: Examined) -> None:
    """It decides what they mean."""
    decided = {
        "unmatched-images": "Deny",
        "exception-max-days": 3,
        "namespaced-exceptions": "Allow",
    }
    run("doctor", *arguments({**NECESSARY, **decided}))

    expected = PolicyInstallSettings(
        unmatched_images=UnmatchedImages.DENY,
        namespaced_exceptions=NamespacedExceptions.ALLOW,
        exception_max_days=3,
        kms_schemes=None,
    )
    assert expected == examined.patients[0].settings


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
