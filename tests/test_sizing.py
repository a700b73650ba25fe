"""How many runs of cosign there may be at once, and that the figures are those of the code."""

from pathlib import Path

import pytest

from landwaiter import sizing
from landwaiter.admission.http import RequestLimits
from landwaiter.cel.worker import MEMORY_MAX_BYTES
from landwaiter.container import Container
from landwaiter.cosign.material import SIGNATURE_LIMITS
from landwaiter.cosign.memory import FAULTS, REFUSALS, SUCCESSES
from landwaiter.cosign.verifier import VerifierSettings
from landwaiter.serving.limits import ConnectionLimits
from landwaiter.sizing import BASE_MIB, LEAST_MIB, MIB, RUN_MIB, CosignRuns, cosign_runs

ROOM_FOR_THREE = (BASE_MIB + 3 * RUN_MIB) * MIB


@pytest.mark.parametrize(
    ("container", "asked", "at_once", "room", "fits"),
    [
        (Container(8), None, 8, None, True),
        (Container(8, ROOM_FOR_THREE), None, 3, 3, True),
        (Container(8, ROOM_FOR_THREE - 1), None, 2, 2, True),
        (Container(2, ROOM_FOR_THREE), None, 2, 3, True),
        (Container(8, 2560 * MIB), None, 2, 2, True),
        (Container(8, BASE_MIB * MIB), None, 1, 0, True),
        (Container(8, (LEAST_MIB + RUN_MIB) * MIB), None, 1, 0, True),
        (Container(8, (LEAST_MIB + RUN_MIB) * MIB - 1), None, 1, 0, False),
        (Container(8, 1), None, 1, 0, False),
        (Container(128), None, 64, None, True),
        (Container(2), 7, 7, None, True),
        (Container(2, 704 * MIB), 2, 2, 0, True),
        (Container(2, 704 * MIB), 3, 3, 0, False),
    ],
)
def test_there_are_as_many_runs_as_have_a_core_and_room(
    container: Container, asked: int | None, at_once: int, room: int | None, *, fits: bool
) -> None:
    """At least one; and what the admin says, whether it has room or not."""
    runs = cosign_runs(container, asked)

    assert (CosignRuns(at_once, container, asked, room), fits) == (runs, runs.fits)


def test_the_verifier_goes_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody says anything."""
    container = Container(8, ROOM_FOR_THREE)
    monkeypatch.setattr("landwaiter.cosign.verifier.this_container", lambda: container)

    assert 3 == VerifierSettings(Path("cosign")).runs_at_once


def test_the_figures_are_those_of_the_bounds_in_the_code() -> None:
    """Whoever changes a bound changes what it takes."""
    requests, connections = RequestLimits(), ConnectionLimits()
    verifier = VerifierSettings(Path("cosign"))
    easy, large = SIGNATURE_LIMITS.easy_bytes, SIGNATURE_LIMITS.total_bytes
    bounds = {
        "bodies being read": requests.bytes_held,
        "2,000 reviews that wait, 32 kB each": requests.requests * 32_000,
        "4,000 connections, 35 kB each": connections.connections * 35_000,
        "verdicts on signatures that are remembered, 50,000 good ones": sum(
            bounds.total_bytes for bounds in (SUCCESSES, REFUSALS, FAULTS)
        ),
        "signatures that are being judged": verifier.images_at_once * easy
        + verifier.large_images_at_once * (large - easy),
        "the process for their `conditions`, if a policy has some": MEMORY_MAX_BYTES,
        "two processes for `matchConditions`, if a policy has them": 2 * MEMORY_MAX_BYTES,
    }
    told = {part.what: part.mebibytes * MIB for part in sizing.PARTS}

    assert [] == [what for what, each in bounds.items() if not each <= told[what] <= 1.05 * each]
