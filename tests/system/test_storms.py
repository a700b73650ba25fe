"""Hundreds of cold images at once: real signatures, the real cosign, through the real server."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, Self

import pytest

from load.generations import filled, review
from realparts.landwaiter import Landwaiter
from realparts.mass_signing import MassKey, MassMaker
from realparts.registries import ReferrersRegistry
from serving.clients import Client
from system.installation import documents
from system.objects import DEPLOYMENT, a_pod, pod_spec

IDENTICAL: Final = 500
DIFFERENT: Final = 200
STRANGE: Final = 10
"""Of the different ones, so many that a stranger has signed, and so many that nobody has."""

SIGNATURES: Final = 450
"""On one image: 50 below what is judged at most."""

RUNS: Final = 2
ROUNDS: Final = 5
"""How often somebody asks who is told to ask again: each round has ten seconds."""

JSON: Final = {"Content-Type": "application/json"}
ALLOWED: Final = "allowed"
REFUSED: Final = "refused"
LATER: Final = "ask again"
POLICY: Final = "signed"


class Watch:
    """Counts, from outside, the processes that another has at a time, as often as it can."""

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._tasks = Path(f"/proc/{pid}/task")
        self._end = Event()
        self._thread = Thread(target=self._look)

    def now(self) -> int:
        """Return how many children of the process are alive."""
        listed = [(task / "children").read_text("ascii") for task in self._tasks.iterdir()]
        return sum(_is_alive(child) for text in listed for child in text.split())

    def _look(self) -> None:
        while not self._end.wait(0.001):
            self.most = max(self.most, self.now())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def _is_alive(pid: str) -> bool:
    """Whether a process has not ended; one that has is listed until it is waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass(frozen=True)
class Scene:
    """Who is stormed, and images with what has to become of each."""

    landwaiter: Landwaiter
    maker: MassMaker
    ours: MassKey
    one: str
    expected: dict[str, str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("storms")
    with ReferrersRegistry(folder / "registry") as registry:
        maker, ours, theirs = MassMaker(registry), MassKey(), MassKey()
        images = [maker.make_image(f"storm/app-{number}") for number in range(DIFFERENT + 1)]
        for number, image in enumerate(images[STRANGE:]):
            key = theirs if number < STRANGE else ours
            sign = maker.sign_in_the_old_format if number % 2 else maker.sign_as_bundle
            sign(image, key)
        *different, one = images
        expected = {
            image: ALLOWED if number >= 2 * STRANGE else REFUSED
            for number, image in enumerate(different)
        }
        with _landwaiter(folder, registry, ours) as landwaiter:
            yield Scene(landwaiter, maker, ours, one, expected)


def _landwaiter(folder: Path, registry: ReferrersRegistry, key: MassKey) -> Landwaiter:
    authority = {"name": "ci", "key": {"data": key.public_pem}}
    policy = {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "validationActions": ["Deny"],
            "rules": {"cosignSignatures": {"authorities": [authority]}},
        },
    }
    return Landwaiter(
        folder / "landwaiter",
        policies=documents(policy),
        registries=json.dumps({"registries": [{"host": registry.host, "plainHTTP": True}]}),
        arguments=[f"--cosign-runs={RUNS}"],
    )


async def answers(
    landwaiter: Landwaiter,
    images: Sequence[str],
    holding: Callable[[str], Mapping[str, Any]] = a_pod,
) -> list[str]:
    """Return what becomes of Pods, or others, with these images, all of them created at once."""
    tls, port = landwaiter.client_context(), landwaiter.port
    clients = await asyncio.gather(*(Client.connect(port, tls) for _ in images))
    asked = [
        client.ask(
            "/validate?timeout=10s", filled(review(holding(image)), number).encode(), headers=JSON
        )
        for number, (client, image) in enumerate(zip(clients, images, strict=True))
    ]
    told = [_told(answer.status, answer.body) for answer in await asyncio.gather(*asked)]
    for client in clients:
        client.close()
    return told


