"""A healthy install, as a picture, and what may be wrong with it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from landwaiter.doctor.examinations import diagnose
from landwaiter.doctor.picture import Install, Picture
from landwaiter.tls.making import make_identity
from landwaiter.webhooks.configuration import Wanted, WebhookPath, configuration
from landwaiter.webhooks.settings import ServiceAddress, TrustSecret, WebhookSettings

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SETTINGS = WebhookSettings(
    name="guard",
    address=ServiceAddress("lw", "landwaiter", 443),
    trust=TrustSecret("guard-tls"),
    own_namespace="lw",
    excluded=frozenset({"networking"}),
)
INSTALL = Install("guard", "lw", frozenset({"networking"}), tls_secret="guard-tls")


def a_bundle(lifetime: timedelta = timedelta(days=90)) -> bytes:
    return make_identity(["landwaiter.lw.svc"], now=NOW - timedelta(days=80), lifetime=lifetime).ca


def a_live_object(
    *paths: WebhookPath, bundle: bytes | None = None, settings: WebhookSettings = SETTINGS
) -> dict[str, Any]:
    wanted = Wanted(
        paths or tuple(WebhookPath), a_bundle() if bundle is None else bundle, "uid", None
    )
    return configuration(settings, wanted)


def named(name: str, namespace: str = "", **labels: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": labels}
    return {"metadata": {**metadata, **({"namespace": namespace} if namespace else {})}}


def a_daemon_set(namespace: str, **spec: object) -> dict[str, Any]:
    return {**named("agent", namespace), "spec": {"template": {"spec": spec}}}


def a_lease(holder: str = "replica-1", age: timedelta = timedelta(seconds=2)) -> dict[str, Any]:
    renewed = (NOW - age).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {**named("guard", "lw"), "spec": {"holderIdentity": holder, "renewTime": renewed}}


def a_webhook(**changed: object) -> dict[str, Any]:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
    }
    return {"name": "w.example.com", "rules": [rule], "failurePolicy": "Fail", **changed}


def others(*webhooks: dict[str, Any], name: str = "other") -> tuple[dict[str, Any], ...]:
    return ({**named(name), "webhooks": list(webhooks)},)


HEALTHY = Picture(
    INSTALL,
    now=NOW.timestamp(),
    live=(a_live_object(),),
    role=(named("guard"),),
    lease=(a_lease(),),
    validating=(a_live_object(),),
    namespaces=tuple(map(named, ("kube-system", "lw", "networking", "shop"))),
    daemon_sets=(a_daemon_set("networking", hostNetwork=True), a_daemon_set("shop")),
    own_pods=(named("lw-1", "lw", **{"app.kubernetes.io/name": "landwaiter"}),),
    registries={"registry.example.com": None},
)


def found(**changed: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401  # Fields.
    """Return id, object and what was seen of all findings about a picture that differs so."""
    diagnosis = diagnose(replace(HEALTHY, **changed))
    return [(each.id, each.about, each.seen) for each in diagnosis.findings]
