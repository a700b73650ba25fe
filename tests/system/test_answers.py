"""What people, the audit log and the metrics are told when the real API server has asked."""

import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from landwaiter.admission.reply import call_refused
from realparts.api_client import Answer
from realparts.control_plane import ControlPlane
from realparts.in_a_thread import InAThread
from realparts.landwaiter import CONFIGURATIONS, Landwaiter
from realparts.processes import ChildProcess, wait_until
from system.installation import Installation, a_policy, annotations_of, documents
from system.objects import A_PINNED_IMAGE, A_TAG, a_pod, containers, findings_of
from system.policies import DIGEST
from system.workshop import Workshop

DENIED = 'admission webhook "validate.landwaiter.dev" denied the request: '
MESSAGE_LIMIT_BYTES = 4096
IMPATIENT_SECONDS = 2


def kubectl_create(control_plane: ControlPlane, namespace: str, pod: object) -> tuple[int, str]:
    """Return the exit code of `kubectl create` and what it prints to standard error."""
    arguments = ("create", "--filename=-", f"--namespace={namespace}")
    answer = control_plane.kubectl(*arguments, stdin=json.dumps(pod), user="developer", check=False)
    return answer.returncode, answer.stderr


def code_of(answer: Answer) -> tuple[int, object, object, int | None]:
    body = answer.body
    return answer.status, body.get("reason"), body.get("code"), answer.retry_after_seconds


def the_finding(policy: str, action: str, *, admitted: bool) -> dict[str, Any]:
    return {
        "path": "spec.containers[0].image",
        "container": "c0",
        "image": A_TAG,
        "digest": None,
        "policy": policy,
        "rule": "pinnedTags",
        "action": action,
        "reason": "image without digest",
        "detail": 'tag "1.0" can be moved to another image at any time; a digest is wanted',
        "admitted": admitted,
    }


def findings_counted(installation: Installation, policy: str, action: str) -> float:
    return installation.landwaiter.metric(
        "landwaiter_findings_total", policy=policy, rule="pinnedTags", action=action
    )


def test_semantics_16_a_refusal_is_403_forbidden(installation: Installation) -> None:
    """What is wrong with the image is said at once, with nothing to wait for."""
    answer = installation.create(installation.namespace("digest"), a_pod(A_TAG))

    assert (403, "Forbidden", 403, None) == code_of(answer)


def test_semantics_17_the_person_reads_what_to_do(installation: Installation) -> None:
    """The message has the place, the rule, the policy, what was seen and wanted, and the fix."""
    namespace = installation.namespace("digest")

    code, printed = kubectl_create(installation.cluster, namespace, a_pod(A_TAG))

    expected = f"""\
Error from server (Forbidden): error when creating "STDIN": {DENIED}
The image in Pod {namespace}/web is refused:

spec.containers[0].image (container c0): {A_TAG}
  ✗ pinnedTags (policy digest): tag "1.0" can be moved to another image at any time; a digest is
    wanted
    → add the digest of the image: NAME:TAG@sha256:...
"""
    assert (1, expected) == (code, printed)


def test_semantics_16_under_fail_an_absent_registry_is_503(
    installation: Installation, workshop: Workshop
) -> None:
    """Nobody knows, so nobody is let in; there is nothing to wait for, so no retry is asked for."""
    namespace = installation.namespace("signed")
    image = f"{workshop.absent}/team/app@sha256:{'b' * 64}"

    answer = installation.create(namespace, a_pod(image))

    assert (503, "ServiceUnavailable", 503, None) == code_of(answer)


def test_semantics_16_under_ignore_an_absent_registry_lets_in_and_tells(
    installation: Installation, workshop: Workshop
) -> None:
    """The person is warned, the audit log says that nobody checked, and it is counted."""
    namespace = installation.namespace("signed-ignore")
    image = f"{workshop.absent}/team/app@sha256:{'c' * 64}"
    labels = {"policy": "signed-ignore", "outcome": "let through"}
    before = installation.landwaiter.metric("landwaiter_findings_total", **labels)

    answer = installation.create(namespace, a_pod(image))

    (annotation,) = annotations_of(installation.cluster, namespace).items()
    key, told = annotation[0], annotation[1]["findings"][0]
    seen = (told["rule"], told["action"], told["reason"], told["admitted"])
    after = installation.landwaiter.metric("landwaiter_findings_total", **labels)
    warning = (
        "cosignSignatures: container c0: signature not verified yet; admitted unchecked "
        "(policy signed-ignore)"
    )
    assert (
        201,
        (warning,),
        "validate.landwaiter.dev/undecided",
        ("cosignSignatures", "Deny", "signature not verified yet", True),
        1,
    ) == (answer.status, answer.warnings, key, seen, after - before)


