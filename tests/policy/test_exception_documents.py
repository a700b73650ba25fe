"""Every field of an exception does something, and what would lift too much is refused."""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from landwaiter.errors import InvalidPolicy
from landwaiter.policy.exception_models import ImagePolicyException
from landwaiter.policy.exceptions import PolicyException
from landwaiter.policy.install import NamespacedExceptions, PolicyInstallSettings
from landwaiter.policy.sources import load_policies
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import RuleId
from landwaiter.rules.verdict import GrantedException
from policy.builders import a_use, a_workload
from policy.model_fields import fields_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
INSTALL = PolicyInstallSettings()
OPEN = PolicyInstallSettings(namespaced_exceptions=NamespacedExceptions.ALLOW)
REFUSED = "refused"
PINNED, SIGNED = RuleId("pinnedTags"), RuleId("cosignSignatures")


def an_exception() -> dict[str, Any]:
    """Return a good document."""
    return {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ImagePolicyException",
        "metadata": {"name": "hotfix"},
        "spec": {
            "policies": [{"name": "p", "rules": ["pinnedTags"]}],
            "images": ["docker.io/library/nginx"],
            "namespaces": ["shop"],
            "requestedBy": "alice@example.com",
            "reason": "the registry is down",
            "expires": "2026-11-26T12:00:00Z",
        },
    }


@dataclass(frozen=True)
class Effect:
    """What a field changes: the values it is given, and what is then observed, in order."""

    values: tuple[Any, ...]
    observe: Callable[[PolicyException], Any]
    observed: tuple[Any, ...]


def is_about(**workload: Any) -> Callable[[PolicyException], bool]:  # noqa: ANN401
    return lambda exception: exception.is_about(a_workload(**workload))


def covers(policy: str = "p", rule: RuleId = PINNED) -> Callable[[PolicyException], bool]:
    return lambda exception: exception.covers(policy, rule, a_use("nginx"))


def name(exception: PolicyException) -> str:
    return exception.granted.name


LABELS = "spec.objectSelector"
in_production = is_about(labels={"env": "production"})


