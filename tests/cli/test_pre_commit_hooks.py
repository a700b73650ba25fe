"""The hooks of `.pre-commit-hooks.yaml`, installed and run by pre-commit itself."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.manifests import BAD, GOOD, PINNED, pod, written
from cli.packaging import ROOT, a_copy, environment
from realparts.processes import run

INSTALL_SECONDS = 240.0
COMMITTER = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
TEST = """
apiVersion: landwaiter.dev/v1alpha1
kind: ImagePolicyTest
policies: [../policies]
cases:
- name: a tag is refused
  manifest: {apiVersion: v1, kind: Pod, spec: {containers: [{name: app, image: "nginx:1"}]}}
  expect:
    decision: deny
    violations: [{path: "spec.containers[0].image", policy: pinned, rule: pinnedTags}]
"""
CONFIGURED: dict[str, dict[str, Any]] = {
    "landwaiter-check": {"args": ["--policies=policies"], "files": "^manifests/"},
    "landwaiter-policies-validate": {"args": ["policies"]},
    "landwaiter-policies-lint": {"args": ["policies"]},
    "landwaiter-policies-test": {"args": ["tests"]},
}


@pytest.fixture(scope="module")
def hook(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Give what runs a hook over everything that is staged in a repository of manifests."""
    folder = tmp_path_factory.mktemp("pre-commit")
    variables = environment(folder) | {"PRE_COMMIT_HOME": str(folder / "home")}
    user = folder / "user"

    def command(*arguments: str | Path, directory: Path = user) -> subprocess.CompletedProcess[str]:
        return run(
            arguments,
            environment=variables,
            timeout_seconds=INSTALL_SECONDS,
            directory=directory,
            check=arguments[0] == "git",
        )

    source = a_copy(folder / "landwaiter")
    for arguments in (("init", "-q"), ("add", "-A"), (*COMMITTER, "commit", "-qm", "a release")):
        command("git", *arguments, directory=source)
    revision = command("git", "rev-parse", "HEAD", directory=source).stdout.strip()
    hooks = [{"id": name, **settings} for name, settings in CONFIGURED.items()]
    config = {"repos": [{"repo": str(source), "rev": revision, "hooks": hooks}]}
    written(user / ".pre-commit-config.yaml", yaml.safe_dump(config))
    written(user / "policies" / "pinned.yaml", PINNED)
    written(user / "tests" / "pinned.yaml", TEST)
    command("git", "init", "-q")

    def run_hook(name: str) -> subprocess.CompletedProcess[str]:
        command("git", "add", "-A")
        return command("pre-commit", "run", name, "--all-files", "--color=never")

    return run_hook


@pytest.fixture
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the repository that the hooks run in."""
    return next(tmp_path_factory.getbasetemp().glob("pre-commit*")) / "user"


def test_every_hook_is_tried() -> None:
    """A hook that is added without a test fails here."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))

    assert list(CONFIGURED) == [hook["id"] for hook in hooks]


Hook = Callable[[str], subprocess.CompletedProcess[str]]


def test_the_check_hook_judges_the_files_that_are_chosen(hook: Hook, user: Path) -> None:
    """Good manifests pass, a refused one fails with its line, and other files are not read."""
    written(user / "values.yaml", "replicas: 1\n")
    manifest = written(user / "manifests" / "web.yaml", pod(GOOD))
    passed = hook("landwaiter-check")
    manifest.write_text(pod(BAD), encoding="utf-8")
    failed = hook("landwaiter-check")

    assert (0, 1) == (passed.returncode, failed.returncode), passed.stdout
    assert "manifests/web.yaml:1: Pod default/web: refused" in failed.stdout
    assert "exit code: 1" in failed.stdout


@pytest.mark.parametrize("name", ["validate", "lint", "test"])
def test_the_hooks_about_policies_look_at_their_folder(hook: Hook, user: Path, name: str) -> None:
    """Good policies pass; what is wrong with them fails, whichever file was staged."""
    policy = user / "policies" / "pinned.yaml"
    passed = hook(f"landwaiter-policies-{name}")
    bad = {
        "validate": PINNED.replace("Deny", "Dny"),
        "lint": PINNED.replace("spec:", "spec:\n  match: {objectSelector: {matchLabels: {a: b}}}"),
        "test": PINNED.replace("require: digest", "require: fixedTag"),
    }
    policy.write_text(bad[name], encoding="utf-8")
    failed = hook(f"landwaiter-policies-{name}")
    policy.write_text(PINNED, encoding="utf-8")
    said = {
        "validate": 'field spec.validationActions[0]: "Dny" given',
        "lint": "1 linted: 1 warnings about 1 of them",
        "test": "1 cases: 0 as declared, 1 not",
    }

    assert (0, 1) == (passed.returncode, failed.returncode), passed.stdout
    assert said[name] in failed.stdout
