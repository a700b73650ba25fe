"""
The certificate that Landwaiter makes and renews, with requests under way all the time.

Certificates live for 15 s here (`realparts/short_lived.py`); nothing else is different.
"""

import base64
import itertools
import shutil
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from realparts.balancer import HOST, Balancer
from realparts.certificates import Authority
from realparts.control_plane import ControlPlane
from realparts.guard import SECRET, SECRETS, Guard, Replica
from realparts.landwaiter import OK
from realparts.processes import wait_until
from system.objects import A_PINNED_IMAGE, a_pod, pods_of
from system.test_webhook_objects import DENIES, VALIDATE, events

SECONDS = 10.0
PATH = f"{SECRETS}/{SECRET}"


@pytest.fixture
def cluster(guarded_cluster: ControlPlane) -> ControlPlane:
    return guarded_cluster


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    with Balancer() as balancer:
        yield balancer


@pytest.fixture
def guard(cluster: ControlPlane, balancer: Balancer, tmp_path: Path) -> Iterator[Guard]:
    guard = Guard(tmp_path, cluster, balancer, policies=DENIES, short_lived=True)
    guard.install()
    yield guard
    guard.clear()


def told(guard: Guard) -> bytes:
    """Return the CA bundle that the API server has been told."""
    found = guard.webhook_object() or {"webhooks": []}
    texts = {each["clientConfig"].get("caBundle", "") for each in found["webhooks"]}
    assert len(texts) <= 1
    return base64.b64decode("".join(texts))


def authorities(bundle: bytes) -> set[str]:
    """Return the names of the CAs in a bundle."""
    found = x509.load_pem_x509_certificates(bundle) if bundle else []
    return {each.subject.rfc4514_string() for each in found}


def secret(guard: Guard) -> dict[str, bytes]:
    body = guard.cluster.request("GET", PATH).body
    return {key: base64.b64decode(text) for key, text in body.get("data", {}).items()}


