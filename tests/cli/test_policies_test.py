"""`landwaiter policies test`: each field of a declared case counts, and differences are shown."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from pydantic import BaseModel

from cli.manifests import A_DIGEST, BAD, GOOD, PINNED, PRODUCTION, PULLABLE, run, written
from landwaiter.policy.declared import DeclaredCase, ImageFactSettings, PolicyTest
from landwaiter.policy.texts import texts_of

SIGNED = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: signed}
spec:
  validationActions: [Deny]
  rules:
    cosignSignatures:
      authorities:
      - {name: ci, key: {secretRef: {namespace: landwaiter-system, name: ci}}}
"""
SIZED = PINNED.replace("name: pinned", "name: sized").replace(
    "pinnedTags: {require: digest}", "imageLimits: {maxLayers: 1}"
)
WARNING = PINNED.replace("[Deny]", "[Warn]").replace("name: pinned", "name: warning")
PATH = "spec.containers[0].image"
REFUSED = [{"path": PATH, "policy": "pinned", "rule": "pinnedTags"}]
UNPINNED = {
    "action": "Deny",
    "reason": "image without digest",
    "detail": 'tag "1" can be moved to another image at any time; a digest is wanted',
    "remedy": "add the digest of the image: NAME:TAG@sha256:...",
}


def a_pod(image: str, **metadata: Any) -> dict[str, Any]:  # noqa: ANN401  # Any field of metadata.
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", **metadata},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }


def a_case(image: str = BAD, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  # Any field of a case.
    return {
        "name": "a case",
        "manifest": a_pod(image),
        "expect": {"decision": "deny", "violations": REFUSED},
        **fields,
    }


def tried(
    folder: Path,
    *cases: dict[str, Any],
    policy: str = PINNED,
    **fields: Any,  # noqa: ANN401  # Any field of a document.
) -> Result:
    """Run the cases of one document against a policy beside it."""
    written(folder / "policies" / "p.yaml", policy)
    document = {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ImagePolicyTest",
        "policies": ["../policies/p.yaml"],
        "cases": list(cases),
        **fields,
    }
    file = written(folder / "tests" / "t.yaml", yaml.safe_dump(document, sort_keys=False))
    return run("policies", "test", file.parent)


def test_what_is_as_declared_is_told_case_by_case(tmp_path: Path) -> None:
    """Each case has a line with its place, and the last line counts."""
    result = tried(
        tmp_path,
        a_case(name="a tag is refused"),
        a_case(GOOD, name="a digest is admitted", expect={"decision": "allow"}),
    )
    file = tmp_path / "tests" / "t.yaml"

    assert (
        0,
        (
            f"{file}:6: a tag is refused: ok\n"
            f"{file}:22: a digest is admitted: ok\n"
            "2 cases: 2 as declared, 0 not\n"
        ),
    ) == (result.exit_code, result.stdout)


def test_a_difference_is_shown_line_by_line(tmp_path: Path) -> None:
    """Only what the case speaks of is compared, and of what it does not list everything is told."""
    result = tried(tmp_path, a_case(expect={"decision": "allow"}))

    assert (
        1,
        (
            f"{tmp_path}/tests/t.yaml:6: a case: DIFFERS\n"
            "  --- declared\n"
            "  +++ decided\n"
            "  @@ -1,3 +1,10 @@\n"
            "  -decision: allow\n"
            "  -violations: []\n"
            "  +decision: deny\n"
            "  +violations:\n"
            "  +- path: spec.containers[0].image\n"
            "  +  policy: pinned\n"
            "  +  rule: pinnedTags\n"
            "  +  action: Deny\n"
            "  +  reason: image without digest\n"
            '  +  detail: tag "1" can be moved to another image at any time; a digest is wanted\n'
            "  +  remedy: 'add the digest of the image: NAME:TAG@sha256:...'\n"
            "   undecided: []\n"
            "1 cases: 0 as declared, 1 not\n"
        ),
    ) == (result.exit_code, result.stdout)


@pytest.mark.parametrize("field", ["path", "policy", "rule", *UNPINNED])
def test_each_field_of_a_finding_is_compared(tmp_path: Path, field: str) -> None:
    """A finding that differs in one field that is given is another one."""
    whole = {**REFUSED[0], **UNPINNED}
    other = {**whole, field: "Warn" if field == "action" else "other"}

    assert [0, 1] == [
        tried(tmp_path, a_case(expect={"decision": "deny", "violations": [finding]})).exit_code
        for finding in (whole, other)
    ]


def test_every_finding_has_to_be_declared(tmp_path: Path) -> None:
    """One too few and one too many are differences, as is another order."""
    manifest = a_pod(BAD)
    manifest["spec"]["containers"].append({"name": "other", "image": BAD})
    second = {**REFUSED[0], "path": "spec.containers[1].image"}
    lists = ([REFUSED[0], second], REFUSED, [REFUSED[0], second, second], [second, REFUSED[0]])

    assert [0, 1, 1, 1] == [
        tried(
            tmp_path, a_case(manifest=manifest, expect={"decision": "deny", "violations": each})
        ).exit_code
        for each in lists
    ]


def test_warnings_are_compared_where_they_are_given(tmp_path: Path) -> None:
    """What a policy that warns finds is a violation; its line is compared when it is written."""
    found = [{**REFUSED[0], "policy": "warning", "action": "Warn"}]
    line = (
        'pinnedTags: container app: tag "1" can be moved to another image at any time; '
        "a digest is wanted (policy warning)"
    )
    given: list[dict[str, Any]] = [{}, {"warnings": [line]}, {"warnings": []}]

    assert [0, 0, 1] == [
        tried(
            tmp_path,
            a_case(expect={"decision": "allow", "violations": found, **warnings}),
            policy=WARNING,
        ).exit_code
        for warnings in given
    ]


def test_a_manifest_can_stand_in_a_file(tmp_path: Path) -> None:
    """Its name is taken from the folder of the document."""
    written(tmp_path / "tests" / "manifests" / "web.yaml", yaml.safe_dump(a_pod(BAD)))
    case = a_case(file="manifests/web.yaml")
    del case["manifest"]

    assert 0 == tried(tmp_path, case).exit_code


def test_with_an_old_object_a_case_is_an_update(tmp_path: Path) -> None:
    """What a running Pod already has is left alone."""
    admitted = {"decision": "allow"}

    assert [0, 1] == [
        tried(tmp_path, a_case(expect=admitted, old=a_pod(image))).exit_code
        for image in (BAD, GOOD)
    ]


def test_a_requester_can_be_a_node(tmp_path: Path) -> None:
    """The mirror of a static Pod is passed over when a node asks, by name and group."""
    mirror = a_pod(BAD, annotations={"kubernetes.io/config.mirror": "x"})
    node = {"name": "system:node:one", "groups": ["system:nodes"]}

    assert [0, 1, 1] == [
        tried(
            tmp_path, a_case(manifest=mirror, expect={"decision": "allow"}, requester=requester)
        ).exit_code
        for requester in (node, {**node, "name": "somebody"}, {**node, "groups": []})
    ]


def test_the_namespace_of_a_case_is_that_of_manifests_without(tmp_path: Path) -> None:
    """A manifest's own namespace wins, and labels come from the declared state."""
    state = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"env": env}},
        }
        for name, env in (("shop", "production"), ("default", "test"))
    ]
    refused = {"decision": "deny", "violations": [{**REFUSED[0], "policy": "production"}]}
    result = tried(
        tmp_path,
        a_case(name="given", namespace="shop", expect=refused),
        a_case(name="default", expect={"decision": "allow"}),
        a_case(name="own", manifest=a_pod(BAD, namespace="shop"), expect=refused),
        policy=PRODUCTION,
        clusterState=state,
    )

    assert 0 == result.exit_code, result.output