@contextmanager
def frozen(process: ChildProcess) -> Iterator[None]:
    process.freeze()
    try:
        yield
    finally:
        process.thaw()


def test_semantics_16_kubectl_rides_out_a_slow_first_verification(
    installation: Installation, workshop: Workshop
) -> None:
    """A registry that hangs longer than the webhook's timeout costs a moment, and no error."""
    installation.register(timeout_seconds=IMPATIENT_SECONDS)
    namespace = installation.namespace("signed", timeout_seconds=IMPATIENT_SECONDS)
    image = workshop.plain.images.make_image("slow/app:1.0")
    workshop.plain.signer.sign_with_cosign3(image, workshop.ci)
    undecided = {"side": "enforce", "decision": "undecided"}
    before = installation.landwaiter.metric("landwaiter_decisions_total", **undecided)

    with ThreadPoolExecutor(1) as person:
        with frozen(workshop.plain.registry.process):
            applied = person.submit(kubectl_create, installation.cluster, namespace, a_pod(image))
            wait_until(
                lambda: (
                    installation.landwaiter.metric("landwaiter_decisions_total", **undecided)
                    > before
                ),
                within_seconds=20,
                what="an answer that says: not yet",
            )
        printed = applied.result(timeout=60)

    created = installation.cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/web").status
    assert ((0, ""), 200) == (printed, created)


@pytest.fixture
def a_refusing_webhook(
    control_plane: ControlPlane, installation: Installation
) -> Iterator[tuple[str, str]]:
    """Give a namespace whose webhook refuses every call, and what it says to each of them."""
    text = 'Content-Type: seen "x", wanted application/json'

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = call_refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
            self.send_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    pair = installation.landwaiter.authority.issue_server("refusing")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with InAThread(server):
        labels = {"refused-by": f"port-{server.server_port}"}
        webhooks = installation.landwaiter.webhooks(namespace_labels=labels)
        for each in webhooks["webhooks"]:
            each["clientConfig"]["url"] = f"https://127.0.0.1:{server.server_port}/"
        control_plane.request("POST", CONFIGURATIONS, webhooks)
        yield control_plane.new_namespace(labels=labels), text


def test_the_text_of_a_call_that_is_refused_reaches_the_person(
    control_plane: ControlPlane, a_refusing_webhook: tuple[str, str]
) -> None:
    """Of any other body than a Status, kubectl shows "for an unknown reason" alone."""
    namespace, text = a_refusing_webhook

    def refused() -> str:
        return kubectl_create(control_plane, namespace, a_pod(A_PINNED_IMAGE, name="web"))[1]

    wait_until(lambda: "failed calling" in refused(), within_seconds=20, what="a call to fail")

    expected = f'failed calling webhook "validate.landwaiter.dev": failed to call webhook: {text}\n'
    assert refused().endswith(expected)


def test_semantics_17_fifty_refused_images_are_one_message(installation: Installation) -> None:
    """Images come in the order of the object, in at most 4 kB, and what is left out is counted."""
    images = [f"registry.example.com/team/app-{index:02}:1.0" for index in range(50)]

    answer = installation.create(installation.namespace("digest"), a_pod(*images))

    message = str(answer.body["message"]).removeprefix(DENIED)
    shown = findings_of(message)
    expected = [(f"spec.containers[{index}].image", "pinnedTags") for index in range(len(shown))]
    last = message.splitlines()[-1]
    assert (
        (expected, f"… and {50 - len(shown)} more images", True),
        True,
    ) == ((shown, last, len(shown) > 10), len(message.encode()) <= MESSAGE_LIMIT_BYTES)


def test_semantics_17_kubectl_prints_warnings(installation: Installation) -> None:
    """Each finding of a policy that warns is one line, and the Pod is created."""
    namespace = installation.namespace("warned")
    pod = a_pod(A_TAG, A_PINNED_IMAGE, "registry.example.com/team/other")

    printed = kubectl_create(installation.cluster, namespace, pod)

    expected = """\
Warning: pinnedTags: container c0: tag "1.0" can be moved to another image at any time; a digest \
is wanted (policy warned)
Warning: pinnedTags: registry.example.com/team/other (container c2): image without digest \
(policy warned)
"""
    assert (0, expected) == printed