def served(replica: Replica, bundle: bytes) -> str:
    """Return who has issued what a replica serves with; raises where the bundle does not vouch."""
    context = ssl.create_default_context(cadata=bundle.decode())
    with (
        socket.create_connection((HOST, replica.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        der = connection.getpeercert(binary_form=True) or b""
    return x509.load_der_x509_certificate(der).issuer.rfc4514_string()


@dataclass
class Traffic:
    """Requests that go on: what the API server said, and what new connections met."""

    statuses: Counter[Any] = field(default_factory=Counter)
    connections: Counter[str] = field(default_factory=Counter)


@contextmanager
def traffic(guard: Guard) -> Iterator[Traffic]:
    """Create Pods in dry runs, and connect as the API server would, until the block ends."""
    seen, over = Traffic(), threading.Event()
    namespace = guard.cluster.new_namespace()
    path = f"{pods_of(namespace)}?dryRun=All"

    def create() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            pod = a_pod(A_PINNED_IMAGE, name=f"p{number}")
            answer = guard.cluster.request("POST", path, pod)
            message = "" if answer.status == 201 else str(answer.body.get("message"))
            seen.statuses[answer.status, message] += 1

    def connect() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            replica = guard.replicas[number % len(guard.replicas)]
            try:
                served(replica, told(guard))
                seen.connections["trusted"] += 1
            except OSError as problem:
                seen.connections[str(problem)] += 1
            over.wait(0.05)

    threads = [threading.Thread(target=each, daemon=True) for each in (create, create, connect)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(30)


def undisturbed(seen: Traffic) -> bool:
    """Whether every request and every connection was answered, and there were some."""
    return (
        set(seen.statuses) == {(201, "")}
        and set(seen.connections) == {"trusted"}
        and sum(seen.statuses.values()) > 50
    )


def test_a_certificate_is_renewed_under_load(guard: Guard) -> None:
    """Old and new CA are trusted together, all replicas change over, and no request fails."""
    replicas = [guard.start(), guard.start()]
    guard.wait_until_armed(VALIDATE)
    first = authorities(told(guard))
    stages: list[int] = [1]

    def is_renewed() -> bool:
        now = authorities(told(guard))
        if len(now) != stages[-1]:
            stages.append(len(now))
        return len(now) == 1 and now != first

    with traffic(guard) as seen:
        wait_until(is_renewed, within_seconds=40, what="a new CA alone")
        bundle = told(guard)
        issuers = {served(each, bundle) for each in replicas}

    assert undisturbed(seen), seen
    assert ([1, 2, 1], authorities(bundle)) == (stages, issuers)
    reasons = [reason for reason, _ in events(guard, "Secret")]
    assert {"CertificateRenewing", "CertificateRenewed", "CertificateOldCARemoved"} <= set(reasons)


def damage_key(guard: Guard) -> None:
    change = {"data": {"tls.key": base64.b64encode(b"junk").decode()}}
    merge = "application/merge-patch+json"
    assert guard.cluster.request("PATCH", PATH, change, content_type=merge).status == OK


def test_a_deleted_and_a_damaged_secret_are_made_good_under_load(guard: Guard) -> None:
    """Within seconds, with an Event, and without a refused request."""
    guard.start()
    guard.start()
    guard.wait_until_armed(VALIDATE)
    with traffic(guard) as seen:
        guard.cluster.request("DELETE", PATH)
        wait_until(
            lambda: len(authorities(told(guard))) == 2, within_seconds=SECONDS, what="both CAs"
        )
        before = secret(guard)["tls.key"]
        wait_until(
            lambda: secret(guard)["tls.key"] != before,
            within_seconds=SECONDS,
            what="the next certificate",
        )
        damage_key(guard)
        wait_until(
            lambda: secret(guard)["tls.key"] != b"junk", within_seconds=SECONDS, what="the repair"
        )
        wait_until(
            lambda: "CertificateSecretRepaired" in dict(events(guard, "Secret")),
            within_seconds=SECONDS,
            what="an Event",
        )

    assert undisturbed(seen), seen


def test_two_replicas_that_start_at_once_have_one_ca(guard: Guard) -> None:
    """They agree by the resource version of the Secret."""
    replicas = [guard.prepared(), guard.prepared()]
    commands = []
    for replica in replicas:
        replica.prepare()
        commands.append(replica.command())
    for replica, command in zip(replicas, commands, strict=True):
        replica.spawn(command)
    for replica in replicas:
        replica.wait_until_ready()
    guard.balancer.ports = tuple(replica.port for replica in replicas)
    guard.wait_until_armed(VALIDATE)
    bundle = told(guard)

    assert 1 == len(authorities(bundle))
    assert authorities(bundle) == {served(replica, bundle) for replica in replicas}


def test_files_of_somebody_else_change_under_load(
    cluster: ControlPlane, balancer: Balancer, tmp_path: Path
) -> None:
    """A new CA and certificate by cert-manager: each replica changes over once it is trusted."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()

    def issue(authority: Authority) -> None:
        pair = authority.issue_server("landwaiter")
        for source, name in (
            (pair.certificate, "tls.crt"),
            (pair.key, "tls.key"),
            (authority.certificate, "ca.crt"),
        ):
            shutil.copy(source, mounted / f"{name}.new")
            (mounted / f"{name}.new").rename(mounted / name)

    old, new = (Authority(tmp_path / name, f"{name} CA") for name in ("old", "new"))
    issue(old)
    guard = Guard(
        tmp_path,
        cluster,
        balancer,
        policies=DENIES,
        certificate=[
            f"--tls-cert={mounted / 'tls.crt'}",
            f"--tls-key={mounted / 'tls.key'}",
            f"--tls-ca={mounted / 'ca.crt'}",
        ],
        short_lived=True,
    )
    guard.install()
    try:
        replicas = [guard.start(), guard.start()]
        guard.wait_until_armed(VALIDATE)
        before = authorities(told(guard))
        with traffic(guard) as seen:
            issue(new)
            wait_until(
                lambda: {served(each, told(guard)) for each in replicas} == {"CN=new CA"},
                within_seconds=30,
                what="the new certificate",
            )
        after = authorities(told(guard))
    finally:
        guard.clear()

    assert undisturbed(seen), seen
    assert ({"CN=old CA"}, {"CN=old CA", "CN=new CA"}) == (before, after)
