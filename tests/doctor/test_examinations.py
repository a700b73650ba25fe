"""What each examination finds, and that it finds nothing where all is well."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from doctor.pictures import (
    HEALTHY,
    INSTALL,
    SETTINGS,
    a_bundle,
    a_daemon_set,
    a_lease,
    a_live_object,
    a_webhook,
    found,
    named,
    others,
)
from landwaiter.cluster.access import Right
from landwaiter.container import Container
from landwaiter.doctor.examinations import diagnose
from landwaiter.doctor.findings import Finding, Severity, Unknown
from landwaiter.doctor.picture import in_the_dark
from landwaiter.sizing import MIB, cosign_runs
from landwaiter.webhooks.configuration import WebhookPath

OBSERVE, VALIDATE = WebhookPath.OBSERVE, WebhookPath.VALIDATE


def test_a_healthy_install_has_no_finding() -> None:
    """Else nobody would look at the others."""
    assert [] == found()


def test_what_cannot_be_looked_at_is_no_finding() -> None:
    """It is told beside them."""
    unknown = (Unknown("the cluster", "down"),)
    diagnosis = diagnose(in_the_dark(INSTALL, now=0.0, unknown=unknown))

    assert ([], unknown) == (list(diagnosis.findings), diagnosis.unknown)


def test_problems_come_before_advice() -> None:
    """Each with what was seen, what is wanted and what to do."""
    diagnosis = diagnose(
        replace(HEALTHY, mutating=others(a_webhook(failurePolicy="Ignore")), lease=())
    )

    assert [("nobodyWrites", Severity.PROBLEM), ("changesPods", Severity.ADVICE)] == [
        (each.id, each.severity) for each in diagnosis.findings
    ]
    assert all(all((each.seen, each.wanted, each.remedy)) for each in diagnosis.findings)
    assert diagnosis.has_problems


def with_settings(**changed: Any) -> dict[str, Any]:  # noqa: ANN401  # Fields.
    return {"live": (a_live_object(settings=replace(SETTINGS, **changed)),)}


def with_install(**changed: Any) -> dict[str, Any]:  # noqa: ANN401  # Fields.
    return {"install": replace(INSTALL, **changed)}


WEBHOOKS = [f"webhook {path.webhook_name}" for path in WebhookPath]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"role": (), "live": ()},
            [
                (
                    "doorOpen",
                    "ClusterRole guard",
                    "it is missing, so there is no webhook object and nothing is judged",
                )
            ],
        ),
        ({"lease": ()}, [("nobodyWrites", "Lease lw/guard", "it is missing")]),
        (
            {"lease": (a_lease(holder=""),)},
            [("nobodyWrites", "Lease lw/guard", "nobody holds it")],
        ),
        (
            {"lease": (a_lease(age=timedelta(minutes=2)),)},
            [("nobodyWrites", "Lease lw/guard", "its holder has not renewed it lately")],
        ),
        (
            {"lease": ({**named("guard", "lw"), "spec": {"holderIdentity": "a"}},)},
            [("nobodyWrites", "Lease lw/guard", "its holder has not renewed it lately")],
        ),
        (
            with_settings(timeout_seconds=30),
            [("timeoutsDisagree", webhook, "timeoutSeconds: 30") for webhook in WEBHOOKS],
        ),
        (
            with_settings(excluded=frozenset()),
            [("namespacesDisagree", webhook, "left out: kube-system, lw") for webhook in WEBHOOKS],
        ),
        (
            {**with_install(paths=frozenset({VALIDATE})), "live": (a_live_object(OBSERVE),)},
            [
                ("pathArmedNeedlessly", WEBHOOKS[0], "it is there"),
                ("pathNotArmed", WEBHOOKS[1], "it is missing"),
            ],
        ),
        (
            {**with_install(paths=frozenset({VALIDATE})), "live": ()},
            [("pathNotArmed", WEBHOOKS[1], "it is missing")],
        ),
        ({**with_install(paths=frozenset()), "live": ()}, []),
        (
            with_install(broken="a.yaml:3: spec: nothing given"),
            [("policiesDoNotLoad", "folder of policies", "a.yaml:3: spec: nothing given")],
        ),
    ],
)
def test_the_object_and_who_keeps_it(
    changed: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    """A door that is open, nobody who writes, options and objects that disagree."""
    assert expected == found(**changed)


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        (a_bundle(timedelta(days=79)), ("caExpired", "its last CA ends at 2026-11-24T12:00:00")),
        (a_bundle(timedelta(days=80)), ("caExpired", "its last CA ends at 2026-11-25T12:00:00")),
        (a_bundle(timedelta(days=87)), ("caEndsSoon", "its last CA ends at 2026-12-02T12:00:00")),
        (b"junk", ("caUnreadable", "no certificates in PEM")),
        (b"", ("caUnreadable", "no certificates in PEM")),
    ],
)
def test_a_ca_that_ends(bundle: bytes, expected: tuple[str, str]) -> None:
    """The last one of a bundle is what counts; what cannot be read vouches for nobody."""
    seen = found(live=(a_live_object(VALIDATE, bundle=bundle),))
    renewed = found(live=(a_live_object(VALIDATE, bundle=a_bundle() + a_bundle(timedelta(1))),))

    assert [expected] == [(word, text.removesuffix("+00:00")) for word, _, text in seen]
    assert [] == renewed


OWN = "failurePolicy: Fail, and it is asked about Pods in lw"
SYSTEM = "failurePolicy: Fail, and it is asked about Pods in kube-system"


def not_in(*names: str) -> dict[str, Any]:
    key = "kubernetes.io/metadata.name"
    return {"matchExpressions": [{"key": key, "operator": "NotIn", "values": list(names)}]}


@pytest.mark.parametrize(
    ("webhook", "expected"),
    [
        (a_webhook(), ["othersGuardUs", "othersGuardTheSystem"]),
        (a_webhook(failurePolicy="Ignore"), []),
        (a_webhook(namespaceSelector=not_in("lw", "kube-system")), []),
        (a_webhook(namespaceSelector=not_in("kube-system")), ["othersGuardUs"]),
        (a_webhook(namespaceSelector={"matchLabels": {"guarded": "yes"}}), []),
        (
            a_webhook(namespaceSelector={"matchExpressions": [{"operator": "New"}]}),
            ["othersGuardUs", "othersGuardTheSystem"],
        ),
        (a_webhook(rules=[{"apiGroups": ["apps"], "resources": ["*"], "operations": ["*"]}]), []),
        (
            a_webhook(rules=[{"apiGroups": ["*"], "resources": ["*/*"], "operations": ["*"]}]),
            ["othersGuardUs", "othersGuardTheSystem"],
        ),
        (
            a_webhook(rules=[{"apiGroups": [""], "resources": ["pods"], "operations": ["DELETE"]}]),
            [],
        ),
        (a_webhook(rules="junk"), []),
    ],
)
def test_other_webhooks_that_can_keep_us_from_starting(
    webhook: dict[str, Any], expected: list[str]
) -> None:
    """Those with Fail that are asked about Pods of our namespace, or of the system's."""
    seen = found(validating=others(webhook))

    assert expected == [word for word, _, _ in seen]
    assert {f"{OWN}", f"{SYSTEM}"} >= {text for _, _, text in seen}