def test_what_is_not_declared_is_undecided_and_says_what_to_declare(tmp_path: Path) -> None:
    """Neither the cluster's objects nor a registry's content are guessed."""

    def undecided(policy: str, rule: str, detail: str) -> dict[str, Any]:
        finding = {"path": PATH, "policy": policy, "rule": rule, "detail": detail}
        return {"decision": "undecided", "undecided": [finding]}

    account = 'service account "default" in namespace "default" is not known here; '
    results = [
        tried(
            tmp_path,
            a_case(
                GOOD,
                expect=undecided(
                    "pullable", "pullSecrets", f"{account}add its manifest to clusterState"
                ),
            ),
            policy=PULLABLE,
        ),
        tried(
            tmp_path,
            a_case(
                expect=undecided(
                    "signed", "cosignSignatures", f'facts.digests does not name "{BAD}"'
                )
            ),
            policy=SIGNED,
        ),
        tried(
            tmp_path,
            a_case(
                GOOD,
                expect=undecided(
                    "signed", "cosignSignatures", f'ci: facts.signatures does not name "{GOOD}"'
                ),
            ),
            policy=SIGNED,
        ),
        tried(
            tmp_path,
            a_case(
                GOOD,
                expect=undecided("sized", "imageLimits", f'facts.images does not name "{GOOD}"'),
            ),
            policy=SIZED,
        ),
    ]

    assert [0, 0, 0, 0] == [result.exit_code for result in results], results[0].output


def test_facts_stand_for_registries(tmp_path: Path) -> None:
    """The digest of a tag, and who has signed it; an empty list says that nobody has."""
    finding = {"path": PATH, "policy": "signed", "rule": "cosignSignatures"}
    good = {
        **finding,
        "reason": "image without digest",
        "remedy": f"use {BAD}@{A_DIGEST}",
    }
    facts = {"digests": {BAD: A_DIGEST}, "signatures": {GOOD: ["other", "ci"]}}
    signed = [
        a_case(GOOD, name="signed", expect={"decision": "allow"}),
        a_case(name="by tag", expect={"decision": "deny", "violations": [good]}),
    ]
    unsigned = [
        a_case(
            GOOD,
            expect={
                "decision": "deny",
                "violations": [{**finding, "reason": "no valid signature"}],
            },
        )
    ]

    assert [0, 0, 0] == [
        tried(tmp_path, *cases, policy=SIGNED, facts=each).exit_code
        for cases, each in (
            (signed, facts),
            (unsigned, {"signatures": {GOOD: []}}),
            (unsigned, {"signatures": {GOOD: ["somebody"]}}),
        )
    ]


ATTESTED = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: attested}
spec:
  validationActions: [Deny]
  rules:
    attestations:
      required:
      - predicateType: https://example.com/scan/v1
        maxAgeHours: 24
        atLeast: 2
        conditions: [{name: clean, expression: predicate.findings == 0}]
        authorities:
        - name: scanner
          keyless: {identities: [{issuer: "https://login.example.com", subject: ann@example.com}]}
          trustedRoot: {secretRef: {namespace: landwaiter-system, name: root, key: root.json}}
