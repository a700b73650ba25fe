"""What was verified outlives Landwaiter and the registry: a real cluster and the real cosign."""

import base64
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from landwaiter.inventory.records import (
    RESOURCE,
    VERIFIED_IMAGES,
    VerifiedImageSpec,
    content_of,
    record_of,
)
from landwaiter.inventory.seal_keeper import ENTRY
from landwaiter.inventory.sealing import Seal
from landwaiter.policy.crd import definition_of
from landwaiter.wiring.verified_images import LEASE
from realparts.control_plane import ControlPlane
from realparts.landwaiter import NAMESPACE, Landwaiter, account_and_rights
from realparts.processes import wait_until
from realparts.registries import CraneRegistry
from realparts.signing import SigningKey
from system.installation import API_SERVER, Installation, a_policy, annotations_of, documents
from system.objects import a_pod, refusal_of
from system.workshop import Bench

SECONDS = 30.0
ADMITTED, REFUSED, UNDECIDED, OK, CREATED = 201, 403, 503, 200, 201
POLICY = "survives"
OBJECTS = RESOURCE.path()
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/verified-images"
LEASE_PATH = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{LEASE}"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
HOUR = 3_600


def a_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give a cluster that knows the kind of object, and forgets it again."""
    text = yaml.safe_dump(definition_of(VERIFIED_IMAGES))
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    control_plane.kubectl(
        "wait", "--for=condition=Established", "--timeout=30s", f"crd/{VERIFIED_IMAGES.name}"
    )
    yield control_plane
    control_plane.kubectl("delete", "crd", VERIFIED_IMAGES.name)
    control_plane.request("DELETE", SECRET)


@dataclass
class Scene:
    """A Landwaiter that keeps what it verifies, and a registry that is its own."""

    cluster: ControlPlane
    landwaiter: Landwaiter
    bench: Bench
    key: SigningKey
    installation: Installation
    namespaces: list[str] = field(default_factory=list)

    def signed(self, name: str) -> str:
        """Return a new image that is signed."""
        image = self.bench.images.make_image(f"{name}:1.0")
        self.bench.signer.sign_with_cosign3(image, self.key)
        return image

    def unsign(self, image: str) -> None:
        """Delete what says which signatures an image has."""
        name, _, digest = image.partition("@")
        path = f"{name.partition('/')[2]}/manifests/{digest.replace(':', '-')}"
        request = Request(f"{self.bench.registry.url}/v2/{path}", method="DELETE")  # noqa: S310  # It is on loopback.
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310  # As above.
            assert HTTPStatus.ACCEPTED == answer.status

    def create(self, image: str) -> Any:  # noqa: ANN401  # As the client gives it.
        namespace = self.installation.namespace(POLICY)
        self.namespaces.append(namespace)
        return self.installation.create(namespace, a_pod(image))

    def dry_run(self, image: str) -> Any:  # noqa: ANN401  # As the client gives it.
        return self.installation.dry_run(self.installation.namespace(POLICY), a_pod(image))

    def objects(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.cluster.request("GET", OBJECTS).body["items"]
        return items

    def kept(self, image: str) -> dict[str, Any]:
        """Return the object about an image, once there is one."""

        def found() -> list[dict[str, Any]]:
            digest = image.partition("@")[2]
            return [each for each in self.objects() if each["spec"]["digest"] == digest]

        wait_until(lambda: bool(found()), within_seconds=SECONDS, what=f"what is kept of {image}")
        (only,) = found()
        return only

    def restart(self) -> None:
        """Kill the process; its Lease is taken from it, so that nobody waits for its end."""
        self.landwaiter.stop()
        self.cluster.request("DELETE", LEASE_PATH)
        self.landwaiter.restart()

    def names(self) -> set[str]:
        return {each["metadata"]["name"] for each in self.objects()}

    def sealed(self, kept: dict[str, Any], *, ended_seconds_ago: int) -> dict[str, Any]:
        """Return an object of another key whose time is over, as Landwaiter seals it."""
        data = self.cluster.request("GET", SECRET).body["data"]
        record = record_of(VerifiedImageSpec.model_validate(kept["spec"]))
        until = int(time.time()) - ended_seconds_ago
        key = a_hash(f"{record.key} {ended_seconds_ago}")
        ended = replace(record, key=key, when=until - HOUR, until=until)
        return content_of(ended, Seal(base64.b64decode(data[ENTRY])).of(ended))

    def post(self, content: dict[str, Any]) -> None:
        """Write an object as whoever may write them."""
        assert CREATED == self.cluster.request("POST", OBJECTS, content).status

    def change(self, name: str, **fields: str) -> None:
        """Change an object as whoever may write them."""
        path, kind = f"{OBJECTS}/{name}", "application/merge-patch+json"
        answer = self.cluster.request("PATCH", path, {"spec": fields}, content_type=kind)
        assert OK == answer.status

    def ignored(self) -> dict[str, float]:
        """Return how many objects were ignored, by their causes."""
        name = "landwaiter_verified_images_ignored_total"
        causes = ("replayed", "forged", "expired")
        return {cause: self.landwaiter.metric(name, cause=cause) for cause in causes}

    def notes(self, name: str) -> set[str]:
        items = self.cluster.request("GET", EVENTS).body["items"]
        return {each["note"] for each in items if each["regarding"].get("name") == name}


def a_replica(folder: Path, cluster: ControlPlane, bench: Bench, key: SigningKey) -> Landwaiter:
    """Return a process that keeps what it verifies, beside others that do."""
    authority = {"name": "ci", "key": {"data": Path(key.public).read_text("utf-8")}}
    rules = {"cosignSignatures": {"authorities": [authority]}}
    return Landwaiter(
        folder,
        policies=documents(a_policy(POLICY, rules, staleIfUndecided="24h")),
        registries=f'{{"registries": [{{"host": "{bench.host}", "plainHTTP": true}}]}}',
        cluster=cluster,
        arguments=[
            f"--client-ca={cluster.files.webhook_client_ca}",
            f"--client-name={API_SERVER}",
            f"--own-namespace={NAMESPACE}",
            "--verified-images-secret=verified-images",
        ],
        rights=account_and_rights(keeps_verified_images=True),
    )


@pytest.fixture(scope="module")
def scene(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("verified-images")
    with CraneRegistry(folder / "registry") as registry:
        bench = Bench.at(registry, folder / "bench")
        key = bench.signer.generate_key_pair("ci")
        with a_replica(folder / "landwaiter", cluster, bench, key) as landwaiter:
            installation = Installation(cluster, landwaiter)
            installation.register()
            yield Scene(cluster, landwaiter, bench, key, installation)


@pytest.fixture
def other(scene: Scene, tmp_path: Path) -> Iterator[Scene]:
    """Give a second replica, with namespaces whose Pods it alone is asked about."""
    with a_replica(tmp_path / "other", scene.cluster, scene.bench, scene.key) as landwaiter:
        installation = Installation(scene.cluster, landwaiter)
        installation.register()
        yield replace(scene, landwaiter=landwaiter, installation=installation, namespaces=[])


def test_what_was_verified_passes_after_a_restart_without_the_registry(scene: Scene) -> None:
    """And what was not does not, nor what only a dry run has verified; all of it is told."""
    verified, tried, unknown = (scene.signed(f"lasting/{name}") for name in ("a", "b", "c"))
    before = [scene.create(verified).status, scene.dry_run(tried).status]
    kept = scene.kept(verified)
    scene.bench.registry.stop()
    scene.restart()
    answers = [scene.create(each) for each in (verified, tried, unknown)]
    stale = annotations_of(scene.cluster, scene.namespaces[-3])
    (annotation,) = stale.values()
    scene.bench.registry.start()
    wide = scene.cluster.kubectl("get", "verifiedimages", "--output=wide").stdout.splitlines()

    assert [ADMITTED, ADMITTED] == before
    assert [(ADMITTED, 0), (UNDECIDED, 1), (UNDECIDED, 1)] == [
        (each.status, len(refusal_of(each)[1])) for each in answers
    ]
    assert [f"{scene.bench.host}/lasting/a"] == [
        each["spec"]["repository"] for each in scene.objects()
    ]
    assert "so admitted (policy survives)" in answers[0].warnings[0]
    assert [(True, True)] == [
        (each["admitted"], each["verifiedSecondsAgo"] < SECONDS * 4)
        for each in annotation["findings"]
    ]
    assert 1 == scene.landwaiter.metric("landwaiter_findings_total", outcome="stale")
    assert 1 == scene.landwaiter.metric("landwaiter_verified_images")
    columns = ("NAME", "REPOSITORY", "DIGEST", "AUTHORITY", "EVIDENCE", "VERIFIED", "UNTIL")
    assert columns == tuple(wide[0].split())
    assert [
        kept["metadata"]["name"],
        f"{scene.bench.host}/lasting/a",
        verified.partition("@")[2],
        "ci",
        "signature",
    ] == wide[1].split()[:5]


def test_what_is_refused_since_passes_in_no_outage_any_more(scene: Scene) -> None:
    """A process that has not verified it sees that the signature has gone, and takes it back."""
    image = scene.signed("withdrawn/a")
    before = scene.create(image).status
    name = scene.kept(image)["metadata"]["name"]
    scene.unsign(image)
    scene.restart()
    dry = scene.dry_run(image).status
    after_dry_run = name in scene.names()
    refused = scene.create(image).status
    wait_until(lambda: name not in scene.names(), within_seconds=SECONDS, what="its end")
    scene.bench.registry.stop()
    scene.restart()
    undecided = scene.create(image).status
    scene.bench.registry.start()

    assert [ADMITTED, REFUSED, True, REFUSED, UNDECIDED] == [
        before,
        dry,
        after_dry_run,
        refused,
        undecided,
    ]


def test_what_one_replica_verifies_passes_at_the_others_until_one_of_them_refuses(
    scene: Scene, other: Scene
) -> None:
    """In an outage; the other has never seen the images, and nothing is started anew."""
    lasting, withdrawn = (scene.signed(f"shared/{name}") for name in ("a", "b"))
    verified = [scene.create(image).status for image in (lasting, withdrawn)]
    name = [scene.kept(image)["metadata"]["name"] for image in (lasting, withdrawn)][1]
    scene.unsign(withdrawn)
    refused = other.create(withdrawn).status
    wait_until(lambda: name not in scene.names(), within_seconds=SECONDS, what="its end")
    wait_until(
        lambda: (
            [float(len(scene.names()))] * 2
            == [each.landwaiter.metric("landwaiter_verified_images") for each in (scene, other)]
        ),
        within_seconds=SECONDS,
        what="the same objects at both",
    )
    scene.bench.registry.stop()
    stale = other.create(lasting)
    still_refused = other.create(withdrawn).status
    scene.bench.registry.start()

    assert [ADMITTED, ADMITTED, REFUSED] == [*verified, refused]
    assert ADMITTED == stale.status != still_refused
    assert "so admitted (policy survives)" in stale.warnings[0]


def test_attack_forged_copied_and_expired_objects_are_ignored_counted_and_told_of(
    scene: Scene,
) -> None:
    """An object that is changed in place is not believed any more either."""
    image = scene.signed("forged/a")
    assert ADMITTED == scene.create(image).status
    kept = scene.kept(image)
    name = kept["metadata"]["name"]
    expired = scene.sealed(kept, ended_seconds_ago=2 * HOUR)
    before = scene.ignored()
    scene.post({**kept, "metadata": {"name": "copied"}})
    scene.post(expired)
    scene.change(name, until="2099-01-01T00:00:00Z")
    named = {
        "copied": "it is a copy of an object of another name",
        name: "its seal is not by Landwaiter's key over these fields",
        expired["metadata"]["name"]: "its time is over",
    }
    wait_until(
        lambda: all(scene.notes(each) for each in named), within_seconds=SECONDS, what="Events"
    )
    after = scene.ignored()
    scene.bench.registry.stop()
    scene.restart()
    undecided = scene.create(image)
    scene.bench.registry.start()

    assert UNDECIDED == undecided.status
    assert [1.0, 1.0, 1.0] == [after[cause] - before[cause] for cause in before]
    assert {
        each: {f"this VerifiedImage is ignored and will be removed: {why}"}
        for each, why in named.items()
    } == {each: scene.notes(each) for each in named}


def test_what_has_expired_is_removed_by_the_replica_that_holds_the_lease(scene: Scene) -> None:
    """That happens every day, and is no Event."""
    image = scene.signed("expiring/a")
    assert ADMITTED == scene.create(image).status
    kept = scene.kept(image)
    expired = scene.sealed(kept, ended_seconds_ago=1)
    scene.post(expired)
    name = expired["metadata"]["name"]
    wait_until(
        lambda: name not in scene.names(), within_seconds=SECONDS, what="the end of what expired"
    )

    assert kept["metadata"]["name"] in scene.names()
    assert set() == scene.notes(name)
    assert 1 <= scene.landwaiter.metric("landwaiter_verified_images_removed_total", cause="expired")
