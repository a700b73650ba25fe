"""Every option of `landwaiter check` does something, given as such and by its variable."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.manifests import (
    BAD,
    GOOD,
    PINNED,
    PRODUCTION,
    PULLABLE,
    pod,
    policies,
    run,
    written,
)
from cosign.fakes import a_key, fake_cosign
from registry.fake_registry import FakeRegistry, silent
from wiring.signed_images import signed

SIGNED = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: signed}
spec:
  validationActions: [Deny]
  match: {images: ["%(host)s"]}
  rules:
    cosignSignatures:
      authorities: [{name: ci, key: {file: ci.pub}}]
"""
STATE = """
{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {env: test}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}
"""
WAYS = pytest.mark.parametrize("by_variable", [False, True], ids=["option", "variable"])


def given(
    name: str, value: object, *, by_variable: bool
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the arguments and variables that give an option in one of both ways."""
    if by_variable:
        return [], [("LANDWAITER_" + name.upper().replace("-", "_"), str(value))]
    return [f"--{name}={value}"], []


def entries(
    options: Mapping[str, object], *, stdin: str, by_variable: bool
) -> list[dict[str, Any]]:
    """Return the JSON report of a check with these options, given in one of both ways."""
    arguments: list[str] = []
    environment: list[tuple[str, str]] = []
    for name, value in {"output": "json", **options}.items():
        more, variables = given(name, value, by_variable=by_variable)
        arguments += more
        environment += variables
    result = run("check", *arguments, stdin=stdin, environment=environment)
    assert result.exit_code in {0, 1, 3}, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@WAYS
def test_policies_says_by_what_is_judged(tmp_path: Path, by_variable: bool) -> None:  # noqa: FBT001
    """Another folder is another verdict."""
    strict = policies(tmp_path / "strict", PINNED)
    loose = policies(tmp_path / "loose", PULLABLE.replace("r.example.com", "other.example.com"))

    assert ["deny", "allow"] == [
        entries({"policies": each}, stdin=pod(BAD), by_variable=by_variable)[0]["decision"]
        for each in (strict, loose)
    ]


def test_policies_has_to_be_given(tmp_path: Path) -> None:
    """Without policies there is nothing to judge by; a folder that is missing is refused."""
    results = [run("check", stdin=pod(GOOD)), run("check", "--policies", tmp_path / "no", stdin="")]

    assert [2, 2] == [result.exit_code for result in results]
    assert ["--policies" in result.stderr for result in results] == [True, True]


EXEMPTING = PINNED.replace(
    "spec:",
    """spec:
  match: {excludeUsers: [{kind: User, name: alice}, {kind: Group, name: ops}]}""",
)


@WAYS
def test_requester_says_who_would_apply_the_manifests(
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Without it anybody might, so nobody is exempt; a group of theirs counts too."""
    folder = policies(tmp_path, EXEMPTING)
    decisions = [
        entries({"policies": folder, **more}, stdin=pod(BAD), by_variable=by_variable)[0][
            "decision"
        ]
        for more in (
            {},
            {"requester": "alice"},
            {"requester": "bob"},
            {"requester": "bob", "requester-group": "ops"},
        )
    ]

    assert ["deny", "allow", "deny", "allow"] == decisions


def test_a_group_is_that_of_a_requester(tmp_path: Path) -> None:
    """A group alone would be read by nothing."""
    result = run("check", "--policies", policies(tmp_path, PINNED), "--requester-group", "ops")

    assert (2, True) == (result.exit_code, "--requester" in result.stderr)


@WAYS
@pytest.mark.parametrize("as_folder", [False, True])
def test_cluster_state_is_what_is_known_of_the_cluster(
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
    as_folder: bool,  # noqa: FBT001
) -> None:
    """A file, or the files of a folder, answer what is undecided without."""
    state = written(tmp_path / "state" / "objects.yaml", STATE)
    options = {"policies": policies(tmp_path, PULLABLE, PRODUCTION)}
    known = {"cluster-state": state.parent if as_folder else state}

    assert ["undecided", "deny"] == [
        entries(each, stdin=pod(GOOD), by_variable=by_variable)[0]["decision"]
        for each in (options, options | known)
    ]


def test_what_cluster_state_does_not_give_is_undecided_and_says_so(tmp_path: Path) -> None:
    """Each thing that is needed and missing is named."""
    state = written(tmp_path / "state.yaml", STATE)
    folder = policies(tmp_path, PULLABLE, PRODUCTION)
    text = pod(GOOD).replace("containers", "imagePullSecrets: [{name: regcred}], containers")
    options = {"policies": folder, "cluster-state": state}
    (here,) = entries(options, stdin=text, by_variable=False)
    (there,) = entries(options | {"namespace": "shop"}, stdin=text, by_variable=False)

    def told(entry: dict[str, Any]) -> list[str]:
        return sorted(each["detail"] for each in entry["images"][0]["undecided"])

    assert [
        (
            'secret "regcred" in namespace "default" is not known here; '
            "give --cluster-state with its manifest"
        ),
    ] == told(here)
    assert [
        'namespace "shop" is not known here; give --cluster-state with its manifest',
        (
            'secret "regcred" in namespace "shop" is not known here; '
            "give --cluster-state with its manifest"
        ),
    ] == told(there)


def test_of_a_namespace_its_name_is_known(tmp_path: Path) -> None:
    """A policy that selects by name needs no cluster state."""
    by_name = PRODUCTION.replace("env: production", "kubernetes.io/metadata.name: shop")
    options = {"policies": policies(tmp_path, by_name)}

    assert ["deny", "allow"] == [
        entries(options | {"namespace": name}, stdin=pod(BAD), by_variable=False)[0]["decision"]
        for name in ("shop", "other")
    ]


def test_a_malformed_cluster_state_is_refused(tmp_path: Path) -> None:
    """It is bad input: nothing is judged by half of a cluster."""
    state = written(tmp_path / "state.yaml", "{apiVersion: v1, kind: Secret, metadata: {}}\n")
    result = run(
        "check", "--policies", policies(tmp_path, PINNED), "--cluster-state", state, stdin=pod(GOOD)
    )

    assert (2, f"landwaiter: {state}:1: Secret: metadata.name: Field required\n") == (
        result.exit_code,
        result.stderr,
    )


@WAYS
def test_namespace_is_that_of_manifests_that_name_none(
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
) -> None:
    """A manifest's own namespace wins."""
    options = {"policies": policies(tmp_path, PINNED), "namespace": "shop"}
    text = "---\n".join([pod(GOOD), pod(GOOD, metadata=", namespace: own")])

    assert ["shop", "own"] == [
        each["namespace"] for each in entries(options, stdin=text, by_variable=by_variable)
    ]


@WAYS
def test_output_is_the_form_of_the_report(tmp_path: Path, by_variable: bool) -> None:  # noqa: FBT001
    """Text is for people and the default; another form is refused."""
    folder = policies(tmp_path, PINNED)
    ways = [given("output", form, by_variable=by_variable) for form in ("json", "text", "pdf")]
    shown = [
        run("check", "--policies", folder, *arguments, stdin=pod(GOOD), environment=environment)
        for arguments, environment in [*ways, ([], [])]
    ]

    assert ["[", "<", "", "<"] == [result.stdout[:1] for result in shown]
    assert [0, 0, 2, 0] == [result.exit_code for result in shown]


@WAYS
def test_short_names_can_be_refused(tmp_path: Path, by_variable: bool) -> None:  # noqa: FBT001
    """By default `nginx` is Docker Hub's; with Refuse it is no image at all."""
    options = {"policies": policies(tmp_path, PULLABLE)}
    shown = [
        entries(each, stdin=pod("nginx"), by_variable=by_variable)[0]
        for each in (options, options | {"short-names": "Refuse"})
    ]

    assert [("allow", "docker.io/library/nginx"), ("deny", None)] == [
        (each["decision"], each["images"][0]["reference"]) for each in shown
    ]


def test_conditions_are_evaluated_on_the_manifest(tmp_path: Path) -> None:
    """As the webhook would evaluate them on the object, for the requester that is named."""
    conditions = PINNED.replace(
        "spec:",
        """spec:
  matchConditions:
    - {name: team, expression: has(object.metadata.labels) && "team" in object.metadata.labels}
    - {name: person, expression: 'request.userInfo.username != "bot"'}
    - {name: created, expression: 'oldObject == null && request.operation == "CREATE"'}""",
    )
    options: dict[str, object] = {"policies": policies(tmp_path, conditions)}
    with_team = pod(BAD, metadata=", labels: {team: shop}")
    decisions = [
        entries(options | more, stdin=text, by_variable=False)[0]["decision"]
        for text, more in ((pod(BAD), {}), (with_team, {}), (with_team, {"requester": "bot"}))
    ]

    assert ["allow", "deny", "allow"] == decisions


@WAYS
def test_unmatched_images_can_be_refused(tmp_path: Path, by_variable: bool) -> None:  # noqa: FBT001
    """By default an image that no policy is about is admitted."""
    about = PINNED.replace("spec:", "spec:\n  match: {images: [other.example.com]}")
    options = {"policies": policies(tmp_path, about)}
    decisions = [
        entries(each, stdin=pod(GOOD), by_variable=by_variable)[0]["decision"]
        for each in (options, options | {"unmatched-images": "Deny"})
    ]

    assert ["allow", "deny"] == decisions


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry() as registry:
        yield registry


@pytest.fixture
def outside(registry: FakeRegistry, tmp_path: Path) -> dict[str, object]:
    """Give the options of a check that needs a registry and cosign, all of them good."""
    entry = {"host": registry.host, "plainHTTP": True}
    folder = policies(tmp_path, SIGNED % {"host": registry.host})
    written(folder / "ci.pub", a_key().pem)
    return {
        "policies": folder,
        "registries": written(tmp_path / "r.yaml", json.dumps({"registries": [entry]})),
        "cosign": fake_cosign(tmp_path),
    }


def a_signed_pod(registry: FakeRegistry) -> str:
    """Push an image with a signature in the old format, and return a Pod of it."""
    return pod(str(signed(registry, a_key())))


async def outcome(options: Mapping[str, object], stdin: str, *, by_variable: bool) -> list[str]:
    """Return the decision and the reasons of the only image."""
    (entry,) = await asyncio.to_thread(entries, options, stdin=stdin, by_variable=by_variable)
    (image,) = entry["images"]
    found: Sequence[dict[str, str]] = [*image["violations"], *image["undecided"]]
    return [entry["decision"], *(each["reason"] for each in found)]


@WAYS
async def test_registries_says_how_they_are_reached(
    registry: FakeRegistry,
    outside: dict[str, object],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Plain http is spoken only where the file says so."""
    text = a_signed_pod(registry)
    without = {name: value for name, value in outside.items() if name != "registries"}

    assert [["allow"], ["undecided", "signature not verified yet"]] == [
        await outcome(options, text, by_variable=by_variable) for options in (outside, without)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("registries: [{host: 'a b'}]", "registries[0].host"),
        ("registries: []\n---\nregistries: []\n", "2 documents given, one is wanted"),
        ("registry: []", "registry"),
    ],
)
def test_bad_registries_are_refused_with_their_file(tmp_path: Path, text: str, said: str) -> None:
    """Neither a field nor a document of the file is passed over."""
    file = written(tmp_path / "registries.yaml", text)
    result = run(
        "check", "--policies", policies(tmp_path, PINNED), "--registries", file, stdin=pod(GOOD)
    )

    assert (2, True, True) == (
        result.exit_code,
        result.stderr.startswith(f"landwaiter: {file}: "),
        said in result.stderr,
    )


@WAYS
async def test_cosign_is_the_program_that_verifies(
    registry: FakeRegistry,
    outside: dict[str, object],
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Another program is another verdict, and a missing one is none."""
    text = a_signed_pod(registry)
    missing = outside | {"cosign": tmp_path / "missing"}

    assert [["allow"], ["undecided", "signature not verified yet"]] == [
        await outcome(options, text, by_variable=by_variable) for options in (outside, missing)
    ]


@WAYS
@pytest.mark.timeout(45)
async def test_timeout_seconds_ends_the_wait(
    registry: FakeRegistry,
    outside: dict[str, object],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """A registry that never answers is waited for no longer than that; by default a minute."""
    registry.on("/v2/", silent(registry))
    options = outside | {"timeout-seconds": 1}

    assert ["undecided", "not known in time"] == await outcome(
        options, pod(f"{registry.host}/team/app:1"), by_variable=by_variable
    )


async def test_credentials_of_the_cluster_state_are_tried(
    outside: dict[str, object], tmp_path: Path
) -> None:
    """A private image is judged offline with the pull secret that its manifest names."""
    async with FakeRegistry(users={"ann": "pw"}) as private:
        text = a_signed_pod(private)
        entry = {"host": private.host, "plainHTTP": True}
        registries = written(tmp_path / "p.yaml", json.dumps({"registries": [entry]}))
        folder = policies(tmp_path / "private", SIGNED % {"host": private.host})
        written(folder / "ci.pub", a_key().pem)
        config = json.dumps({"auths": {private.host: {"username": "ann", "password": "pw"}}})
        state = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "regcred", "namespace": "default"},
            "stringData": {".dockerconfigjson": config},
        }
        options = outside | {
            "policies": folder,
            "registries": registries,
            "cluster-state": written(tmp_path / "s.json", json.dumps(state)),
        }
        named = text.replace("containers", "imagePullSecrets: [{name: regcred}], containers")

        assert ["allow"] == await outcome(options, named, by_variable=False)


UNREACHABLE = """
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: one, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: t}}]
"""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "the list of deployments.apps could not be read: the Kubernetes API did not answer"),
        ({"LANDWAITER_CONTEXT": "two"}, "no usable configuration for the Kubernetes API in "),
    ],
)
def test_a_cluster_can_be_named_by_variables(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    """A report on a cluster that does not answer is bad input, and no empty report."""
    environment = {
        "LANDWAITER_FROM_CLUSTER": "1",
        "LANDWAITER_POLICIES": str(policies(tmp_path, PINNED)),
        "LANDWAITER_KUBECONFIG": str(written(tmp_path / "kubeconfig", UNREACHABLE)),
        **variables,
    }
    result = run("check", environment=[*environment.items()])

    assert (2, "", True) == (result.exit_code, result.stdout, said in result.stderr), result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from-cluster", "-"], "--from-cluster given, which goes without manifests"),
        (["--from-cluster", "--cluster-state=."], "--from-cluster given, which goes without"),
        (["--from-cluster", "--requester=ann"], "--from-cluster given, which goes without"),
        (["--context=one", "-"], "--kubeconfig and --context are wanted with --from-cluster only"),
        (["--kubeconfig={kubeconfig}", "-"], "--kubeconfig and --context are wanted with --from-"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    """A cluster and manifests are two questions, and each has its own options."""
    file = written(tmp_path / "kubeconfig", UNREACHABLE)
    given = [each.replace("{kubeconfig}", str(file)) for each in arguments]
    result = run("check", "--policies", policies(tmp_path, PINNED), *given, stdin=pod(GOOD))

    assert (2, "", True) == (result.exit_code, result.stdout, said in result.stderr), result.stderr


def test_variables_of_serve_do_not_disturb_a_check(tmp_path: Path) -> None:
    """Both commands can run in one environment."""
    file = written(tmp_path / "kubeconfig", UNREACHABLE)
    result = run(
        *("check", "--policies", policies(tmp_path, PINNED)),
        stdin=pod(GOOD),
        environment=[("LANDWAITER_KUBECONFIG", str(file))],
    )

    assert 0 == result.exit_code


def test_kms_says_which_services_policies_may_name(tmp_path: Path) -> None:
    """A policy with a key of another one does not load, and says what there is."""
    text = PINNED.replace(
        "pinnedTags: {require: digest}",
        "cosignSignatures: {authorities: [{name: ci, key: {kms: 'awskms:///alias/ci'}}]}",
    )
    folder = policies(tmp_path, text)
    results, nothing = [], "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    for content in (None, "kms: [{scheme: gcpkms}]", "kms: [{scheme: awskms}]"):
        options: list[str | Path] = []
        if content is not None:
            options = ["--kms", written(tmp_path / "kms.yaml", content)]
        results.append(run("check", "--policies", folder, *options, stdin=nothing))

    assert [2, 2, 0] == [result.exit_code for result in results], results[2].output
    wanted = 'key.kms: "awskms" given, one of the services of this install wanted, by its file of '
    assert [True, True] == [
        f"{wanted}--kms: {there}" in result.stderr
        for there, result in zip(("none", "gcpkms"), results, strict=False)
    ]
