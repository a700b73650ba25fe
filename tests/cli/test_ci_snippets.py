"""What stands in `deploy/ci` has the form that GitHub and GitLab want, and does what it says."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from cli.manifests import BAD, GOOD, PINNED, pod, policies, written
from cli.packaging import ROOT, a_copy, environment
from realparts.processes import run

SECONDS = 240.0
ACTION = ROOT / "deploy" / "ci" / "github" / "action.yml"
GITLAB = ROOT / "deploy" / "ci" / "gitlab" / "landwaiter.gitlab-ci.yml"
INSTALL, JUDGE = 0, 1


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(ACTION.read_text("utf-8"))["runs"]["steps"]
    return found


def job() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(GITLAB.read_text("utf-8"))[".landwaiter-check"]
    return found


def bash(
    script: str, folder: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script as both runners do: it ends with the first command that fails."""
    return run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
        environment=environment(folder) | dict(variables),
        timeout_seconds=SECONDS,
        directory=folder,
        check=False,
    )


@pytest.mark.parametrize(
    ("schema", "arguments"), [("github-actions", []), ("gitlab-ci", ["--data-transform=gitlab-ci"])]
)
def test_the_files_have_the_form_that_is_wanted(
    tmp_path: Path, schema: str, arguments: list[str]
) -> None:
    """The published schemas accept them; a hidden job is looked at as one that runs."""
    text = {"github-actions": ACTION, "gitlab-ci": GITLAB}[schema].read_text("utf-8")
    file = written(tmp_path / "file.yml", text.replace("\n.landwaiter-check:", "\ncheck:"))
    command = [sys.executable, "-m", "check_jsonschema", f"--builtin-schema=vendor.{schema}"]
    result = run(
        [*command, *arguments, file],
        environment=environment(tmp_path),
        timeout_seconds=SECONDS,
        check=False,
    )

    assert (0, "ok -- validation done\n") == (result.returncode, result.stdout)


def test_no_input_reaches_a_script_but_by_the_environment() -> None:
    """Whoever opens a pull request may choose file names; none of them is run."""

    assert [False, False] == ["${{" in step["run"] for step in steps()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder in which the action has installed Landwaiter from its own repository."""
    folder = tmp_path_factory.mktemp("action")
    a_copy(folder / "landwaiter")
    action = folder / "landwaiter" / "deploy" / "ci" / "github"
    action.mkdir(parents=True)
    variables = {"GITHUB_ACTION_PATH": str(action), "RUNNER_TEMP": str(folder / "temp")}
    result = bash(steps()[INSTALL]["run"], folder, variables)
    assert 0 == result.returncode, result.stdout + result.stderr
    return folder


def judged(installed: Path, folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the second step of the action with inputs."""
    declared = yaml.safe_load(ACTION.read_text("utf-8"))["inputs"]
    given = {name: settings.get("default", "") for name, settings in declared.items()} | {
        name.replace("_", "-"): value for name, value in inputs.items()
    }
    variables = {
        name: given[value.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, value in steps()[JUDGE]["env"].items()
    }
    variables |= {"RUNNER_TEMP": str(installed / "temp")}
    return bash(steps()[JUDGE]["run"], folder, variables)


def test_the_action_annotates_and_fails(installed: Path, tmp_path: Path) -> None:
    """Each finding is a workflow command at its line; the step ends as the check does."""
    policies(tmp_path, PINNED)
    written(tmp_path / "manifests" / "a b.yaml", pod(BAD))
    written(tmp_path / "more" / "good.yaml", pod(GOOD))
    both = "manifests/a b.yaml\nmore"
    failed = judged(installed, tmp_path, policies="policies", manifests=both)
    passed = judged(installed, tmp_path, policies="policies", manifests="more")

    assert (1, 0) == (failed.returncode, passed.returncode), failed.stderr
    assert failed.stdout.startswith("::error file=manifests/a b.yaml,line=4,title=pinnedTags::")
    assert failed.stdout.endswith("2 checked: 1 admitted, 1 refused, 0 undecided\n")
    assert passed.stdout == "1 checked: 1 admitted, 0 refused, 0 undecided\n"


def test_every_input_of_the_action_counts(installed: Path, tmp_path: Path) -> None:
    """Form, report file, cluster state and registries; nothing to judge is no success."""
    policies(tmp_path, PINNED)
    written(tmp_path / "m.yaml", pod(GOOD))
    written(tmp_path / "bad.yaml", "kind: Secret\napiVersion: v1\nmetadata: {}\n")
    given = {"policies": "policies", "manifests": "m.yaml"}
    report = judged(installed, tmp_path, **given, output="text", report_file="report.txt")

    assert (0, report.stdout) == (report.returncode, (tmp_path / "report.txt").read_text("utf-8"))
    assert report.stdout.startswith("m.yaml:1: Pod default/web: admitted\n")
    assert [2, 2, 1] == [
        judged(installed, tmp_path, **given | {name: value}).returncode
        for name, value in (
            ("cluster_state", "bad.yaml"),
            ("registries", "bad.yaml"),
            ("manifests", ""),
        )
    ]


def test_the_gitlab_job_leaves_a_junit_report_and_fails(installed: Path, tmp_path: Path) -> None:
    """The log has the text, the artifact the failed test."""
    policies(tmp_path, PINNED)
    written(tmp_path / "manifests" / "web.yaml", pod(BAD))
    (tmp_path / ".landwaiter").symlink_to(installed / "temp" / "landwaiter")
    variables = {name: str(value) for name, value in job()["variables"].items()}
    script = "\n".join(job()["script"])
    result = bash(script, tmp_path, variables)
    report = ET.parse(tmp_path / job()["artifacts"]["reports"]["junit"]).getroot()  # noqa: S314  # Our own report.

    assert (1, "1") == (result.returncode, report.get("failures"))
    assert result.stdout.startswith("manifests/web.yaml:1: Pod default/web: refused\n")
    assert 0 != bash(script, tmp_path, variables | {"MANIFESTS": ""}).returncode


def test_the_gitlab_job_installs_what_it_is_told_to(tmp_path: Path) -> None:
    """A source has to be named; there is no package that it could take by itself."""
    venv, pip = job()["before_script"]
    unnamed = bash(pip, tmp_path, {"LANDWAITER_SOURCE": ""})

    assert "python3 -m venv .landwaiter" == venv
    assert (True, True) == ("says what pip installs" in unnamed.stderr, unnamed.returncode != 0)
