"""Policy documents that do not load, each with the exact text that tells why."""

from pathlib import Path

import pytest

from landwaiter.errors import InvalidPolicy
from landwaiter.policy.sources import load_policies
from landwaiter.rules.catalogue import CATALOGUE

A_POLICY = """\
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: p}
spec:
  validationActions: [Deny]
  rules:
    pinnedTags: {require: digest}
"""
RULES = ", ".join(CATALOGUE)
NO_STEPPING_OUT = (
    "no tag and no digest is wanted here, "
    "for whoever writes a Pod can name the same image by another one"
)
LONG = "x" * 70
EVERYWHERE = "namespaceSelector: {}, validationActions: [Deny]"


def with_lines(lines: dict[int, str]) -> str:
    """Return the good policy with some lines, counted from 1, replaced."""
    text = A_POLICY.splitlines()
    for number, line in lines.items():
        text[number - 1] = line
    return "\n".join(text) + "\n"


def refusal(folder: Path, text: str) -> list[str]:
    file = folder / "p.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPolicy) as refused:
        load_policies(folder)
    return [line.removeprefix(f"{file}:") for line in str(refused.value).splitlines()]


def rule(text: str) -> dict[int, str]:
    return {7: f"    {text}"}


def match(text: str) -> dict[int, str]:
    return {6: f"  match: {text}", 7: "  rules: {pinnedTags: {require: digest}}"}


NO_CONTROLLER = (
    "one that is no controller of Kubernetes and has none among its members is wanted: "
    "controllers act for whoever writes what they work on, so everybody would be exempt"
)
CONTROLLERS = [
    ("User", "system:kube-controller-manager"),
    ("User", "system:cloud-controller-manager"),
    ("User", "system:kube-scheduler"),
    ("User", "system:apiserver"),
    ("User", "system:node:one"),
    ("User", "system:serviceaccount:kube-system:replicaset-controller"),
    ("ServiceAccount", "job-controller"),
    ("Group", "system:nodes"),
    ("Group", "system:authenticated"),
    ("Group", "system:serviceaccounts"),
    ("Group", "system:serviceaccounts:kube-system"),
]