def test_semantics_17_audit_is_in_the_audit_log_and_shown_to_nobody(
    installation: Installation,
) -> None:
    """A policy that audits leaves an annotation and a count; the person sees nothing of it."""
    namespace = installation.namespace("audited")
    before = findings_counted(installation, "audited", "Audit")

    printed = kubectl_create(installation.cluster, namespace, a_pod(A_TAG))

    counted = findings_counted(installation, "audited", "Audit") - before
    told = annotations_of(installation.cluster, namespace)
    expected = {"findings": [the_finding("audited", "Audit", admitted=True)], "more": 0}
    assert ((0, ""), 1, {"observe.landwaiter.dev/violations": expected}) == (
        printed,
        counted,
        told,
    )


@pytest.mark.parametrize(
    ("policy", "side", "action", "status"),
    [
        ("denied-and-audited", "validate", "Deny", 403),
        ("warned-and-audited", "observe", "Warn", 201),
    ],
)
def test_semantics_18_two_actions_are_both_done_on_one_path(
    installation: Installation, policy: str, side: str, action: str, status: int
) -> None:
    """`[Deny, Audit]` refuses and audits, `[Warn, Audit]` warns and audits, each counted once."""
    namespace = installation.namespace(policy)
    before = findings_counted(installation, policy, action)

    answer = installation.create(namespace, a_pod(A_TAG))

    counted = findings_counted(installation, policy, action) - before
    told = annotations_of(installation.cluster, namespace)
    finding = the_finding(policy, action, admitted=status == 201)
    warnings = (
        (f"pinnedTags: {A_TAG} (container c0): image without digest (policy {policy})",)
        if action == "Warn"
        else ()
    )
    assert (
        status,
        warnings,
        1,
        {f"{side}.landwaiter.dev/violations": {"findings": [finding], "more": 0}},
    ) == (answer.status, answer.warnings, counted, told)


def test_semantics_17_annotations_of_many_findings_are_bounded_json(
    installation: Installation,
) -> None:
    """An object with many bad images leaves an annotation that parses and counts what it lacks."""
    namespace = installation.namespace("audited")
    images = [f"registry.example.com/team/app-{index:02}:1.0" for index in range(50)]

    installation.create(namespace, a_pod(*images))

    (told,) = annotations_of(installation.cluster, namespace).values()
    assert 50 == len(told["findings"]) + told["more"]


def test_semantics_18_an_install_that_observes_stops_nobody_when_dead(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """With policies that only warn, a Landwaiter that is gone leaves no trace at all."""
    landwaiter = Landwaiter(
        tmp_path,
        policies=documents(a_policy("warned", DIGEST, actions=["Warn"])),
        cluster=control_plane,
    )
    with landwaiter:
        observing = Installation(control_plane, landwaiter)
        observing.register(enforce=False)
        namespace = observing.namespace("warned")
        alive = observing.create(namespace, a_pod(A_TAG, name="alive"))

    dead = observing.create(namespace, a_pod(A_TAG, name="dead"))

    assert ((201, 1), (201, ())) == (
        (alive.status, len(alive.warnings)),
        (dead.status, dead.warnings),
    )


def test_semantics_18_an_install_that_denies_stops_everybody_when_dead(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Under a policy that denies nothing gets in unseen, and an old Pod still gets no new image."""
    landwaiter = Landwaiter(
        tmp_path, policies=documents(a_policy("digest", DIGEST)), cluster=control_plane
    )
    with landwaiter:
        denying = Installation(control_plane, landwaiter)
        denying.register()
        namespace = denying.namespace("digest")
        denying.create(namespace, a_pod(A_PINNED_IMAGE))

    created = denying.create(namespace, a_pod(A_PINNED_IMAGE, name="new"))
    changed = denying.patch(
        f"/api/v1/namespaces/{namespace}/pods/web", {"spec": {"containers": containers(A_TAG)}}
    )

    failed = 'failed calling webhook "validate.landwaiter.dev"'
    said = [
        str(answer.body["message"]).startswith("Internal error occurred: " + failed)
        for answer in (created, changed)
    ]
    assert ([500, 500], [True, True]) == ([created.status, changed.status], said)
