"""The install's settings shape the application that is served, each of them."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from admission.builders import a_body, a_pod
from admission.calling import Application, ask
from landwaiter.admission.http import AdmissionApp
from landwaiter.cluster.requests import ApiAnswer
from landwaiter.cluster.transport import ApiTransport
from landwaiter.container import Container
from landwaiter.cosign.runner import RunLimits
from landwaiter.errors import ClusterUnavailable, InvalidInput
from landwaiter.images.reference import ShortNames
from landwaiter.policy.install import PolicyInstallSettings, UnmatchedImages
from landwaiter.serving.health import Readiness
from landwaiter.serving.server import NO_BACKING, Backing, Ports, ServerSettings
from landwaiter.telemetry.api_observers import APIMetrics
from landwaiter.webhooks.settings import ServiceAddress, TrustSecret, WebhookSettings
from landwaiter.wiring import application
from landwaiter.wiring.application import IN_CLUSTER, InstallSettings
from landwaiter.wiring.outside import OutsideSettings
from landwaiter.wiring.policies import ConfigMapName
from telemetry.a_collector import a_collector

POLICIES = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: p}
spec:
  validationActions: [Deny]
  rules: {pullSecrets: {requireFor: [r.example.com]}}
"""


EXCEPTION = """
---
apiVersion: landwaiter.dev/v1alpha1
kind: ImagePolicyException
metadata: {name: e}
spec:
  policies: [{name: p, rules: ["*"]}]
  images: [r.example.com/app]
  namespaces: [shop]
  requestedBy: alice
  reason: a test
  expires: "%s"
"""
A_TIME = datetime.now(UTC) + timedelta(days=2)


@dataclass
class Served:
    """What was served, and what it answered to the reviews of these images."""

    images: tuple[str, ...] = ()
    settings: ServerSettings | None = None
    backing: Backing | None = None
    codes: list[int | None] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    metrics: str = ""
    unready: dict[str, str] = field(default_factory=dict)

    async def __call__(
        self,
        app: AdmissionApp,
        settings: ServerSettings,
        *,
        readiness: Readiness,
        metrics: object,
        registry: CollectorRegistry,
        on_started: Callable[[Ports], None],
        backing: Backing,
    ) -> None:
        """Stand in for the server: answer the reviews and end."""
        self.settings, self.backing = settings, backing
        self.unready = readiness.problems()
        on_started(Ports(1, 2))
        for image in self.images:
            body = a_body(a_pod(image))
            reply = await ask(Application(app, registry), body, query="timeout=10s")
            status = json.loads(reply.body)["response"].get("status", {})
            self.codes.append(status.get("code"))
            self.messages.append(status.get("message", ""))
        self.metrics = " ".join(sorted(metric.name for metric in registry.collect()))


@pytest.fixture
def settings(tmp_path: Path) -> InstallSettings:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(POLICIES)
    certificate = tmp_path / "tls.crt"
    server = ServerSettings(tls_cert=certificate, tls_key=certificate, port=0, metrics_port=0)
    outside = OutsideSettings(None, "cosign")
    return InstallSettings(tmp_path / "policies", server, outside, ShortNames.DOCKER_HUB)


@pytest.fixture(autouse=True)
def outside_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the logging of the tests alone, and take no Pod's service account."""
    monkeypatch.setattr(application, "configure_logging", lambda: None)
    monkeypatch.delenv(IN_CLUSTER, raising=False)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Served]:
    """Run an install, whose server answers reviews of these images and ends."""

    def run(settings: InstallSettings, *images: str) -> Served:
        served = Served(images)
        monkeypatch.setattr(application, "serve", served)
        application.run(settings)
        return served

    return run