DOCUMENTS: dict[str, tuple[dict[int, str], list[str]]] = {
    "no apiVersion": (
        {1: ""},
        ['2: field apiVersion: nothing given, "landwaiter.dev/v1alpha1" wanted'],
    ),
    "another apiVersion": (
        {1: "apiVersion: landwaiter.dev/v1"},
        ['1: field apiVersion: "landwaiter.dev/v1" given, "landwaiter.dev/v1alpha1" wanted'],
    ),
    "another kind": (
        {2: "kind: ConfigMap"},
        [
            (
                '2: field kind: "ConfigMap" given, "ClusterImagePolicy", '
                '"ImagePolicy" or "ImagePolicyException" wanted; '
                "a file that policies name goes into a folder below, or has another suffix"
            )
        ],
    ),
    "no kind": (
        {2: ""},
        [
            (
                '1: field kind: nothing given, "ClusterImagePolicy", '
                '"ImagePolicy" or "ImagePolicyException" wanted; '
                "a file that policies name goes into a folder below, or has another suffix"
            )
        ],
    ),
    "no metadata": ({3: ""}, ["1: field metadata: nothing given, a mapping wanted"]),
    "no name": ({3: "metadata: {}"}, ["3: field metadata.name: nothing given, text wanted"]),
    "a name with capitals": (
        {3: "metadata: {name: Production}"},
        [
            (
                '3: field metadata.name: "Production" given, '
                'at most 253 lower-case letters, digits, "-" and "." are wanted'
            )
        ],
    ),
    "a name that YAML takes for a number": (
        {3: "metadata: {name: 0755}"},
        ["3: field metadata.name: 493 given, text wanted; write it in quotes"],
    ),
    "a name that YAML takes for a boolean": (
        {3: "metadata: {name: on}"},
        ["3: field metadata.name: true given, text wanted; write it in quotes"],
    ),
    "a namespace": (
        {3: "metadata: {name: p, namespace: shop}"},
        ['3: field metadata.namespace: no such field; did you mean "name"?'],
    ),
    "a label of another form": (
        {3: "metadata: {name: p, labels: {a/b/c: x, d: é}}"},
        [
            '3: field metadata.labels["a/b/c"]: "a/b/c" given, the key of a label is wanted',
            '3: field metadata.labels.d: "é" given, the value of a label is wanted',
        ],
    ),
    "an annotation that is no text": (
        {3: "metadata: {name: p, annotations: {a: 1}}"},
        ["3: field metadata.annotations.a: 1 given, text wanted; write it in quotes"],
    ),
    "a number that is too small": (
        rule("imageLimits: {maxLayers: 0}"),
        ["7: field spec.rules.imageLimits.maxLayers: 0 given, at least 1 wanted"],
    ),
    "a number that is too large": (
        rule("imageLimits: {maxAgeDays: 36501}"),
        ["7: field spec.rules.imageLimits.maxAgeDays: 36501 given, at most 36500 wanted"],
    ),
    "a number in quotes": (
        rule('imageLimits: {maxLayers: "3"}'),
        ['7: field spec.rules.imageLimits.maxLayers: "3" given, a whole number wanted'],
    ),
    "no spec": (
        {4: "", 5: "", 6: "", 7: ""},
        ["1: field spec: nothing given, a mapping wanted"],
    ),
    "a spec that is a list": (
        {4: "spec: [1]", 5: "", 6: "", 7: ""},
        ["4: field spec: a list given, a mapping wanted"],
    ),
    "an unknown field": (
        {5: "  validationActions: [Deny]\n  exceptions: []"},
        [
            (
                "6: field spec.exceptions: no such field; there are "
                "validationActions, failurePolicy, templates, match, matchConditions, rules, "
                "actionOverrides, staleIfUndecided"
            )
        ],
    ),
    "a misspelt field": (
        {5: "  validationAction: [Deny]"},
        [
            "4: field spec.validationActions: nothing given, a list wanted",
            '5: field spec.validationAction: no such field; did you mean "validationActions"?',
        ],
    ),
    "a key in Python's spelling": (
        {5: "  validation_actions: [Deny]"},
        [
            "4: field spec.validationActions: nothing given, a list wanted",
            '5: field spec.validation_actions: no such field; did you mean "validationActions"?',
        ],
    ),
    "no actions": (
        {5: ""},
        ["4: field spec.validationActions: nothing given, a list wanted"],
    ),
    "an empty list of actions": (
        {5: "  validationActions: []"},
        ["5: field spec.validationActions: 0 given, at least 1 wanted"],
    ),
    "an action that is no list": (
        {5: "  validationActions: Deny"},
        ['5: field spec.validationActions: "Deny" given, a list wanted'],
    ),
    "an action in lower case": (
        {5: "  validationActions: [deny]"},
        ['5: field spec.validationActions[0]: "deny" given, "Deny", "Warn" or "Audit" wanted'],
    ),
    "Deny and Warn": (
        {5: "  validationActions: [Deny, Warn]"},
        [
            (
                "5: field spec.validationActions: Deny and Warn given, one of them is wanted: "
                "a refusal tells the person all that a warning would"
            )
        ],
    ),
    "an action twice": (
        {5: "  validationActions: [Audit, Audit]"},
        ["5: field spec.validationActions: an action given twice, distinct ones are wanted"],
    ),
    "no other actions": (
        {5: "  validationActions: [Warn]\n  actionOverrides: []"},
        ["6: field spec.actionOverrides: 0 given, at least 1 wanted"],
    ),
    "other actions for every namespace": (
        {5: f"  validationActions: [Warn]\n  actionOverrides: [{{{EVERYWHERE}}}]"},
        [
            (
                "6: field spec.actionOverrides[0]: namespaceSelector selects every namespace, "
                "at least one condition is wanted; "
                "what is done everywhere stands in spec.validationActions"
            )
        ],
    ),
    "other actions that do not go together": (
        {
            5: "  validationActions: [Warn]\n  actionOverrides: [{namespaceSelector: "
            "{matchLabels: {a: b}}, validationActions: [Warn, Deny]}]"
        },
        [
            (
                "6: field spec.actionOverrides[0].validationActions: Deny and Warn given, "
                "one of them is wanted: a refusal tells the person all that a warning would"
            )
        ],
    ),
    "other actions without namespaces": (
        {5: "  validationActions: [Warn]\n  actionOverrides: [{validationActions: [Deny]}]"},
        [("6: field spec.actionOverrides[0].namespaceSelector: nothing given, a mapping wanted")],
    ),
    "a time that is none": (
        {5: "  validationActions: [Deny]\n  staleIfUndecided: 1d"},
        [
            (
                '6: field spec.staleIfUndecided: "1d" given, hours or minutes are wanted, '
                "such as 24h, at most 720h"
            )
        ],
    ),
    "a time that is too long": (
        {5: "  validationActions: [Deny]\n  staleIfUndecided: 43201m"},
        [
            (
                '6: field spec.staleIfUndecided: "43201m" given, hours or minutes are wanted, '
                "such as 24h, at most 720h"
            )
        ],
    ),
    "a time for what nobody verifies": (
        {5: "  validationActions: [Deny]\n  staleIfUndecided: 24h"},
        [
            (
                "4: field spec: staleIfUndecided given, but nothing is verified: "
                "attestations or cosignSignatures wanted"
            )
        ],
    ),
    "another failurePolicy": (
        {5: "  validationActions: [Deny]\n  failurePolicy: fail"},
        ['6: field spec.failurePolicy: "fail" given, "Fail" or "Ignore" wanted'],
    ),
    "another template action": (
        {5: "  validationActions: [Deny]\n  templates: Audit"},
        ['6: field spec.templates: "Audit" given, "Deny", "Warn" or "Skip" wanted'],
    ),
    "templates that a warning policy would deny": (
        {5: "  validationActions: [Warn]\n  templates: Deny"},
        ["4: field spec: templates: Deny given, but validationActions does not give Deny"],
    ),
    "templates that an auditing policy would warn about": (
        {5: "  validationActions: [Audit]\n  templates: Warn"},
        ["4: field spec: templates: Warn given, but validationActions gives only Audit"],
    ),
    "a forgotten value": (
        {5: "  validationActions: [Deny]\n  match:"},
        ["6: field spec.match: null given, a mapping wanted, or no such line"],
    ),
    "forgotten values below": (
        match("{namespaceSelector: ~, images: [~]}"),
        [
            "6: field spec.match.namespaceSelector: null given, a mapping wanted, or no such line",
            "6: field spec.match.images[0]: null given, text wanted, or no such line",
        ],
    ),
    "a template action that is forgotten": (
        {5: "  validationActions: [Deny]\n  templates:"},
        [('6: field spec.templates: null given, "Deny", "Warn" or "Skip" wanted, or no such line')],
    ),
    "no images": (
        match("{images: []}"),
        ["6: field spec.match.images: 0 given, at least 1 wanted"],
    ),
    "an image pattern without host": (
        match("{images: [nginx]}"),
        [
            (
                '6: field spec.match.images[0]: image pattern "nginx": a host is wanted first; '
                "for Docker Hub write docker.io/library/nginx"
            )
        ],
    ),
    "an image pattern with a tag": (
        match("{images: ['registry.example.com/app:*']}"),
        [
            (
                "6: field spec.match.images[0]: "
                f'image pattern "registry.example.com/app:*": {NO_STEPPING_OUT}'
            )
        ],
    ),
    "an image pattern with a digest": (
        match(f"{{images: ['registry.example.com/app@sha256:{'a' * 64}']}}"),
        [
            (
                "6: field spec.match.images[0]: image pattern "
                f'"registry.example.com/app@sha256:{"a" * 64}": {NO_STEPPING_OUT}'
            )
        ],
    ),
    "an image pattern that is a number": (
        match("{images: [1.10]}"),
        ["6: field spec.match.images[0]: an image pattern is a string, not float"],
    ),
    "too many images": (
        match(f"{{images: [{', '.join(['a.example'] * 1001)}]}}"),
        ["6: field spec.match.images: 1001 given, at most 1000 wanted"],
    ),
    "an unknown part of match": (
        match("{kinds: [Pod]}"),
        [
            (
                "6: field spec.match.kinds: no such field; there are objectSelector, images, "
                "excludeImages, operations, users, excludeUsers, namespaceSelector"
            )
        ],
    ),
    "an excluded image with a tag": (
        match("{excludeImages: ['registry.example.com/app:1']}"),
        [
            (
                "6: field spec.match.excludeImages[0]: "
                f'image pattern "registry.example.com/app:1": {NO_STEPPING_OUT}'
            )
        ],
    ),
    "an empty list of excluded images": (
        match("{excludeImages: []}"),
        ["6: field spec.match.excludeImages: 0 given, at least 1 wanted"],
    ),
    "every image excluded": (
        match("{excludeImages: ['**']}"),
        ["6: field spec.match: excludeImages leaves none of images, at least one is wanted"],
    ),
    "every image that is given excluded": (
        match("{images: [a.example], excludeImages: [b.example, a.example]}"),
        ["6: field spec.match: excludeImages leaves none of images, at least one is wanted"],
    ),
    "no operations": (
        match("{operations: []}"),
        ["6: field spec.match.operations: 0 given, at least 1 wanted"],
    ),
    "an operation that brings no image": (
        match("{operations: [DELETE]}"),
        ['6: field spec.match.operations[0]: "DELETE" given, "CREATE" or "UPDATE" wanted'],
    ),
    "an operation twice": (
        match("{operations: [CREATE, CREATE]}"),
        ["6: field spec.match: operations gives one twice, distinct ones are wanted"],
    ),
    "nobody": (
        match("{users: []}"),
        ["6: field spec.match.users: 0 given, at least 1 wanted"],
    ),
    "a user that is written as a text": (
        match("{users: [alice]}"),
        ['6: field spec.match.users[0]: "alice" given, a mapping wanted'],
    ),
    "a subject of another kind": (
        match("{users: [{kind: Role, name: a}]}"),
        [
            (
                '6: field spec.match.users[0].kind: "Role" given, '
                '"User", "Group" or "ServiceAccount" wanted'
            )
        ],
    ),
    "a service account without namespace": (
        match("{users: [{kind: ServiceAccount, name: builder}]}"),
        [
            (
                "6: field spec.match.users[0]: no namespace given, "
                "that of the service account is wanted"
            )
        ],
    ),
    "a service account that cannot be": (
        match("{users: [{kind: ServiceAccount, namespace: ci, name: 'a:b'}]}"),
        [('6: field spec.match.users[0]: name "a:b" given, that of a service account is wanted')],
    ),
    "a group with a namespace": (
        match("{excludeUsers: [{kind: Group, namespace: ci, name: ops}]}"),
        ["6: field spec.match.excludeUsers[0]: namespace given, none is wanted with Group"],
    ),
    "people in a policy that does not look at templates": (
        {
            5: "  validationActions: [Deny]\n  templates: Skip",
            6: "  match: {users: [{kind: User, name: alice}]}",
            7: "  rules: {pinnedTags: {require: digest}}",
        },
        [
            (
                "4: field spec: match.users and templates: Skip given, one of them is wanted: "
                "a controller asks for the Pods of templates, so they would never be judged"
            )
        ],
    ),
    "labels that YAML takes for booleans": (
        match("{objectSelector: {matchLabels: {env: no}}}"),
        [
            (
                "6: field spec.match.objectSelector.matchLabels.env: "
                "false given, text wanted; write it in quotes"
            )
        ],
    ),
    "a selector that is written as a list": (
        match("{namespaceSelector: {matchLabels: [a]}}"),
        ["6: field spec.match.namespaceSelector.matchLabels: a list given, a mapping wanted"],
    ),
    "an operator that Kubernetes lacks": (
        match("{namespaceSelector: {matchExpressions: [{key: a, operator: Gt, values: ['1']}]}}"),
        [
            (
                '6: field spec.match.namespaceSelector.matchExpressions[0].operator: "Gt" given, '
                '"In", "NotIn", "Exists" or "DoesNotExist" wanted'
            )
        ],
    ),
    "In without values": (
        match("{namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}"),
        [
            (
                "6: field spec.match.namespaceSelector.matchExpressions[0]: "
                "no values given, at least one is wanted with In"
            )
        ],
    ),
    "NotIn with an empty list": (
        match("{objectSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}}"),
        [
            (
                "6: field spec.match.objectSelector.matchExpressions[0]: "
                "no values given, at least one is wanted with NotIn"
            )
        ],
    ),
    "Exists with values": (
        match("{objectSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}"),
        [
            (
                "6: field spec.match.objectSelector.matchExpressions[0]: "
                "values given, none are wanted with Exists"
            )
        ],
    ),
    "a condition without key": (
        match("{objectSelector: {matchExpressions: [{operator: Exists}]}}"),
        [
            (
                "6: field spec.match.objectSelector.matchExpressions[0].key: "
                "nothing given, text wanted"
            )
        ],
    ),
    "no rules": (
        {6: "", 7: ""},
        ["4: field spec.rules: nothing given, a mapping wanted"],
    ),
    "an empty set of rules": (
        {6: "  rules: {}", 7: ""},
        [f"6: field spec.rules: no rule given, at least one of {RULES} is wanted"],
    ),
    "an unknown rule": (
        rule("noLatest: {}"),
        [f"7: field spec.rules.noLatest: no such field; there are {RULES}"],
    ),
    "a misspelt rule": (
        rule("pinnedTag: {require: digest}"),
        ['7: field spec.rules.pinnedTag: no such field; did you mean "pinnedTags"?'],
    ),
    "a rule without settings": (
        rule("pinnedTags:"),
        ["7: field spec.rules.pinnedTags: null given, a mapping wanted, or no such line"],
    ),
    "a setting that is missing": (
        rule("pinnedTags: {}"),
        [('7: field spec.rules.pinnedTags.require: nothing given, "digest" or "fixedTag" wanted')],
    ),
    "a setting of another value": (
        rule("pinnedTags: {require: digests}"),
        [
            (
                '7: field spec.rules.pinnedTags.require: "digests" given, '
                '"digest" or "fixedTag" wanted'
            )
        ],
    ),
    "a setting that would do nothing": (
        rule("pinnedTags: {require: digest, floating: [edge]}"),
        [
            (
                "7: field spec.rules.pinnedTags: floating given, "
                "but require: digest refuses every tag; leave it out"
            )
        ],
    ),
    "a long text in the wrong place": (
        rule(f"pinnedTags: {{require: {LONG}}}"),
        [
            (
                "7: field spec.rules.pinnedTags.require: a text of 70 characters given, "
                '"digest" or "fixedTag" wanted'
            )
        ],
    ),
    "an empty allow list": (
        rule("allowedRegistries: {allow: []}"),
        ["7: field spec.rules.allowedRegistries.allow: 0 given, at least 1 wanted"],
    ),
    "registries that neither allow nor deny": (
        rule("allowedRegistries: {}"),
        [
            (
                "7: field spec.rules.allowedRegistries: "
                "nothing given, allow or deny or both are wanted"
            )
        ],
    ),
    "a pull secret for an image without host": (
        rule("pullSecrets: {requireFor: [app]}"),
        [
            (
                '7: field spec.rules.pullSecrets.requireFor[0]: image pattern "app": '
                "a host is wanted first; for Docker Hub write docker.io/library/app"
            )
        ],
    ),
    "no pull secret for anything": (
        rule("pullSecrets: {requireFor: []}"),
        ["7: field spec.rules.pullSecrets.requireFor: 0 given, at least 1 wanted"],
    ),
    "no authorities": (
        rule("cosignSignatures: {authorities: []}"),
        ["7: field spec.rules.cosignSignatures.authorities: 0 given, at least 1 wanted"],
    ),
    "an authority with a name in capitals": (
        rule("cosignSignatures: {authorities: [{name: CI, key: {file: ci.pub}}]}"),
        [
            (
                '7: field spec.rules.cosignSignatures.authorities[0].name: "CI" given, '
                "text that matches ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$ wanted"
            )
        ],
    ),
    "a value that is forgotten in a mapping of labels": (
        match("{objectSelector: {matchLabels: {env: }}}"),
        [
            (
                "6: field spec.match.objectSelector.matchLabels.env: "
                "null given, text wanted, or no such line"
            )
        ],
    ),
    "a key file that is not there": (
        rule("cosignSignatures: {authorities: [{name: ci, key: {file: ci.pub}}]}"),
        [
            (
                "7: field spec.rules.cosignSignatures.authorities[0].key.file: "
                '"FOLDER/ci.pub" cannot be read: No such file or directory'
            )
        ],
    ),
    "several faults at once": (
        {
            3: "metadata: {name: P}",
            5: "  validationActions: [Nothing]",
            7: "    pinnedTags: {a: 1}",
        },
        [
            (
                '3: field metadata.name: "P" given, '
                'at most 253 lower-case letters, digits, "-" and "." are wanted'
            ),
            '5: field spec.validationActions[0]: "Nothing" given, "Deny", "Warn" or "Audit" wanted',
            (
                "7: field spec.rules.pinnedTags.require: nothing given, "
                '"digest" or "fixedTag" wanted'
            ),
            "7: field spec.rules.pinnedTags.a: no such field; there are require, floating",
        ],
    ),
    "a key given twice": ({5: "  rules: {}"}, ['6: key "rules" given twice']),
    "text that is not YAML": (
        {5: "  validationActions: [Deny"},
        ["6: not YAML: did not find expected ',' or ']'"],
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_does_not_load_says_where_what_and_why(name: str, tmp_path: Path) -> None:
    """Line, field, value seen and value wanted stand in the message, all problems at once."""
    lines, problems = DOCUMENTS[name]
    expected = [text.replace("FOLDER", str(tmp_path)) for text in problems]

    assert expected == refusal(tmp_path, with_lines(lines))


@pytest.mark.parametrize(("kind", "name"), CONTROLLERS)
def test_semantics_07_controllers_and_nodes_cannot_be_exempted(
    tmp_path: Path, kind: str, name: str
) -> None:
    """They act for whoever writes a workload, so a document that names one does not load."""
    namespace = ", namespace: kube-system" if kind == "ServiceAccount" else ""
    subject = f"{{kind: {kind}, name: '{name}'{namespace}}}"

    assert [
        f'6: field spec.match.excludeUsers[0]: {kind} "{name}" given, {NO_CONTROLLER}'
    ] == refusal(tmp_path, with_lines(match(f"{{excludeUsers: [{subject}]}}")))


def test_the_document_that_all_others_were_made_from_loads(tmp_path: Path) -> None:
    """Every refusal above comes from its change alone."""
    (tmp_path / "p.yaml").write_text(A_POLICY)

    assert ["p"] == [policy.name for policy in load_policies(tmp_path)]


@pytest.mark.parametrize("text", ["[1]", "text", "1", "true"])
def test_a_document_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    """Whatever stands there, a mapping is wanted."""
    seen = {"[1]": "a list", "text": '"text"'}.get(text, text)

    assert [f"1: {seen} given, a mapping wanted"] == refusal(tmp_path, text)


def test_a_private_key_in_the_wrong_place_is_not_quoted(tmp_path: Path) -> None:
    """What was pasted may be a secret, so the message only counts it."""
    secret = "-----BEGIN PRIVATE KEY----- hunter2"
    key = f'cosignSignatures: {{authorities: [{{name: ci, key: "{secret}"}}]}}'
    data = f'cosignSignatures: {{authorities: [{{name: ci, key: {{data: "{secret}"}}}}]}}'
    texts = [refusal(tmp_path, with_lines(rule(text))) for text in (key, data)]

    assert [
        [
            (
                "7: field spec.rules.cosignSignatures.authorities[0].key: "
                f"a text of {len(secret)} characters given, a mapping wanted"
            )
        ],
        [
            (
                "7: field spec.rules.cosignSignatures.authorities[0].key: "
                "a private key is given; the public key is wanted"
            )
        ],
    ] == texts


@pytest.mark.parametrize(
    "field",
    ['matchLabels: {a: "x\\u202e\\0"}', 'matchLabels: {"x\\u202e\\0": a}', '"x\\u202e\\0": {}'],
)
def test_what_does_not_print_is_shown_as_an_escape(tmp_path: Path, field: str) -> None:
    """A document cannot draw over the line that refuses it, in a terminal or in a log."""
    (line,) = refusal(tmp_path, with_lines(match(f"{{namespaceSelector: {{{field}}}}}")))

    assert (True, True) == (line.isprintable(), r"x\u202e\x00" in line or r"x\u202e\u0000" in line)
