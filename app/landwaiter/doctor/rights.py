"""The rights that an install needs, each for what it uses: docs/operations.md has the same list."""

from collections.abc import Iterator

from landwaiter.cluster.access import Right
from landwaiter.cluster.events import CLUSTER_NAMESPACE
from landwaiter.doctor.findings import Finding, Severity
from landwaiter.doctor.picture import Install, Picture
from landwaiter.inventory.records import RESOURCE
from landwaiter.policy.crd import RESOURCE_KINDS
from landwaiter.policy.models import API_VERSION

_READ = ("get", "list", "watch")

STATUS_LEASE = "landwaiter-policies"
"""Who holds it writes the status of policies; `wiring.cluster_policies` says so too."""

VERIFIED_LEASE = "landwaiter-verified-images"
"""Who holds it removes what was verified long ago; `wiring.verified_images` says so too."""


def rights_needed(install: Install) -> tuple[Right, ...]:
    """Return every right, in the order in which they are documented."""
    rights = (
        *_to_judge(),
        *_to_keep_the_webhook(install),
        *_in_our_namespace(install),
        *_to_take_policies_from_the_cluster(install),
        *_to_keep_verified_images(install),
    )
    return tuple(dict.fromkeys(rights))


def _to_judge() -> Iterator[Right]:
    yield from (Right(verb, "", "namespaces") for verb in _READ)
    yield from _for_pull_secrets()
    yield Right("get", "", "configmaps")


def _for_pull_secrets() -> Iterator[Right]:
    yield from (Right(verb, "", "serviceaccounts") for verb in _READ)
    yield Right("get", "", "secrets")


def _to_keep_the_webhook(install: Install) -> Iterator[Right]:
    group, resource = "admissionregistration.k8s.io", "validatingwebhookconfigurations"
    yield Right("create", group, resource)
    for verb in (*_READ, "update", "delete"):
        yield Right(verb, group, resource, name=install.webhook_name)
    for verb in _READ:
        yield Right(verb, "rbac.authorization.k8s.io", "clusterroles", name=install.webhook_name)
    everywhere = install.events or install.policies_from_cluster
    for namespace in ("",) if everywhere else (install.own_namespace, CLUSTER_NAMESPACE):
        for verb in ("create", "patch"):
            yield Right(verb, "events.k8s.io", "events", namespace)


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
    for namespace, config_map in install.last_good_sets:
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


def _to_keep_verified_images(install: Install) -> Iterator[Right]:
    if not install.verified_images:
        return
    own = install.own_namespace
    for verb in (*_READ, "create", "patch", "delete"):
        yield Right(verb, RESOURCE.group, RESOURCE.plural)
    yield Right("create", "", "secrets", own)
    for verb in (*_READ, "update"):
        yield Right(verb, "", "secrets", own, install.verified_images)
    yield Right("create", "coordination.k8s.io", "leases", own)
    for verb in ("get", "update"):
        yield Right(verb, "coordination.k8s.io", "leases", own, VERIFIED_LEASE)


def rights_to_leave_out(picture: Picture) -> frozenset[Right]:
    """
    Return the rights that an install can do without, and that a chart is told to leave out.

    Pull secrets, keys and trusted roots are read for policies that want them; that one does is
    known of pull secrets alone. What is there already need not be made.
    """
    install = picture.install
    found = {Right("get", "", "configmaps")}
    if not install.needs_pull_secrets:
        found.update(_for_pull_secrets())
    if picture.last_good and len(picture.last_good) == len(install.last_good_sets):
        found.update(Right("create", "", "configmaps", each) for each, _ in install.last_good_sets)
    return frozenset(found)


def examine(picture: Picture) -> Iterator[Finding]:
    """Yield a finding for each right that is missing; of what is there already, none."""
    to_leave_out = rights_to_leave_out(picture)
    for right in picture.missing:
        if right not in to_leave_out:
            yield Finding(
                "missingRight",
                Severity.PROBLEM,
                str(right),
                "the API server says no",
                "a Role or ClusterRole that allows it, bound to whoever runs this",
                "upgrade the chart, or compare with the list of rights in docs/operations.md",
            )
        elif right.verb != "create":
            yield Finding(
                "rightLeftOut",
                Severity.ADVICE,
                str(right),
                "the API server says no",
                "nothing, where no policy needs it; what does need it is undecided",
                "see `access` in the values of the chart, which may have left it out on purpose",
            )
