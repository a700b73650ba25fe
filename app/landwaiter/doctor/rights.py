"""The rights that an install needs, each for what it uses: docs/operations.md has the same list."""

from collections.abc import Iterator

from landwaiter.cluster.access import Right
from landwaiter.doctor.findings import Finding, Severity
from landwaiter.doctor.picture import Install, Picture
from landwaiter.policy.crd import RESOURCE_KINDS
from landwaiter.policy.models import API_VERSION

_READ = ("get", "list", "watch")

STATUS_LEASE = "landwaiter-policies"
"""Who holds it writes the status of policies; `wiring.cluster_policies` says so too."""


def rights_needed(install: Install) -> tuple[Right, ...]:
    """Return every right, in the order in which they are documented."""
    rights = (
        *_to_judge(),
        *_to_keep_the_webhook(install),
        *_in_our_namespace(install),
        *_to_take_policies_from_the_cluster(install),
    )
    return tuple(dict.fromkeys(rights))


def _to_judge() -> Iterator[Right]:
    for resource in ("namespaces", "serviceaccounts"):
        yield from (Right(verb, "", resource) for verb in _READ)
    for resource in ("secrets", "configmaps"):
        yield Right("get", "", resource)


def _to_keep_the_webhook(install: Install) -> Iterator[Right]:
    group, resource = "admissionregistration.k8s.io", "validatingwebhookconfigurations"
    yield Right("create", group, resource)
    for verb in (*_READ, "update", "delete"):
        yield Right(verb, group, resource, name=install.webhook_name)
    for verb in _READ:
        yield Right(verb, "rbac.authorization.k8s.io", "clusterroles", name=install.webhook_name)
    for verb in ("create", "patch"):
        yield Right(verb, "events.k8s.io", "events")


def _in_our_namespace(install: Install) -> Iterator[Right]:
    own, name = install.own_namespace, install.webhook_name
    yield Right("create", "coordination.k8s.io", "leases", own)
    for verb in ("get", "update"):
        yield Right(verb, "coordination.k8s.io", "leases", own, name)
    yield Right("get", "rbac.authorization.k8s.io", "roles", own, name)
    if install.tls_secret:
        yield Right("create", "", "secrets", own)
        for verb in (*_READ, "update"):
            yield Right(verb, "", "secrets", own, install.tls_secret)
    if install.last_good is not None:
        namespace, config_map = install.last_good
        yield Right("create", "", "configmaps", namespace)
        for verb in ("get", "update"):
            yield Right(verb, "", "configmaps", namespace, config_map)


def _to_take_policies_from_the_cluster(install: Install) -> Iterator[Right]:
    if not install.policies_from_cluster:
        return
    group = API_VERSION.partition("/")[0]
    for each in RESOURCE_KINDS:
        yield from (Right(verb, group, each.plural) for verb in _READ)
        yield Right("update", group, f"{each.plural}/status")
    yield Right("create", "coordination.k8s.io", "leases", install.own_namespace)
    for verb in ("get", "update"):
        yield Right(verb, "coordination.k8s.io", "leases", install.own_namespace, STATUS_LEASE)


def examine(picture: Picture) -> Iterator[Finding]:
    """Yield a finding for each right that is missing."""
    for right in picture.missing:
        yield Finding(
            "missingRight",
            Severity.PROBLEM,
            str(right),
            "the API server says no",
            "a Role or ClusterRole that allows it, bound to whoever runs this",
            "upgrade the chart, or compare with the list of rights in docs/operations.md",
        )
