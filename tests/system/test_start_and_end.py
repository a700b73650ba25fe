"""How Landwaiter starts and how it ends, with the real API server asking all the while."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from realparts.control_plane import ControlPlane
from realparts.landwaiter import Landwaiter
from realparts.processes import http_status, run, wait_until
from system.installation import Installation, a_policy, documents
from system.objects import A_PINNED_IMAGE, A_TAG, a_pod
from system.policies import DIGEST, signed_by
from system.workshop import Workshop

ACCEPT_SECONDS = 1.5
ASKED_SECONDS = 3.0
"""How long requests go on after SIGTERM: through the time of accepting, and well beyond it."""
ASKING_AT_ONCE = 4
BETWEEN_SECONDS = 0.2
"""Less than the half second of silence that ends the drain, more than a connection lasts."""
REFUSED, ADMITTED, UNREADY, NOT_A_POST = 403, 201, 503, 405


def a_bad_policy(rule: str) -> str:
    return f"""\
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata:
  name: mistaken
spec:
  validationActions: [Deny]
  rules:
    {rule}
"""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            "pinnedTags: {require: digests}",
            'pinnedTags.require: "digests" given, "digest" or "fixedTag" wanted',
        ),
        (
            "pinnedTags: {require: digest, requires: digest}",
            'pinnedTags.requires: no such field; did you mean "require"?',
        ),
        (
            "allowedRegistries: {allow: [nginx]}",
            (
                'allowedRegistries.allow[0]: image pattern "nginx": a host is wanted first; '
                "for Docker Hub write docker.io/library/nginx"
            ),
        ),
        (
            "cosignSignatures: {authorities: []}",
            "cosignSignatures.authorities: 0 given, at least 1 wanted",
        ),
        (
            "cosignSignatures: {authorities: [{name: ci, key: {file: ci.pub}}]}",
            (
                'cosignSignatures.authorities[0].key.file: "/policies/ci.pub" cannot be read: '
                "No such file or directory"
            ),
        ),
    ],
)
def test_semantics_22_a_bad_policy_stops_the_start(
    tmp_path: Path, rule: str, expected: str
) -> None:
    """The exit code is 2, and the file, line and field are named with what was seen and wanted."""
    landwaiter = Landwaiter(tmp_path, policies=a_bad_policy(rule))
    landwaiter.prepare()

    ended = run(
        landwaiter.command(),
        environment={"HOME": str(tmp_path), "PATH": os.defpath},
        timeout_seconds=30,
        directory=tmp_path,
        check=False,
    )

    said = ended.stderr.replace(str(tmp_path), "")
    wanted = f"landwaiter: /policies/policies.yaml:8: field spec.rules.{expected}\n"
    assert (2, "", wanted) == (ended.returncode, ended.stdout, said)


@pytest.fixture
def leaving(
    control_plane: ControlPlane, workshop: Workshop, tmp_path: Path
) -> Iterator[Installation]:
    """Give an installation of its own, which a test may end."""
    key = {"data": workshop.ci.public.read_text("utf-8")}
    landwaiter = Landwaiter(
        tmp_path,
        policies=documents(a_policy("digest", DIGEST), a_policy("signed", signed_by(key))),
        registries=workshop.registries(),
        cluster=control_plane,
        arguments=[f"--drain-seconds={ACCEPT_SECONDS}", "--drain-timeout-seconds=60"],
    )
    with landwaiter:
        installation = Installation(control_plane, landwaiter)
        installation.register()
        yield installation


def verdicts_until(installation: Installation, namespace: str, end: float) -> Counter[object]:
    """Ask about a good and a bad Pod again and again; return each kind of answer and its count."""
    seen: Counter[object] = Counter()
    while time.monotonic() < end:
        for image in (A_PINNED_IMAGE, A_TAG):
            answer = installation.dry_run(namespace, a_pod(image))
            message = str(answer.body.get("message", ""))
            said = "" if "\nThe image in Pod " in message else message
            seen[answer.status, said] += 1
    return seen


def begin_to_end(installation: Installation) -> None:
    """Send SIGTERM; return once no new requests should be sent."""
    os.kill(installation.landwaiter.process.pid, signal.SIGTERM)
    wait_until(
        lambda: http_status(f"{installation.landwaiter.metrics_url}/readyz") == UNREADY,
        within_seconds=10,
        what="an unready Landwaiter",
    )


def test_draining_loses_and_refuses_no_request(leaving: Installation) -> None:
    """From SIGTERM until long after it, each answer is the verdict; then no connection is left."""
    namespace = leaving.namespace("digest")
    process = leaving.landwaiter.process
    end = time.monotonic() + ASKED_SECONDS

    with ThreadPoolExecutor(ASKING_AT_ONCE) as people:
        asked = [
            people.submit(verdicts_until, leaving, namespace, end) for _ in range(ASKING_AT_ONCE)
        ]
        begin_to_end(leaving)
        seen = sum((each.result(timeout=60) for each in asked), Counter())

    # The API server would keep its idle connections for 90 s if it had not been told to close.
    ended = process.wait(within_seconds=20)
    process.stop()
    assert ({(ADMITTED, ""), (REFUSED, "")}, True, 0) == (set(seen), ended, process.exit_code)


def test_a_review_under_way_at_sigterm_gets_its_verdict(
    leaving: Installation, workshop: Workshop
) -> None:
    """A verification that waits for a registry when the end begins is finished and answered."""
    image = workshop.plain.images.make_image("leaving/app:1.0")
    workshop.plain.signer.sign_with_cosign3(image, workshop.ci)
    namespace = leaving.namespace("signed")
    registry = workshop.plain.registry.process

    with ThreadPoolExecutor(1) as person:
        registry.freeze()
        try:
            asked = person.submit(leaving.create, namespace, a_pod(image))
            wait_until(
                lambda: leaving.landwaiter.metric("landwaiter_cosign_flights") == 1,
                within_seconds=8,
                what="a verification under way",
            )
            begin_to_end(leaving)
        finally:
            registry.thaw()
        answer = asked.result(timeout=60)

    assert (ADMITTED, ()) == (answer.status, answer.warnings)


def test_the_end_waits_while_short_connections_still_come(tmp_path: Path) -> None:
    """Connections that come and go between two looks keep the port open, until none comes."""
    landwaiter = Landwaiter(
        tmp_path,
        policies=documents(a_policy("digest", DIGEST)),
        arguments=["--drain-seconds=0", "--drain-timeout-seconds=60"],
    )
    with landwaiter:
        os.kill(landwaiter.process.pid, signal.SIGTERM)
        end = time.monotonic() + ASKED_SECONDS
        seen = set()
        pace = Event()
        while time.monotonic() < end:
            address = f"{landwaiter.url}/validate"
            seen.add(http_status(address, context=landwaiter.client_context()))
            pace.wait(BETWEEN_SECONDS)
        ended = landwaiter.process.wait(within_seconds=20)
        landwaiter.process.stop()

    assert ({NOT_A_POST}, True, 0) == (seen, ended, landwaiter.process.exit_code)
