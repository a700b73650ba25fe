"""
Examines other webhooks that are asked about Pods.

One that refuses when it cannot be reached, and is asked about Landwaiter's own Pods, can keep
Landwaiter from starting, and if its own Pods are judged here, both of them for ever. One that
changes Pods comes before us: what it writes into a Pod is judged there, and not in the template.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from landwaiter.cluster.listing import Content
from landwaiter.doctor.findings import Finding, Severity
from landwaiter.doctor.picture import Picture
from landwaiter.doctor.reading import concerns_pods, items, labels_of, mapping, name_of, selects
from landwaiter.webhooks.configuration import NAME_LABEL, WebhookPath
from landwaiter.webhooks.settings import KUBE_SYSTEM

_OUR_WEBHOOKS = frozenset(path.webhook_name for path in WebhookPath)


def examine(picture: Picture) -> Iterator[Finding]:
    """Yield what other webhooks may do to Pods, and to those of Landwaiter."""
    for kind, configurations in (
        ("MutatingWebhookConfiguration", picture.mutating),
        ("ValidatingWebhookConfiguration", picture.validating),
    ):
        for content in configurations or ():
            about = f"{kind} {name_of(content)}"
            if picture.install.webhook_name == name_of(content) and kind.startswith("Valid"):
                continue
            yield from _twin(content, about)
            for webhook in items(content, "webhooks"):
                if concerns_pods(webhook):
                    yield from _neighbour(picture, webhook, about, changes=kind.startswith("Mut"))


def _twin(content: Content, about: str) -> Iterator[Finding]:
    names = {str(each.get("name")) for each in items(content, "webhooks")}
    if names & _OUR_WEBHOOKS:
        yield Finding(
            "anotherLandwaiter",
            Severity.PROBLEM,
            about,
            f"it has {', '.join(sorted(names & _OUR_WEBHOOKS))} too",
            "one object of Landwaiter, so that each request is judged once",
            "delete it if it was left by another install or registered by hand",
        )


def _neighbour(
    picture: Picture, webhook: Mapping[str, Any], about: str, *, changes: bool
) -> Iterator[Finding]:
    name = f"{about}: {webhook.get('name')}"
    if webhook.get("failurePolicy", "Fail") == "Fail":
        yield from _stops_us(picture, webhook, name)
    if changes:
        yield Finding(
            "changesPods",
            Severity.ADVICE,
            name,
            "it changes Pods before they are judged",
            "templates whose images are those of their Pods",
            "if it sets images, expect refusals of Pods whose template was admitted, or set "
            "templates: Warn in the policies concerned",
        )


def _stops_us(picture: Picture, webhook: Mapping[str, Any], about: str) -> Iterator[Finding]:
    for namespace, severity in (
        (picture.install.own_namespace, Severity.PROBLEM),
        (KUBE_SYSTEM, Severity.ADVICE),
    ):
        labels = _labels(picture, namespace)
        if labels is None or not selects(webhook, labels):
            continue
        yield Finding(
            "othersGuardUs" if severity is Severity.PROBLEM else "othersGuardTheSystem",
            severity,
            about,
            f"failurePolicy: Fail, and it is asked about Pods in {namespace}",
            f"{namespace} left out, so that Pods there start while it is down",
            "leave the namespace out by its namespaceSelector on kubernetes.io/metadata.name",
        )


def _labels(picture: Picture, namespace: str) -> dict[str, str] | None:
    for content in picture.namespaces or ():
        if mapping(content, "metadata").get("name") == namespace:
            return {**labels_of(content), NAME_LABEL: namespace}
    return None