def test_another_webhook_that_changes_pods_is_told() -> None:
    """What it sets is judged in the Pod and not in its template."""
    webhook = a_webhook(failurePolicy="Ignore")

    about = "MutatingWebhookConfiguration other: w.example.com"
    assert [("changesPods", about, "it changes Pods before they are judged")] == found(
        mutating=others(webhook)
    )
    assert [] == found(validating=others(webhook))


def test_another_landwaiter_is_told() -> None:
    """An object that was registered by hand, or left by another install."""
    left = others(a_webhook(name="validate.landwaiter.dev", rules=[]), name="landwaiter")

    assert [
        (
            "anotherLandwaiter",
            "ValidatingWebhookConfiguration landwaiter",
            "it has validate.landwaiter.dev too",
        )
    ] == found(validating=(*left, a_live_object()))


@pytest.mark.parametrize(
    ("daemon_set", "why"),
    [
        (a_daemon_set("calico", hostNetwork=True), "hostNetwork"),
        (
            a_daemon_set("csi", priorityClassName="system-node-critical"),
            "priority class system-node-critical",
        ),
        (
            a_daemon_set("dns", priorityClassName="system-cluster-critical", hostNetwork=True),
            "priority class system-cluster-critical",
        ),
        (a_daemon_set("logs", priorityClassName="high"), None),
        (a_daemon_set("logs", hostNetwork="junk"), None),
        (a_daemon_set("kube-system", hostNetwork=True), None),
        (a_daemon_set("lw", hostNetwork=True), None),
    ],
)
def test_what_a_cold_start_needs_is_not_judged(daemon_set: dict[str, Any], why: str | None) -> None:
    """A DaemonSet of the network cannot wait for Landwaiter, which waits for it."""
    sets = (*HEALTHY.daemon_sets, daemon_set) if HEALTHY.daemon_sets else ()
    namespace = daemon_set["metadata"]["namespace"]
    expected = [
        ("coldStart", f"DaemonSet {namespace}/agent", f"{why}, in a namespace that is judged")
    ]

    assert (expected if why else []) == found(daemon_sets=sets)
    assert [] == found(daemon_sets=sets, live=(a_live_object(OBSERVE),))


def test_what_is_left_out_for_no_reason_is_told() -> None:
    """A namespace that does not exist, and one in which nothing is needed for a cold start."""
    excluded = frozenset({"networking", "shop", "gone"})
    seen = found(
        install=replace(INSTALL, excluded=excluded),
        live=(a_live_object(settings=replace(SETTINGS, excluded=excluded)),),
    )

    assert [
        (
            "leftOutNeedlessly",
            "namespace gone",
            "there is no such namespace; whoever may create it is not judged in it",
        ),
        (
            "leftOutNeedlessly",
            "namespace shop",
            "left out, although no DaemonSet in it is needed for a cold start",
        ),
    ] == seen


