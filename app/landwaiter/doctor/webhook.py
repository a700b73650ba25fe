"""Examines the webhook object of the install, who keeps it, and what its policies want of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from landwaiter.cluster.listing import Content
from landwaiter.doctor.findings import Finding, Severity
from landwaiter.doctor.picture import Picture
from landwaiter.doctor.reading import mapping, selector_values
from landwaiter.errors import InvalidCertificate
from landwaiter.tls.bundles import certificates_in
from landwaiter.webhooks.configuration import NAME_LABEL, WebhookPath
from landwaiter.webhooks.drift import by_name
from landwaiter.webhooks.view import bundle_of

ENDS_SOON: Final = timedelta(days=7)

LEASE_SECONDS: Final = 60.0
"""A Lease is renewed every two seconds; one that is older than this is nobody's."""


def examine(picture: Picture) -> Iterator[Finding]:
    """Yield what is wrong with the policies, the object, its role, its Lease and the CAs in it."""
    yield from _policies(picture)
    yield from _door(picture)
    yield from _writer(picture)
    live = picture.live
    if live is None or not picture.role:
        return
    yield from _paths(picture, live[0] if live else {})
    for content in live:
        yield from _settings(picture, content)
        yield from _authorities(picture, content)


def _policies(picture: Picture) -> Iterator[Finding]:
    if picture.install.broken:
        yield Finding(
            "policiesDoNotLoad",
            Severity.PROBLEM,
            "folder of policies",
            picture.install.broken,
            "policies that load; until then the last good ones are in force",
            "mend them: landwaiter policies validate says the same before they are applied",
        )


def _door(picture: Picture) -> Iterator[Finding]:
    if picture.role != ():
        return
    name = picture.install.webhook_name
    yield Finding(
        "doorOpen",
        Severity.PROBLEM,
        f"ClusterRole {name}",
        "it is missing, so there is no webhook object and nothing is judged",
        "the ClusterRole that the webhook object belongs to",
        "close the door with helm upgrade, or apply the role again",
    )


def _writer(picture: Picture) -> Iterator[Finding]:
    if picture.lease is None:
        return
    install = picture.install
    about = f"Lease {install.own_namespace}/{install.webhook_name}"
    wanted = "a replica that holds it and keeps the webhook object right"
    remedy = "see the log of Landwaiter for why no replica is ready, or may not hold it"
    if not picture.lease:
        yield Finding("nobodyWrites", Severity.PROBLEM, about, "it is missing", wanted, remedy)
        return
    spec = mapping(picture.lease[0], "spec")
    age = _age_seconds(str(spec.get("renewTime")), picture.now)
    if not spec.get("holderIdentity"):
        seen = "nobody holds it"
    elif age is None or age > LEASE_SECONDS:
        seen = "its holder has not renewed it lately"
    else:
        return
    yield Finding("nobodyWrites", Severity.PROBLEM, about, seen, wanted, remedy)


def _age_seconds(time: str, now: float) -> float | None:
    try:
        return now - datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None


def _paths(picture: Picture, live: Content) -> Iterator[Finding]:
    there, needed = by_name(live), picture.install.paths
    for path in WebhookPath:
        if needed is None or (path in needed) == (path.webhook_name in there):
            continue
        if path in needed:
            seen, wanted = "it is missing", "it, because a policy needs it"
        else:
            seen, wanted = "it is there", "none, because no policy needs it"
        yield Finding(
            "pathNotArmed" if path in needed else "pathArmedNeedlessly",
            Severity.PROBLEM,
            f"webhook {path.webhook_name}",
            seen,
            wanted,
            "see the log of the replica that writes, whose name is in the Lease; "
            "it may have other policies than those given here",
        )


def _settings(picture: Picture, live: Content) -> Iterator[Finding]:
    install = picture.install
    remedy = "restart Landwaiter with the options that are meant, it writes them itself"
    for name, webhook in by_name(live).items():
        seconds = webhook.get("timeoutSeconds")
        if seconds != install.timeout_seconds:
            yield Finding(
                "timeoutsDisagree",
                Severity.PROBLEM,
                f"webhook {name}",
                f"timeoutSeconds: {seconds}",
                f"{install.timeout_seconds}, as in --webhook-timeout-seconds",
                remedy,
            )
        left_out = selector_values(webhook, NAME_LABEL)
        if left_out != frozenset(install.left_out):
            yield Finding(
                "namespacesDisagree",
                Severity.PROBLEM,
                f"webhook {name}",
                f"left out: {', '.join(sorted(left_out)) or 'none'}",
                ", ".join(install.left_out),
                remedy,
            )


def _authorities(picture: Picture, live: Content) -> Iterator[Finding]:
    now = datetime.fromtimestamp(picture.now, UTC)
    for name, webhook in by_name(live).items():
        try:
            ends = max(each.not_valid_after_utc for each in certificates_in(bundle_of(webhook)))
        except InvalidCertificate as problem:
            seen, severity, word = str(problem), Severity.PROBLEM, "caUnreadable"
        else:
            seen = f"its last CA ends at {ends.isoformat()}"
            severity = Severity.PROBLEM if ends <= now else Severity.ADVICE
            word = "caExpired" if ends <= now else "caEndsSoon"
            if ends > now + ENDS_SOON:
                continue
        yield Finding(
            word,
            severity,
            f"caBundle of {name}",
            seen,
            "a CA that vouches for the serving certificate for longer",
            "renew the certificate; one of --tls-secret is renewed by a running Landwaiter, "
            "whose log says what keeps it from doing so",
        )
