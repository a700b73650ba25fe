"""The image at work: started as a node would, for the real API server, on really signed images."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from realparts.built_image import BuiltImage
from realparts.control_plane import ControlPlane
from realparts.processes import http_status, wait_until
from system.image.contained import ContainedLandwaiter
from system.installation import Installation, a_policy, documents
from system.objects import a_pod, refusal_of
from system.policies import signed_by
from system.workshop import Bench, Workshop

DRAIN_SECONDS = 0.5
UNREADY = 503
REFUSED = (403, [("spec.containers[0].image", "cosignSignatures")])
ADMITTED: tuple[int, list[tuple[str, str]]] = (201, [])


@pytest.fixture(scope="module")
def contained(
    image: BuiltImage,
    control_plane: ControlPlane,
    workshop: Workshop,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ContainedLandwaiter]:
    """Give a Landwaiter that runs from the image's own root file system."""
    key = {"data": workshop.ci.public.read_text("utf-8")}
    landwaiter = ContainedLandwaiter(
        tmp_path_factory.mktemp("contained"),
        image,
        policies=documents(a_policy("signed", signed_by(key))),
        registries=workshop.registries(),
        cluster=control_plane,
    )
    with landwaiter:
        yield landwaiter


@pytest.fixture(scope="module")
def installed(contained: ContainedLandwaiter, control_plane: ControlPlane) -> Installation:
    """Give the installation of that Landwaiter in the cluster."""
    installation = Installation(control_plane, contained)
    installation.register()
    return installation


def signed(bench: Bench, workshop: Workshop, *, in_old_format: bool) -> str:
    reference = bench.images.make_image(f"contained/{'old' if in_old_format else 'bundle'}:1.0")
    sign = bench.signer.sign_with_cosign2 if in_old_format else bench.signer.sign_with_cosign3
    sign(reference, workshop.ci)
    return reference


@pytest.mark.parametrize("in_old_format", [False, True], ids=["bundle", "old"])
def test_a_really_signed_image_is_admitted(
    installed: Installation, workshop: Workshop, *, in_old_format: bool
) -> None:
    """The image's own cosign verifies, with the image's own certificates and libraries."""
    image = signed(workshop.referrers, workshop, in_old_format=in_old_format)

    answer = installed.create(installed.namespace("signed"), a_pod(image))

    assert ADMITTED == refusal_of(answer)


def test_an_unsigned_image_is_refused(installed: Installation, workshop: Workshop) -> None:
    """The image lets nothing in for want of something that it lacks."""
    image = workshop.plain.images.make_image("contained/unsigned:1.0")

    answer = installed.create(installed.namespace("signed"), a_pod(image))

    assert REFUSED == refusal_of(answer)


def test_verifying_leaves_nothing_behind(
    installed: Installation, contained: ContainedLandwaiter, workshop: Workshop
) -> None:
    """What cosign was given in the one writable folder is gone after the answer."""
    assert contained.container is not None
    place = contained.container.temporary
    before = sorted(place.iterdir())
    image = signed(workshop.plain, workshop, in_old_format=False)
    installed.create(installed.namespace("signed"), a_pod(image))

    assert before == sorted(place.iterdir())


def test_it_is_process_one_and_has_no_rights(contained: ContainedLandwaiter) -> None:
    """It runs as the image's user, alone with its children, without any capability."""
    process = contained.first_process()
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    )
    wanted = {
        "Uid": "\t".join(["65532"] * 4),
        "Gid": "\t".join(["65532"] * 4),
        "CapEff": "0" * 16,
        "CapBnd": "0" * 16,
        "NoNewPrivs": "1",
    }

    assert wanted == {name: status[name] for name in wanted}
    assert "1" == status["NSpid"].split()[-1]


def test_sigterm_drains_and_ends_well(image: BuiltImage, tmp_path: Path) -> None:
    """Process 1 hears SIGTERM: it turns unready, goes on for its time, and exits with 0."""
    landwaiter = ContainedLandwaiter(
        tmp_path,
        image,
        policies=documents(a_policy("digest", {"pinnedTags": {"require": "digest"}})),
        arguments=[f"--drain-seconds={DRAIN_SECONDS}"],
    )
    with landwaiter:
        os.kill(landwaiter.first_process(), signal.SIGTERM)
        wait_until(
            lambda: http_status(f"{landwaiter.metrics_url}/readyz") == UNREADY,
            within_seconds=10,
            what="an unready Landwaiter",
        )
        ended = landwaiter.process.wait(within_seconds=20)
        landwaiter.process.stop()

    assert (True, 0) == (ended, landwaiter.process.exit_code)