def expressions(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    condition = {"key": "env", "operator": "In", "values": ["production"], **changes}
    return {"matchExpressions": [condition]}


EFFECTS: dict[str, Effect] = {
    "apiVersion": Effect(("landwaiter.dev/v1alpha1", "v1"), name, ("hotfix", REFUSED)),
    "kind": Effect(("ImagePolicyException", "ImagePolicy"), name, ("hotfix", REFUSED)),
    "metadata": Effect(({"name": "a"}, {"name": "b"}), name, ("a", "b")),
    "metadata.name": Effect(("a", "B"), name, ("a", REFUSED)),
    "metadata.labels": Effect(({"a": "b"}, {"a": "b c"}), name, ("hotfix", REFUSED)),
    "metadata.annotations": Effect(({"a": "b c"}, {"a": 1}), name, ("hotfix", REFUSED)),
    "metadata.namespace": Effect(("shop", "bank", "Bank"), name, ("shop/hotfix", REFUSED, REFUSED)),
    "spec": Effect(
        (an_exception()["spec"], {**an_exception()["spec"], "namespaces": ["bank"]}),
        is_about(),
        (True, False),
    ),
    "spec.policies": Effect(
        ([{"name": "p", "rules": ["pinnedTags"]}], [{"name": "q", "rules": ["pinnedTags"]}]),
        covers(),
        (True, False),
    ),
    "spec.policies[].name": Effect(
        ([{"name": "shop/p", "rules": ["*"]}], [{"name": "p", "rules": ["*"]}]),
        covers("shop/p"),
        (True, False),
    ),
    "spec.policies[].rules": Effect(
        (
            [{"name": "p", "rules": ["pinnedTags"]}],
            [{"name": "p", "rules": ["cosignSignatures", "pinnedTags"]}],
            [{"name": "p", "rules": ["*"]}],
        ),
        lambda e: (covers(rule=PINNED)(e), covers(rule=SIGNED)(e)),
        ((True, False), (True, True), (True, True)),
    ),
    "spec.images": Effect(
        (["docker.io/library/nginx"], ["docker.io/library/httpd"], ["**"]),
        covers(),
        (True, False, True),
    ),
    "spec.namespaces": Effect((["bank", "shop"], ["bank"]), is_about(), (True, False)),
    "spec.workloadNames": Effect(
        (["web"], ["w*"], ["other", "we"], ["*-web"]), is_about(), (True, True, False, False)
    ),
    LABELS: Effect(
        ({}, {"matchLabels": {"env": "production"}}, {"matchLabels": {"env": "test"}}),
        in_production,
        (True, True, False),
    ),
    f"{LABELS}.matchLabels": Effect(
        ({"matchLabels": {"env": "test"}}, {"matchLabels": {"env": "production"}}),
        in_production,
        (False, True),
    ),
    f"{LABELS}.matchExpressions": Effect(
        (expressions(), expressions(values=["test"])), in_production, (True, False)
    ),
    f"{LABELS}.matchExpressions[].key": Effect(
        (expressions(), expressions(key="stage")), in_production, (True, False)
    ),
    f"{LABELS}.matchExpressions[].operator": Effect(
        (expressions(), expressions(operator="NotIn")), in_production, (True, False)
    ),
    f"{LABELS}.matchExpressions[].values": Effect(
        (expressions(values=["test"]), expressions()), in_production, (False, True)
    ),
    "spec.serviceAccounts": Effect((["default"], ["builder"]), is_about(), (True, False)),
    "spec.requestedBy": Effect(
        ("bob", "two\nlines"), lambda e: e.granted.requested_by, ("bob", REFUSED)
    ),
    "spec.reason": Effect(("why", " "), lambda e: e.granted.reason, ("why", REFUSED)),
    "spec.expires": Effect(
        ("2026-11-25T13:00:00+02:00", "2026-11-26", "2026-11-25T13:00:00"),
        lambda e: e.granted.expires,
        (datetime(2026, 11, 25, 11, tzinfo=UTC), REFUSED, REFUSED),
    ),
}


def exception_of(path: str, value: object) -> PolicyException | str:
    document = deepcopy(an_exception())
    at: Any = document
    *way, last = (
        path.partition("[]")[0]
        .removesuffix(".matchLabels")
        .removesuffix(".matchExpressions")
        .split(".")
    )
    for step in way:
        at = at[step]
    at[last] = value
    try:
        return ImagePolicyException.model_validate(document).exception(OPEN, NOW)
    except (ValidationError, InvalidPolicy):
        return REFUSED


@pytest.mark.parametrize("path", EFFECTS)
def test_a_field_does_something(path: str) -> None:
    """Other values of the field alone lift something else."""
    effect = EFFECTS[path]
    made = [exception_of(path, value) for value in effect.values]

    assert effect.observed == tuple(
        each if isinstance(each, str) else effect.observe(each) for each in made
    )


def test_every_field_has_such_a_test() -> None:
    """A field that is added without one fails here."""
    fields = dict(fields_of(ImagePolicyException))

    assert set(EFFECTS) == set(fields)


def test_the_defaults_narrow_nothing_and_the_rest_is_kept() -> None:
    """Without narrowing it holds for every workload of its namespaces."""
    exception = ImagePolicyException.model_validate(an_exception()).exception(INSTALL, NOW)

    assert exception.is_about(a_workload(labels={"a": "b"}))
    assert (
        GrantedException(
            "hotfix", "alice@example.com", "the registry is down", NOW + timedelta(days=1)
        )
        == exception.granted
    )


A_POLICY = """\
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: p}
spec: {validationActions: [Deny], rules: {pinnedTags: {require: digest}}}
"""
AN_EXCEPTION = """\
apiVersion: landwaiter.dev/v1alpha1
kind: ImagePolicyException
metadata: {name: hotfix}
spec:
  policies: [{name: p, rules: [pinnedTags]}]
  images: [docker.io/library/nginx]
  namespaces: [shop]
  requestedBy: alice
  reason: the registry is down
  expires: 2026-12-02T12:00:00Z
"""
TIME = 'a time with its zone such as "2026-12-31T18:00:00Z" is wanted'
NAME = (
    "the name of a ClusterImagePolicy, the namespace/name of an ImagePolicy "
    'or "unmatchedImages" is wanted'
)
RULES = ", ".join(f'"{each}"' for each in CATALOGUE)

DOCUMENTS: dict[str, tuple[dict[str, str], str]] = {
    "no policies": (
        {"[{name: p, rules: [pinnedTags]}]": "[]"},
        "5: field spec.policies: 0 given, at least 1 wanted",
    ),
    "no rules": (
        {"rules: [pinnedTags]": "rules: []"},
        "5: field spec.policies[0].rules: 0 given, at least 1 wanted",
    ),
    "an unknown rule": (
        {"rules: [pinnedTags]": "rules: [pinnedTag]"},
        f'5: field spec.policies[0].rules[0]: "pinnedTag" given, {RULES} or "*" wanted',
    ),
    "all rules and one": (
        {"rules: [pinnedTags]": "rules: ['*', pinnedTags]"},
        '5: field spec.policies[0].rules: "*" and others given, it stands for all rules by itself',
    ),
    "a policy that cannot be": (
        {"name: p,": "name: '*',"},
        f'5: field spec.policies[0].name: "*" given, {NAME}',
    ),
    "no images": (
        {"[docker.io/library/nginx]": "[]"},
        "6: field spec.images: 0 given, at least 1 wanted",
    ),
    "no image field": (
        {"  images: [docker.io/library/nginx]\n": ""},
        "4: field spec.images: nothing given, a list wanted",
    ),
    "no namespaces": ({"[shop]": "[]"}, "7: field spec.namespaces: 0 given, at least 1 wanted"),
    "no namespace field": (
        {"  namespaces: [shop]\n": ""},
        "4: field spec.namespaces: nothing given, a list wanted",
    ),
    "a namespace with a wildcard": (
        {"[shop]": "['*']"},
        '7: field spec.namespaces[0]: "*" given, the name of a namespace is wanted',
    ),
    "nobody": (
        {"requestedBy: alice": "requestedBy: ''"},
        "8: field spec.requestedBy: 0 characters given, at least 1 wanted",
    ),
    "no reason": (
        {"  reason: the registry is down\n": ""},
        "4: field spec.reason: nothing given, text wanted",
    ),
    "a reason that is blank": (
        {"the registry is down": "' '"},
        "9: field spec.reason: a text that is blank or not in one line given, a line is wanted",
    ),
    "for ever": (
        {"  expires: 2026-12-02T12:00:00Z\n": ""},
        "4: field spec.expires: nothing given, text wanted",
    ),
    "a date": (
        {"2026-12-02T12:00:00Z": "2026-12-02"},
        f'10: field spec.expires: "2026-12-02" given, {TIME}',
    ),
    "a time without zone": (
        {"2026-12-02T12:00:00Z": "2026-12-02T12:00:00"},
        f'10: field spec.expires: "2026-12-02T12:00:00" given, {TIME}',
    ),
    "a time that cannot be": (
        {"2026-12-02T12:00:00Z": "2026-13-02T12:00:00Z"},
        f'10: field spec.expires: "2026-13-02T12:00:00Z" given, {TIME}',
    ),
    "a number for a time": (
        {"2026-12-02T12:00:00Z": "7"},
        f"10: field spec.expires: int given, {TIME}",
    ),
    "too long": (
        {"2026-12-02T12:00:00Z": "2026-12-02T12:00:01Z"},
        (
            "10: field spec.expires: 2026-12-02T12:00:01+00:00 given, which is 7 days ahead; "
            "at most 7 wanted, by --exception-max-days of the install"
        ),
    ),
    "a workload that cannot be": (
        {"  reason": "  workloadNames: [A]\n  reason"},
        '9: field spec.workloadNames[0]: "A" given, a name, with * for anything, is wanted',
    ),
    "a service account that cannot be": (
        {"  reason": "  serviceAccounts: ['*']\n  reason"},
        '9: field spec.serviceAccounts[0]: "*" given, the name of a service account is wanted',
    ),
    "one of a namespace": (
        {"{name: hotfix}": "{name: hotfix, namespace: shop}"},
        (
            '3: field metadata.namespace: "shop" given, no such line wanted: exceptions of '
            "namespaces need --namespaced-exceptions Allow of the install"
        ),
    ),
}


def clock() -> datetime:
    return NOW


def refusal(folder: Path, text: str, install: PolicyInstallSettings = INSTALL) -> str:
    (folder / "a.yaml").write_text(A_POLICY)
    (folder / "e.yaml").write_text(text)
    with pytest.raises(InvalidPolicy) as refused:
        load_policies(folder, install, clock=clock)
    return str(refused.value).removeprefix(f"{folder}/e.yaml:")


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_document_that_does_not_load_says_where_what_and_why(case: str, tmp_path: Path) -> None:
    """Line, field, value seen and value wanted stand in the message."""
    changes, problem = DOCUMENTS[case]
    text = AN_EXCEPTION
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)

    assert problem == refusal(tmp_path, text)


