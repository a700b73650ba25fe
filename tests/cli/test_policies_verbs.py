"""`landwaiter policies validate`, `schema` and `docs`: what admins can ask before they apply."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cli.manifests import PINNED, PRODUCTION, PULLABLE, policies, run, written
from policy.builders import a_document

ROOT = Path(__file__).resolve().parents[2]


def test_validate_names_what_loads(tmp_path: Path) -> None:
    """A folder, a file or several of both are one set."""
    folder = policies(tmp_path, PINNED, PRODUCTION)
    file = written(tmp_path / "more.yaml", PULLABLE)

    assert [
        "2 policies load: pinned, production\n",
        "1 policy loads: pullable\n",
        "3 policies load: pullable, pinned, production\n",
    ] == [
        run("policies", "validate", *paths).stdout for paths in ([folder], [file], [file, folder])
    ]


EXCEPTION = """
apiVersion: landwaiter.dev/v1alpha1
kind: ImagePolicyException
metadata: {name: hotfix, namespace: shop}
spec:
  policies: [{name: pinned, rules: [pinnedTags]}]
  images: [r.example.com/app]
  namespaces: [shop]
  requestedBy: alice
  reason: the registry is down
  expires: 2099-01-01T00:00:00Z
"""


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("validate", "1 policy loads: pinned\n1 exception loads: shop/hotfix\n"),
        ("lint", "1 linted: 0 warnings about 0 of them\n"),
    ],
)
def test_exceptions_load_whatever_an_install_allows(tmp_path: Path, verb: str, said: str) -> None:
    """How long they may last, and where, is the install's to say, and it is not known here."""
    folder = policies(tmp_path, PINNED, EXCEPTION)

    assert said == run("policies", verb, folder).stdout


def test_validate_says_what_the_start_would_say(tmp_path: Path) -> None:
    """The sentences are those of `--policies`, all of them at once."""
    folder = policies(tmp_path, PINNED.replace("Deny", "Dny"), PULLABLE.replace("spec", "spek"))
    validated = run("policies", "validate", folder)
    checked = run("check", "--policies", folder, stdin="")

    assert (2, "", checked.stderr) == (validated.exit_code, validated.stdout, validated.stderr)
    assert 3 == len(validated.stderr.splitlines())


def test_validate_finds_a_name_that_two_files_share(tmp_path: Path) -> None:
    """Together they would not load either."""
    files = [written(tmp_path / name, PINNED) for name in ("a.yaml", "b.yaml")]
    result = run("policies", "validate", *files)

    assert (
        2,
        (
            f'landwaiter: {files[1]}:4: field metadata.name: "pinned" given, '
            f"but {files[0]}:4 has it too; a name of its own wanted\n"
        ),
    ) == (result.exit_code, result.stderr)


def test_files_that_a_policy_names_are_beside_it(tmp_path: Path) -> None:
    """A document that is given as a file reads its keys from its own folder."""
    signed = PINNED.replace(
        "pinnedTags: {require: digest}",
        "cosignSignatures: {authorities: [{name: ci, key: {file: keys/ci.pub}}]}",
    )
    file = written(tmp_path / "policies" / "signed.yaml", signed)
    result = run("policies", "validate", file)

    assert (2, f'"{tmp_path}/policies/keys/ci.pub" cannot be read: No such file or directory') == (
        result.exit_code,
        result.stderr.partition("key.file: ")[2].strip(),
    )


def test_validate_needs_something_to_validate(tmp_path: Path) -> None:
    """Neither nothing nor a folder without policies counts as good."""
    (tmp_path / "empty").mkdir()

    assert [2, 2, 2] == [
        run("policies", "validate", *paths).exit_code
        for paths in ([], [tmp_path / "empty"], [tmp_path / "missing"])
    ]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    shown = run("policies", "schema")
    found: dict[str, Any] = json.loads(shown.stdout)
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def is_good(schema: dict[str, Any], document: object) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(document)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "deploy" / "policies").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_schema_takes_the_ready_made_policies(schema: dict[str, Any], path: Path) -> None:
    """An editor underlines nothing in what people start from."""
    documents = list(yaml.safe_load_all(path.read_text("utf-8")))

    assert [True] * len(documents) == [is_good(schema, each) for each in documents]