"""


def an_attestation(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  # Any field of a document.
    return {
        "predicateType": "https://example.com/scan/v1",
        "attestedBy": ["other", "scanner"],
        "signedAt": "2026-11-24T12:00:00Z",
        "predicate": {"findings": 0},
        **fields,
    }


@pytest.mark.parametrize(
    ("other", "detail"),
    [
        ({}, None),
        ({"predicateType": "https://example.com/other/v1"}, "scanner: only 1 counts"),
        ({"attestedBy": ["other"]}, "scanner: only 1 counts"),
        ({"signedAt": "2026-11-24T11:00:00Z"}, "scanner: only 1 counts, besides: it is 25 h old"),
        (
            {"signedAt": None},
            "scanner: only 1 counts, besides: nobody vouches for when it was signed",
        ),
        (
            {"predicate": {"findings": 1}},
            'scanner: only 1 counts, besides: it does not meet "clean"',
        ),
        (
            {"predicate": {}},
            (
                'scanner: only 1 counts, besides: "clean" cannot be told of it: '
                'NOT_FOUND: Key not found in map : "findings"'
            ),
        ),
    ],
)
def test_facts_stand_for_attestations(
    tmp_path: Path, other: dict[str, Any], detail: str | None
) -> None:
    """Each field of one that is declared is asked about, as if it had been found."""
    wanted = (
        '; 2 different attestations of type "https://example.com/scan/v1", at most 24 h old, '
        'meeting "clean", by "scanner" are wanted'
    )
    finding = {"path": PATH, "policy": "attested", "rule": "attestations"}
    refused = [{**finding, "detail": f"{detail}{wanted}"}]
    expect = {"decision": "deny", "violations": refused} if detail else {"decision": "allow"}
    second = an_attestation(**{"predicate": {"findings": 0, "number": 2}, **other})
    result = tried(
        tmp_path,
        a_case(GOOD, expect=expect),
        policy=ATTESTED,
        now="2026-11-25T12:00:00Z",
        facts={"attestations": {GOOD: [an_attestation(), second]}},
    )

    assert 0 == result.exit_code, result.output


def test_attestations_that_are_not_declared_are_not_known(tmp_path: Path) -> None:
    """An empty list says that there are none."""
    finding = {"path": PATH, "policy": "attested", "rule": "attestations"}
    unknown = {**finding, "detail": f'scanner: facts.attestations does not name "{GOOD}"'}
    undecided = {"decision": "undecided", "undecided": [unknown]}
    refused = {"decision": "deny", "violations": [finding]}

    declared: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (undecided, {}),
        (refused, {"attestations": {GOOD: []}}),
    ]

    assert [0, 0] == [
        tried(tmp_path, a_case(GOOD, expect=expect), policy=ATTESTED, facts=facts).exit_code
        for expect, facts in declared
    ]


CONTENT = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: content}
spec:
  validationActions: [Deny]
  rules:
    platforms: {require: [linux/amd64]}
    nonRootUser: {platforms: [linux/amd64]}
    imageLimits:
      maxCompressedSize: 1Ki
      maxLayers: 2
      maxAgeDays: 36500
      requiredLabels: {source: "*"}
"""
AN_IMAGE = {
    "platform": "linux/amd64",
    "user": "1000",
    "labels": {"source": "https://git.example.com"},
    "created": "2026-01-01T00:00:00Z",
    "layerSizes": [1000, 24],
}
OTHER_DIGEST = f"sha256:{'b' * 64}"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, None),
        ({"platform": "linux/arm64"}, "platforms"),
        ({"user": "0"}, "nonRootUser"),
        ({"labels": {}}, "imageLimits"),
        ({"created": "1900-01-01T00:00:00Z"}, "imageLimits"),
        ({"layerSizes": [1000, 25]}, "imageLimits"),
        ({"layerSizes": [1, 1, 1]}, "imageLimits"),
    ],
)
def test_facts_stand_for_what_images_say_of_themselves(
    tmp_path: Path, changes: dict[str, Any], rule: str | None
) -> None:
    """Each field of an image decides what its rule makes of it."""
    violations = [{"path": PATH, "policy": "content", "rule": rule}]
    expect = {"decision": "deny", "violations": violations} if rule else {"decision": "allow"}
    result = tried(
        tmp_path,
        a_case(GOOD, expect=expect),
        policy=CONTENT,
        facts={"images": {GOOD: {**AN_IMAGE, **changes}}},
    )

    assert 0 == result.exit_code, result.output


def test_an_index_leads_to_images_of_its_repository(tmp_path: Path) -> None:
    """They are judged as in a registry: here that for a platform without nodes is not."""
    other = GOOD.replace(A_DIGEST, OTHER_DIGEST)
    third = other.replace("b" * 64, "c" * 64)
    index = {"index": [OTHER_DIGEST, third.partition("@")[2]]}
    images = {
        GOOD: index,
        other: AN_IMAGE,
        third: {**AN_IMAGE, "platform": "windows/amd64", "user": ""},
    }
    missing = {**images}
    del missing[other]
    undecided = [
        {"path": PATH, "policy": "content", "rule": rule}
        for rule in ("imageLimits", "nonRootUser", "platforms")
    ]
    results = [
        tried(tmp_path, a_case(GOOD, expect=expect), policy=CONTENT, facts={"images": each})
        for each, expect in (
            (images, {"decision": "allow"}),
            (missing, {"decision": "undecided", "undecided": undecided}),
        )
    ]

    assert [0, 0] == [result.exit_code for result in results], results[0].output