IN_SHOP = AN_EXCEPTION.replace("{name: hotfix}", "{name: hotfix, namespace: shop}")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "namespaces: [shop]",
            "namespaces: [shop, bank]",
            (
                '7: field spec.namespaces[1]: "bank" given, '
                'the exception\'s own namespace "shop" is wanted'
            ),
        ),
        (
            "{name: p, rules: [pinnedTags]}",
            "{name: unmatchedImages, rules: ['*']}",
            (
                '5: field spec.policies[0].name: "unmatchedImages" given, '
                "only an exception without namespace may lift it"
            ),
        ),
    ],
)
def test_an_exception_of_a_namespace_holds_nowhere_else(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    """With the admin's switch it lifts what policies ask for there, and nothing else."""

    assert problem == refusal(tmp_path, IN_SHOP.replace(old, new), OPEN)


def test_an_exception_of_a_namespace_loads_with_the_switch(tmp_path: Path) -> None:
    """It has the name of its namespace before its own."""
    (tmp_path / "p.yaml").write_text(f"{A_POLICY}---\n{AN_EXCEPTION}---\n{IN_SHOP}")
    loaded = load_policies(tmp_path, OPEN, clock=clock)

    assert ["hotfix", "shop/hotfix"] == [each.granted.name for each in loaded.exceptions]


def test_the_longest_time_is_that_of_the_install(tmp_path: Path) -> None:
    """Exactly so many days load, in whatever zone they are written."""
    later = (NOW + timedelta(days=30)).astimezone(timezone(timedelta(hours=8)))
    text = AN_EXCEPTION.replace("2026-12-02T12:00:00Z", later.isoformat())
    (tmp_path / "p.yaml").write_text(f"{A_POLICY}---\n{text}")
    install = PolicyInstallSettings(exception_max_days=30)
    (loaded,) = load_policies(tmp_path, install, clock=clock).exceptions

    assert NOW + timedelta(days=30) == loaded.granted.expires


def test_an_exception_that_has_ended_stops_no_start(tmp_path: Path) -> None:
    """A replica that starts after its end is not locked out by a document that does nothing."""
    text = AN_EXCEPTION.replace("2026-12-02T12:00:00Z", "2020-01-01T00:00:00Z")
    (tmp_path / "p.yaml").write_text(f"{A_POLICY}---\n{text}")

    assert 1 == len(load_policies(tmp_path, clock=clock).exceptions)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    """Two exceptions with one name could not be told apart in the audit log."""

    assert (
        f'14: field metadata.name: "hotfix" given, but {tmp_path}/e.yaml:3 has it too; '
        "a name of its own wanted"
    ) == refusal(tmp_path, f"{AN_EXCEPTION}---\n{AN_EXCEPTION}")


def test_a_folder_with_exceptions_alone_is_refused(tmp_path: Path) -> None:
    """There is nothing that they could lift, and everything would be admitted."""
    (tmp_path / "e.yaml").write_text(AN_EXCEPTION)
    with pytest.raises(InvalidPolicy, match="no policy given, at least one is wanted"):
        load_policies(tmp_path, clock=clock)


def test_the_exception_that_is_shown_in_the_documents_loads(tmp_path: Path) -> None:
    """docs/exceptions.md can be copied, on the day for which it was written."""
    text = (Path(__file__).parents[2] / "docs" / "exceptions.md").read_text("utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "p.yaml").write_text(f"{A_POLICY}---\n{shown}")

    assert ["hotfix-4711"] == [
        each.granted.name for each in load_policies(tmp_path, clock=clock).exceptions
    ]