@pytest.mark.parametrize(
    "document",
    [
        a_document(rules={"pinnedTag": {}}),
        a_document(rules={"pinnedTags": {"require": "digests"}}),
        a_document(rules={"allowedRegistries": {"allow": "registry.example.com"}}),
        a_document(validationActions=[]),
        a_document(failurePolicy="fail"),
        a_document(match={"images": []}),
        {**a_document(), "kind": "ClusterImagePolicies"},
        {**a_document(), "metadata": {}},
        [],
    ],
)
def test_the_schema_refuses_what_does_not_load(schema: dict[str, Any], document: object) -> None:
    """Unknown fields, wrong types, wrong choices, missing and empty values."""

    assert not is_good(schema, document)


def test_docs_tells_every_field_of_the_models() -> None:
    """The reference is generated: each field of the models has a row with the text beside it."""
    shown = run("policies", "docs").stdout
    paths = re.findall(r"^\| `([^`]+)` \|", shown, re.MULTILINE)

    assert {
        "metadata.name",
        "spec.match.namespaceSelector.matchExpressions[].key",
        "spec.rules.cosignSignatures.authorities[].key.secretRef.key",
    } <= set(paths)
    assert (
        "| `spec.failurePolicy` | `Fail` or `Ignore` | `Fail` | What becomes of an image about "
        "which a rule could not find out, with `Deny`. `Fail` refuses the request until it can be "
        "found out; `Ignore` admits it with a warning. |"
    ) in shown.splitlines()
    assert '| `spec.match.images` | list of text | `["**"]` |' in shown
    assert "| `spec.rules.pinnedTags.require` | `digest` or `fixedTag` | required |" in shown


OPT_IN = PINNED.replace("spec:", "spec:\n  match: {objectSelector: {matchLabels: {a: b}}}")
BROAD = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: broad}
spec:
  validationActions: [Warn]
  rules:
    allowedRegistries:
      allow:
      - r.example.com
      - docker.io
"""


def test_lint_tells_file_line_and_field(tmp_path: Path) -> None:
    """Each warning is one line that an editor can jump to."""
    file = written(tmp_path / "p.yaml", f"{OPT_IN}---\n{BROAD}")
    result = run("policies", "lint", file)

    assert (
        1,
        (
            f"{file}:6: field spec.match.objectSelector: the policy refuses, and leaving a "
            "label out "
            "is enough to avoid it, for whoever writes a Pod chooses its labels; select by "
            "namespace "
            "[optIn]\n"
            f'{file}:20: field spec.rules.allowedRegistries.allow[1]: "docker.io" allows a whole '
            "registry on which everybody can have an account; name what is yours [overBroad]\n"
            "2 linted: 2 warnings about 2 of them\n"
        ),
    ) == (result.exit_code, result.stdout)


def test_lint_is_silent_about_good_policies(tmp_path: Path) -> None:
    """Nothing to say ends with 0."""
    result = run("policies", "lint", policies(tmp_path, PRODUCTION))

    assert (0, "1 linted: 0 warnings about 0 of them\n") == (result.exit_code, result.stdout)


@pytest.mark.parametrize("by_variable", [False, True], ids=["option", "variable"])
def test_lint_leaves_out_what_is_allowed(tmp_path: Path, by_variable: bool) -> None:  # noqa: FBT001
    """A kind of warning that somebody has decided about stays away."""
    folder = policies(tmp_path, OPT_IN, BROAD)
    if by_variable:
        result = run(
            "policies", "lint", folder, environment=[("LANDWAITER_ALLOW", "optIn overBroad")]
        )
    else:
        result = run("policies", "lint", "--allow=optIn", "--allow=overBroad", folder)

    assert (0, "2 linted: 0 warnings about 0 of them\n") == (result.exit_code, result.stdout)


def test_lint_refuses_what_does_not_load(tmp_path: Path) -> None:
    """A policy that is no policy is not merely warned about."""
    result = run("policies", "lint", policies(tmp_path, PINNED.replace("Deny", "Dny")))

    assert (2, "") == (result.exit_code, result.stdout)