def _told(status: int, body: bytes) -> str:
    """Return what an answer says; all of it where that is none of the three that there may be."""
    if status != 200:
        return f"{status}: {body!r}"
    response = json.loads(body)["response"]
    match response:
        case {"allowed": True}:
            return ALLOWED
        case {"status": {"code": 403, "reason": "Forbidden"}}:
            return REFUSED
        case {"status": {"code": 503, "details": {"retryAfterSeconds": 1 | 2 | 3 | 4 | 5}}}:
            return LATER
    return str(response)


async def told_in_the_end(
    landwaiter: Landwaiter, images: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """Return all that was told, and what was told of each image at last: who is to, asks again."""
    found: dict[str, str] = {}
    seen: list[str] = []
    for _ in range(ROUNDS):
        open_ = [image for image in images if found.get(image, LATER) == LATER]
        told = await answers(landwaiter, open_)
        seen += told
        found.update(zip(open_, told, strict=True))
    return seen, found


@contextmanager
def watched(scene: Scene) -> Iterator[Watch]:
    with Watch(scene.landwaiter.process.pid) as watch:
        yield watch


def runs(scene: Scene) -> float:
    return scene.landwaiter.metric("landwaiter_cosign_run_seconds_count")


def test_kyverno_4732_a_burst_of_one_cold_image_is_one_run(scene: Scene) -> None:
    """Five hundred Pods with one image are admitted, and cosign has run once."""
    before = runs(scene)
    with watched(scene) as watch:
        told = asyncio.run(answers(scene.landwaiter, [scene.one] * IDENTICAL))

    assert ({ALLOWED: IDENTICAL}, 1, 1.0) == (Counter(told), watch.most, runs(scene) - before)


@pytest.mark.timeout(120)
def test_a_burst_of_different_cold_images_shares_runs_within_the_limit(scene: Scene) -> None:
    """Nothing is told but verdicts and to ask again; each is right in the end, and warm then."""
    before = runs(scene)
    with watched(scene) as watch:
        seen, found = asyncio.run(told_in_the_end(scene.landwaiter, list(scene.expected)))
    cold = runs(scene) - before
    warm = asyncio.run(answers(scene.landwaiter, list(scene.expected)))

    assert {ALLOWED, REFUSED, LATER} >= set(seen)
    assert scene.expected == found == dict(zip(scene.expected, warm, strict=True))
    assert watch.most == RUNS
    assert cold <= DIFFERENT / 3
    assert (0, 0.0) == (watch.now(), scene.landwaiter.metric("landwaiter_cosign_flights"))


def test_semantics_21_the_template_of_a_deployment_warms_its_pods(scene: Scene) -> None:
    """What was verified for `kubectl apply` is known when the Pods come."""
    image = scene.maker.make_image("warmed/app")
    scene.maker.sign_as_bundle(image, scene.ours)

    def deployment(image: str) -> dict[str, Any]:
        return DEPLOYMENT.holding(pod_spec(image))

    first = asyncio.run(answers(scene.landwaiter, [image], deployment))
    before = runs(scene)
    pods = asyncio.run(answers(scene.landwaiter, [image] * 10))

    assert ([ALLOWED], [ALLOWED] * 10, 0.0) == (first, pods, runs(scene) - before)


@pytest.mark.parametrize("form", ["bundles", "old format"])
def test_hundreds_of_signatures_on_one_image_are_judged_within_the_deadline(
    scene: Scene, form: str
) -> None:
    """Ours is found behind those of strangers, and nobody has to ask again."""
    maker, strangers = scene.maker, [MassKey()] * SIGNATURES
    image = maker.make_image(f"crowded/{form.replace(' ', '-')}")
    if form == "bundles":
        for key in [*strangers, scene.ours]:
            maker.sign_as_bundle(image, key)
    else:
        maker.sign_in_the_old_format(image, *strangers, scene.ours)

    assert [ALLOWED] == asyncio.run(answers(scene.landwaiter, [image]))