def test_short_names_can_be_refused_as_in_the_install(tmp_path: Path) -> None:
    """The setting of the install is declared as well."""
    named = f"nginx@{A_DIGEST}"
    unreadable = [{**REFUSED[0], "rule": "imageReference"}]

    assert [0, 0] == [
        tried(tmp_path, a_case(named, expect=expect), shortNames=short).exit_code
        for short, expect in (
            ("DockerHub", {"decision": "allow"}),
            ("Refuse", {"decision": "deny", "violations": unreadable}),
        )
    ]


EXCEPTION = """
apiVersion: landwaiter.dev/v1alpha1
kind: ImagePolicyException
metadata: {name: hotfix%(metadata)s}
spec:
  policies: [{name: pinned, rules: [pinnedTags]}]
  images: [r.example.com/app]
  namespaces: [default]
  requestedBy: ann@example.com
  reason: an incident
  expires: 2026-12-01T00:00:00Z
"""


def test_exceptions_count_at_the_time_that_is_declared(tmp_path: Path) -> None:
    """A lifted finding names its exception; at the second the exception ends it stands again."""
    lifted = [{**REFUSED[0], "exception": "hotfix"}]
    policy = f"{PINNED}---\n{EXCEPTION % {'metadata': ''}}"
    refused = {"decision": "deny", "violations": REFUSED}

    assert [0, 1, 0, 1] == [
        tried(tmp_path, a_case(expect=expect), policy=policy, now=now).exit_code
        for now, expect in (
            ("2026-11-30T23:59:59Z", {"decision": "allow", "violations": lifted}),
            ("2026-11-30T23:59:59Z", {"decision": "allow", "violations": REFUSED}),
            ("2026-12-01T00:00:00Z", refused),
            ("2026-12-01T00:00:00Z", {"decision": "allow", "violations": lifted}),
        )
    ]


def test_a_denial_ends_at_the_time_that_is_declared(tmp_path: Path) -> None:
    """The clock of a case is that of its rules too."""
    denying = PINNED.replace(
        "pinnedTags: {require: digest}",
        "deniedImages: {entries: [{images: [r.example.com], reason: x, "
        "expires: 2026-12-01T00:00:00Z}]}",
    )
    denied = [{**REFUSED[0], "rule": "deniedImages"}]

    assert [0, 0] == [
        tried(tmp_path, a_case(expect=expect), policy=denying, now=now).exit_code
        for now, expect in (
            ("2026-11-30T23:59:59Z", {"decision": "deny", "violations": denied}),
            ("2026-12-01T00:00:00Z", {"decision": "allow"}),
        )
    ]


def test_images_that_no_policy_is_about_are_treated_as_in_the_install(tmp_path: Path) -> None:
    """The setting of the install is declared as well."""
    about_others = PINNED.replace("spec:", "spec:\n  match: {images: [other.example.com]}")
    unmatched = [{"path": PATH, "policy": "unmatchedImages", "rule": "unmatchedImages"}]
    refused = {"decision": "deny", "violations": unmatched}

    assert [0, 0] == [
        tried(
            tmp_path, a_case(expect=expect), policy=about_others, unmatchedImages=setting
        ).exit_code
        for setting, expect in (("Deny", refused), ("Allow", {"decision": "allow"}))
    ]


def test_exceptions_of_namespaces_are_tried_whatever_the_install_allows(tmp_path: Path) -> None:
    """Which exceptions an install takes is a matter of the install."""
    policy = f"{PINNED}---\n{EXCEPTION % {'metadata': ', namespace: default'}}"
    lifted = [{**REFUSED[0], "exception": "default/hotfix"}]
    case = a_case(expect={"decision": "allow", "violations": lifted})

    assert 0 == tried(tmp_path, case, policy=policy, now="2026-11-01T00:00:00Z").exit_code


def test_several_policies_are_one_set(tmp_path: Path) -> None:
    """Files and folders are named in a list."""
    written(tmp_path / "more" / "w.yaml", WARNING)
    both = [REFUSED[0], {**REFUSED[0], "policy": "warning"}]
    result = tried(
        tmp_path,
        a_case(expect={"decision": "deny", "violations": both}),
        policies=["../policies/p.yaml", "../more"],
    )

    assert 0 == result.exit_code, result.output