def test_our_own_namespace_is_for_us_alone() -> None:
    """Whatever else runs there is not judged."""
    stranger = named("web", "lw", **{"app.kubernetes.io/name": "web"})
    seen = found(own_pods=(*HEALTHY.own_pods, stranger) if HEALTHY.own_pods else ())
    moved = replace(SETTINGS, own_namespace="default")
    shared = found(
        install=replace(INSTALL, own_namespace="default"),
        live=(a_live_object(settings=moved),),
        lease=(a_lease(),),
    )

    assert [
        (
            "ownNamespaceShared",
            "Pod lw/web",
            "it runs in Landwaiter's namespace, where nothing is judged",
        )
    ] == seen
    text = "Landwaiter runs in it, so nothing in it is judged"
    assert ("ownNamespaceShared", "namespace default", text) in shared


def severities(**changed: Any) -> list[tuple[str, str, Severity]]:  # noqa: ANN401  # Fields.
    findings = diagnose(replace(HEALTHY, **changed)).findings
    return [(each.id, each.about, each.severity) for each in findings]


def test_rights_that_are_missing_are_named() -> None:
    """As one would write them into a role."""
    missing = (
        Right("get", "", "namespaces"),
        Right("update", "coordination.k8s.io", "leases", "lw", "guard"),
    )

    assert [
        ("missingRight", "get namespaces", "the API server says no"),
        (
            "missingRight",
            'update leases.coordination.k8s.io "guard" in namespace lw',
            "the API server says no",
        ),
    ] == found(missing=missing)


def test_rights_that_can_be_left_out_are_advice() -> None:
    """Unless a policy is known to need them."""
    secrets, config_maps = (Right("get", "", kind) for kind in ("secrets", "configmaps"))
    missing = (secrets, config_maps)
    needed = with_install(needs_pull_secrets=True)

    assert [
        ("rightLeftOut", "get secrets", Severity.ADVICE),
        ("rightLeftOut", "get configmaps", Severity.ADVICE),
    ] == severities(missing=missing)
    assert [
        ("missingRight", "get secrets", Severity.PROBLEM),
        ("rightLeftOut", "get configmaps", Severity.ADVICE),
    ] == severities(missing=missing, **needed)


def test_what_is_there_need_not_be_made() -> None:
    """The chart makes the ConfigMaps of the last good sets, and gives no right to make any."""
    missing = (Right("create", "", "configmaps", "lw"),)
    kept = with_install(last_good=("lw", "last-good"), policies_from_cluster=True)
    there = (named("last-good", "lw"), named("last-good-cluster", "lw"))
    about = ("missingRight", "create configmaps in namespace lw", Severity.PROBLEM)

    assert [about] == severities(missing=missing, last_good=there[:1], **kept)
    assert [] == severities(missing=missing, last_good=there, **kept)


def test_registries_and_clocks() -> None:
    """What does not answer, and a clock that is minutes behind; either way round."""
    registries = {"b.example.com": "no such host", "a.example.com": None}

    assert [("registryUnreachable", "registry b.example.com", "no such host")] == found(
        registries=registries
    )
    assert [] == found(ahead_seconds=59.0)
    for ahead in (61.0, -61.0):
        assert [
            (
                "clocksDisagree",
                "clock",
                f"the API server is {ahead:.0f} s ahead of this machine",
            )
        ] == found(ahead_seconds=ahead)


@pytest.mark.parametrize("asked", [None, 2])
def test_a_memory_limit_without_room_for_cosign(asked: int | None) -> None:
    """It is worth knowing where a bad day would break it, and what would mend it."""
    install = replace(INSTALL, cosign_runs=cosign_runs(Container(8, 512 * MIB), asked))
    (finding,) = diagnose(replace(HEALTHY, install=install)).findings
    lower = ", or lower --cosign-runs (cosign.runs)" if asked else ""

    assert finding == Finding(
        "memoryLimitTooSmall",
        Severity.ADVICE,
        "memory limit of this container",
        f"512 MiB, and {asked or 1} of cosign at once",
        f"{690 if asked else 625} MiB: 560 on a bad day, and 65 for each of cosign",
        f"raise the memory limit (resources.limits.memory of the chart){lower}",
    )


@pytest.mark.parametrize("container", [None, Container(8), Container(8, 690 * MIB)])
def test_a_memory_limit_with_room_is_no_finding(container: Container | None) -> None:
    """Nor is one that is not known, or none."""
    runs = None if container is None else cosign_runs(container, 2)

    assert [] == found(install=replace(INSTALL, cosign_runs=runs))


@pytest.mark.parametrize("content", [{}, {"metadata": None}, {"spec": 7, "webhooks": "junk"}])
def test_objects_of_no_known_form_are_looked_at_all_the_same(content: dict[str, Any]) -> None:
    """Nobody vouches for what other people write."""
    found(
        live=(content,),
        lease=(content,),
        mutating=(content,),
        validating=(content,),
        namespaces=(content,),
        daemon_sets=(content,),
        own_pods=(content,),
    )
