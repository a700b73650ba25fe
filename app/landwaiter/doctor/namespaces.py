"""
Examines which namespaces are judged: those that must not be, and those that should be.

After a stop of the whole cluster nothing that is judged starts before Landwaiter does. What
Landwaiter itself needs to start, above all the network, must not be judged then. Everything else
that is left out is a gap in the guard.
"""

from collections.abc import Iterator

from landwaiter.doctor.findings import Finding, Severity
from landwaiter.doctor.picture import Picture
from landwaiter.doctor.reading import labels_of, mapping, name_of, needed_for_a_cold_start
from landwaiter.webhooks.configuration import WebhookPath
from landwaiter.webhooks.drift import by_name

OWN_LABEL = ("app.kubernetes.io/name", "landwaiter")
"""What the chart writes on every Pod of Landwaiter."""

SHARED_NAMES = frozenset({"default", "kube-public", "kube-node-lease"})


def examine(picture: Picture) -> Iterator[Finding]:
    """Yield what a cold start would miss, and what is left out for no such reason."""
    yield from _cold_start(picture)
    yield from _left_out(picture)
    yield from _own_namespace(picture)


def _cold_start(picture: Picture) -> Iterator[Finding]:
    live = picture.live[0] if picture.live else {}
    if WebhookPath.VALIDATE.webhook_name not in by_name(live):
        return
    for content in picture.daemon_sets or ():
        namespace = str(mapping(content, "metadata").get("namespace"))
        why = needed_for_a_cold_start(content)
        if why is None or namespace in picture.install.left_out:
            continue
        yield Finding(
            "coldStart",
            Severity.PROBLEM,
            f"DaemonSet {name_of(content)}",
            f"{why}, in a namespace that is judged",
            "what a cluster needs before Landwaiter runs is left out",
            f"if Landwaiter's Pods cannot start without it: --exclude-namespace {namespace}",
        )


def _left_out(picture: Picture) -> Iterator[Finding]:
    if picture.namespaces is None or picture.daemon_sets is None:
        return
    there = {name_of(each) for each in picture.namespaces}
    needed = {
        str(mapping(each, "metadata").get("namespace"))
        for each in picture.daemon_sets
        if needed_for_a_cold_start(each) is not None
    }
    for namespace in sorted(picture.install.excluded):
        if namespace not in there:
            seen = "there is no such namespace; whoever may create it is not judged in it"
        elif namespace not in needed:
            seen = "left out, although no DaemonSet in it is needed for a cold start"
        else:
            continue
        yield Finding(
            "leftOutNeedlessly",
            Severity.ADVICE,
            f"namespace {namespace}",
            seen,
            "only namespaces left out that a cluster needs to start",
            "take it from --exclude-namespace, unless you know what needs it",
        )


def _own_namespace(picture: Picture) -> Iterator[Finding]:
    own, wanted = picture.install.own_namespace, "a namespace for Landwaiter alone"
    if own in SHARED_NAMES:
        yield Finding(
            "ownNamespaceShared",
            Severity.PROBLEM,
            f"namespace {own}",
            "Landwaiter runs in it, so nothing in it is judged",
            wanted,
            "install Landwaiter in a namespace of its own",
        )
    for content in picture.own_pods or ():
        key, value = OWN_LABEL
        if labels_of(content).get(key) != value:
            yield Finding(
                "ownNamespaceShared",
                Severity.PROBLEM,
                f"Pod {name_of(content)}",
                "it runs in Landwaiter's namespace, where nothing is judged",
                wanted,
                "move it, or find out who may write Pods there",
            )