def test_memory_is_set_up_before_anything_is_served(
    serve: Callable[..., Served], settings: InstallSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sizes of blocks by the C library, and what the collector need not look at."""
    done: list[str] = []
    for step in ("map_large_blocks", "spare_what_stays"):
        monkeypatch.setattr(application, step, partial(done.append, step))
    serve(settings)

    assert ["map_large_blocks", "spare_what_stays"] == done


def test_reviews_are_judged_by_the_policies_of_the_folder(
    serve: Callable[..., Served], settings: InstallSettings
) -> None:
    """What no policy is about is admitted; what needs a cluster is undecided, and says why."""
    served = serve(settings, "nginx:1", "r.example.com/app:1")

    assert [None, 503] == served.codes
    assert "landwaiter runs without --kubeconfig" in " ".join(served.messages[1].split())
    assert settings.server == served.settings


@pytest.mark.parametrize(("asked", "expected"), [(None, 3), (2, 2)])
def test_cosign_runs_as_often_as_has_room(
    serve: Callable[..., Served],
    settings: InstallSettings,
    monkeypatch: pytest.MonkeyPatch,
    asked: int | None,
    expected: int,
) -> None:
    """What the container has room for counts where the install says nothing."""
    limits: list[int] = []

    class Runner:
        def __init__(self, given: RunLimits, **_: object) -> None:
            limits.append(given.runs_at_once)

    monkeypatch.setattr(application, "this_container", lambda: Container(3))
    monkeypatch.setattr("landwaiter.cosign.program.CosignRunner", Runner)
    with capture_logs() as lines:
        serve(replace(settings, outside=OutsideSettings(None, "cosign", asked)))

    assert [expected] == limits
    assert [(expected, asked)] == [
        (line["runs"], line["asked"]) for line in lines if line["event"] == "runs of cosign at once"
    ]


def test_short_names_are_read_as_the_install_says(
    serve: Callable[..., Served], settings: InstallSettings
) -> None:
    """The same review is refused where short names are."""
    served = serve(replace(settings, short_names=ShortNames.REFUSE), "nginx:1")

    assert [403] == served.codes
    assert "imageReference (policy p)" in served.messages[0]


def test_images_without_a_policy_are_treated_as_the_install_says(
    serve: Callable[..., Served], settings: InstallSettings
) -> None:
    """The same review is refused where a policy is wanted for every image."""
    install = PolicyInstallSettings(unmatched_images=UnmatchedImages.DENY)
    about = POLICIES.replace("spec:", "spec:\n  match: {images: [r.example.com]}")
    assert settings.policies is not None
    (settings.policies / "p.yaml").write_text(about)

    assert [403] == serve(replace(settings, install=install), "nginx:1").codes


def test_every_room_counts_in_the_registry_that_is_served(
    serve: Callable[..., Served], settings: InstallSettings
) -> None:
    """Decisions, connections, registries and cosign are on one page of metrics."""
    served = serve(settings)

    assert {
        "landwaiter_decisions",
        "landwaiter_connections",
        "landwaiter_registry_request_seconds",
        "landwaiter_cosign_cache",
        "landwaiter_condition_job_seconds",
    } <= set(served.metrics.split())


def test_semantics_22_policies_that_do_not_load_stop_the_start(
    serve: Callable[..., Served], settings: InstallSettings
) -> None:
    """Nothing is served, not for a moment."""
    assert settings.policies is not None
    (settings.policies / "q.yaml").write_text("kind: Nonsense")

    with pytest.raises(InvalidInput, match=r"q\.yaml:1: field kind"):
        serve(settings)


def test_events_need_a_cluster(serve: Callable[..., Served], settings: InstallSettings) -> None:
    """An option that does nothing is a mistake somewhere else."""
    with pytest.raises(InvalidInput, match="--events: given, but there is no cluster"):
        serve(replace(settings, events=True))


def test_traces_go_where_the_install_says(
    serve: Callable[..., Served], settings: InstallSettings
) -> None:
    """A review, and what a rule has asked for its sake; nothing without an address."""
    with a_collector() as collector:
        serve(settings, "r.example.com/app:1")
        before = len(collector.spans)
        serve(replace(settings, otlp_endpoint=collector.url), "r.example.com/app:1")

    assert (0, ["pullSecret", "review"]) == (before, sorted(each.name for each in collector.spans))


def test_a_last_good_set_needs_a_cluster(
    serve: Callable[..., Served], settings: InstallSettings
) -> None:
    """Without one there is no place for it, and the start says so."""
    with pytest.raises(InvalidInput, match="--last-good-set: seen lw/policies, wanted none"):
        serve(replace(settings, last_good=ConfigMapName("lw", "policies")))


def test_policies_are_counted(serve: Callable[..., Served], settings: InstallSettings) -> None:
    """How many are in force, and whether a source holds something else."""
    served = serve(settings)

    assert {"landwaiter_policies", "landwaiter_policies_degraded"} <= set(served.metrics.split())


def test_registries_that_do_not_load_stop_the_start(
    serve: Callable[..., Served], settings: InstallSettings, tmp_path: Path
) -> None:
    """The file is named."""
    file = tmp_path / "registries.yaml"
    file.write_text("registries: 1")

    with pytest.raises(InvalidInput, match=r"registries\.yaml: "):
        serve(replace(settings, outside=OutsideSettings(file, "cosign")))


class Unreachable:
    """A transport to an API server that is down; `closed` counts how often it was let go."""

    closed = 0

    async def get(self, key: object) -> bytes | None:
        raise ClusterUnavailable("the API server is down")

    def send_blocking(self, request: object) -> ApiAnswer:
        raise ClusterUnavailable("the API server is down")

    def server_time(self) -> float:
        return A_TIME.timestamp()

    def close(self) -> None:
        Unreachable.closed += 1


@pytest.mark.parametrize(
    ("kubeconfig", "in_a_pod", "expected"),
    [
        (None, False, []),
        (None, True, [None]),
        (Path("kubeconfig"), False, [Path("kubeconfig")]),
        (Path("kubeconfig"), True, [Path("kubeconfig")]),
    ],
)
def test_the_cluster_is_that_of_the_kubeconfig_else_our_own(
    serve: Callable[..., Served],
    settings: InstallSettings,
    monkeypatch: pytest.MonkeyPatch,
    kubeconfig: Path | None,
    in_a_pod: bool,  # noqa: FBT001
    expected: list[Path | None],
) -> None:
    """Outside of a Pod and without kubeconfig there is none; a client is always let go."""
    asked: list[Any] = []
    monkeypatch.setattr(Unreachable, "closed", 0)

    def connect(given: Path | None = None, *, observer: APIMetrics) -> Unreachable:
        asked.append(given)
        return Unreachable()

    monkeypatch.setattr(ApiTransport, "connect", connect)
    if in_a_pod:
        monkeypatch.setenv(IN_CLUSTER, "10.0.0.1")
    served = serve(replace(settings, kubeconfig=kubeconfig), "r.example.com/app:1")

    assert (expected, len(expected), [503]) == (asked, Unreachable.closed, served.codes)
    assert bool(expected) == ("the API server is down" in " ".join(served.messages[0].split()))
    waiting = "namespaces, serviceaccounts not listed yet"
    assert ({"views": waiting} if expected else {}) == served.unready


def test_service_accounts_are_waited_for_where_they_are_watched(
    serve: Callable[..., Served], settings: InstallSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not where they may not be read."""
    monkeypatch.setattr(ApiTransport, "connect", lambda _, **__: Unreachable())
    given = replace(settings, kubeconfig=Path("kubeconfig"), watches_accounts=False)

    assert {"views": "namespaces not listed yet"} == serve(given).unready


@pytest.mark.parametrize(("days", "expected"), [(1, [503]), (3, [None])])
def test_the_time_of_day_is_the_api_servers(
    serve: Callable[..., Served],
    settings: InstallSettings,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    expected: list[int | None],
) -> None:
    """A clock that is wrong lets no exception live on: the API server is two days ahead here."""
    monkeypatch.setattr(ApiTransport, "connect", lambda _, **__: Unreachable())
    assert settings.policies is not None
    expires = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    (settings.policies / "p.yaml").write_text(POLICIES + EXCEPTION % expires)
    served = serve(replace(settings, kubeconfig=Path("kubeconfig")), "r.example.com/app:1")

    assert expected == served.codes


def test_a_folder_for_temporary_files_is_waited_for(
    serve: Callable[..., Served],
    settings: InstallSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Without one no signature can be verified, so nobody should be sent here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))

    assert ["temporaryFolder"] == list(serve(settings).unready)


def test_without_a_webhook_name_the_server_leans_on_nothing(
    serve: Callable[..., Served], settings: InstallSettings
) -> None:
    """Certificates are files, and no webhook object is made."""
    assert NO_BACKING is serve(settings).backing


def test_a_webhook_object_needs_a_cluster(
    serve: Callable[..., Served], settings: InstallSettings
) -> None:
    """There is nowhere to make it."""
    webhook = WebhookSettings(
        "guard", ServiceAddress("lw", "lw", 443), TrustSecret("guard-tls"), "lw"
    )

    with pytest.raises(InvalidInput, match="--webhook-name: seen guard, wanted none without a cl"):
        serve(replace(settings, webhook=webhook))