@pytest.mark.parametrize(
    ("fields", "case", "said"),
    [
        ({"cases": []}, {}, ":5: field cases: 0 given, at least 1 wanted"),
        ({"policies": []}, {}, ":3: field policies: 0 given, at least 1 wanted"),
        ({"kind": "ClusterImagePolicy"}, {}, ':2: field kind: "ClusterImagePolicy" given, "Image'),
        (
            {"apiVersion": "v1"},
            {},
            ':1: field apiVersion: "v1" given, "landwaiter.dev/v1alpha1" wanted',
        ),
        ({"polices": "p"}, {}, 'field polices: no such field; did you mean "policies"?'),
        ({"facts": {"digests": {"a b": A_DIGEST}}}, {}, "field facts.digests"),
        ({"facts": {"signatures": {BAD: []}}}, {}, f'"{BAD}" given, an image with its digest is'),
        (
            {"facts": {"images": {GOOD: {"index": [A_DIGEST], "user": "0"}}}},
            {},
            "index and user given, an index has nothing else",
        ),
        ({"facts": {"images": {GOOD: {"index": []}}}}, {}, "0 given, at least 1 wanted"),
        ({"facts": {"images": {GOOD: {"layerSizes": [-1]}}}}, {}, "-1 given, at least 0 wanted"),
        ({"facts": {"images": {BAD: {}}}}, {}, f'"{BAD}" given, an image with its digest is'),
        ({}, {"name": ""}, ":6: field cases[0].name: 0 characters given, at least 1 wanted"),
        ({}, {"file": "x.yaml"}, "field cases[0]: exactly one of manifest and file is wanted"),
        ({}, {"expect": {"decision": "deny"}}, "deny given without violations, which refuse"),
        ({}, {"expect": {"decision": "undecided"}}, "undecided given without undecided, which"),
        (
            {},
            {"expect": {"decision": "admit"}},
            '"admit" given, "allow", "deny" or "undecided" wanted',
        ),
        (
            {},
            {"manifest": {"apiVersion": "v1", "kind": "Service"}},
            "an object without images given",
        ),
        ({}, {"manifest": {"apiVersion": "v1", "kind": "Pod"}}, "spec: seen nothing, wanted an"),
        ({}, {"old": {"apiVersion": "v1", "kind": "Service"}}, "an object without images given"),
        ({"policies": ["../no"]}, {}, "cannot be read as a folder: No such file or directory"),
        (
            {"clusterState": [{"apiVersion": "v1", "kind": "Secret"}]},
            {},
            ": Secret: metadata: Field",
        ),
    ],
)
def test_documents_that_cannot_be_used_are_refused(
    tmp_path: Path, fields: dict[str, Any], case: dict[str, Any], said: str
) -> None:
    """A test that says less than it seems to is no test."""
    result = tried(tmp_path, a_case(**case), **fields)

    assert (2, "", True) == (result.exit_code, result.stdout, said in result.stderr), result.stderr


def test_two_cases_have_two_names(tmp_path: Path) -> None:
    """A name tells which case it was."""
    result = tried(tmp_path, a_case(), a_case())

    assert (2, True) == (result.exit_code, 'case "a case" is given twice' in result.stderr)


def test_a_folder_without_tests_is_refused(tmp_path: Path) -> None:
    """A mistyped folder does not count as tried."""
    (tmp_path / "empty").mkdir()
    result = run("policies", "test", tmp_path / "empty")

    assert (2, True) == (result.exit_code, "holds no test" in result.stderr)


def test_each_file_of_a_folder_is_tried_in_order(tmp_path: Path) -> None:
    """Files are taken by their names; what begins with a dot, and other folders, are not."""
    tried(tmp_path, a_case())
    source = tmp_path / "tests" / "t.yaml"
    for name in ("a.yml", ".hidden.yaml", "below/x.yaml"):
        written(tmp_path / "tests" / name, source.read_text())
    result = run("policies", "test", source.parent)

    assert ["a.yml", "t.yaml"] == [
        Path(line.partition(":")[0]).name for line in result.stdout.splitlines()[:-1]
    ]


def test_every_field_is_told_about() -> None:
    """The models of a document say what each field means."""
    models: list[type[BaseModel]] = [PolicyTest, DeclaredCase, ImageFactSettings]

    assert [] == [name for each in models for name in set(each.model_fields) - set(texts_of(each))]
