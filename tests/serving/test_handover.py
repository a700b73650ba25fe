"""When a new certificate is taken into use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from landwaiter.errors import InvalidCertificate
from landwaiter.serving.certificates import CertificatePair
from landwaiter.serving.handover import Handover, HandoverSettings, Trust
from landwaiter.tls.making import make_identity
from realparts.certificates import Authority
from serving.clients import HOST

WAITED = 15.0


@dataclass
class Source:
    """A source whose certificate the test replaces."""

    pair: CertificatePair

    def problem(self) -> str | None:
        return None

    async def ready(self) -> None:
        """Return at once."""

    def read(self) -> CertificatePair:
        return self.pair

    def __str__(self) -> str:
        return "the source"


@dataclass
class Trusting:
    """Those who connect, and whom they trust."""

    trusted: Sequence[bytes] = ()
    is_known: bool = True

    def bundles(self) -> Sequence[bytes]:
        return self.trusted


@dataclass
class Stage:
    old: tuple[CertificatePair, bytes]
    new: tuple[CertificatePair, bytes]
    source: Source
    trust: Trusting
    handover: Handover
    clock: list[float] = field(default_factory=lambda: [0.0])

    def serves_new(self) -> bool:
        return self.handover.read() == self.new[0]


def issued(folder: Path, name: str) -> tuple[CertificatePair, bytes]:
    authority = Authority(folder / name, f"{name} CA")
    pair = authority.issue_server("landwaiter", valid_for=timedelta(hours=1))
    content = CertificatePair(pair.certificate.read_bytes(), pair.key.read_bytes())
    return content, authority.certificate.read_bytes()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Give a source that has just changed from an old certificate to a new one."""
    old, new = issued(tmp_path, "old"), issued(tmp_path, "new")
    source, trust, clock = Source(old[0]), Trusting([old[1]]), [0.0]
    settings = HandoverSettings(HOST, WAITED, monotonic=lambda: clock[0])
    handover = Handover(source, trust, settings)
    assert handover.read() == old[0]
    source.pair = new[0]
    return Stage(old, new, source, trust, handover, clock)


def test_one_that_is_not_trusted_yet_waits(stage: Stage) -> None:
    """However long it takes: the old one is good."""
    before = stage.serves_new()
    stage.clock[0] = 1e6

    assert (False, False) == (before, stage.serves_new())


def test_one_that_is_trusted_by_all_is_used_after_a_while(stage: Stage) -> None:
    """The while begins when the last webhook has it, and begins anew where it was taken back."""
    both = stage.old[1] + stage.new[1]
    stage.trust.trusted = [both, stage.old[1]]
    stage.clock[0] = 100.0
    served = [stage.serves_new()]
    stage.trust.trusted = [both, both]
    served.append(stage.serves_new())
    stage.clock[0] += WAITED - 1
    stage.trust.trusted = [stage.old[1]]
    served.append(stage.serves_new())
    stage.trust.trusted = [both]
    served.append(stage.serves_new())
    stage.clock[0] += WAITED - 1
    served.append(stage.serves_new())
    stage.clock[0] += 1
    served.append(stage.serves_new())

    assert [False] * 5 + [True] == served


def test_one_is_used_at_once_where_the_old_one_is_not_trusted(stage: Stage) -> None:
    """There is nothing to wait for."""
    stage.trust.trusted = [stage.new[1]]

    assert stage.serves_new()


def test_one_is_used_after_a_while_where_nobody_connects(stage: Stage) -> None:
    """Whoever begins to connect is told to trust it."""
    stage.trust.trusted = []
    before = stage.serves_new()
    stage.clock[0] = WAITED

    assert (False, True) == (before, stage.serves_new())


def test_what_is_trusted_has_to_be_known(stage: Stage) -> None:
    """A process that has heard nothing of the webhook object goes on as it was."""
    stage.trust.trusted, stage.trust.is_known = [], False
    stage.serves_new()
    stage.clock[0] = 1e6

    assert not stage.serves_new()


def test_one_that_has_ended_is_not_kept(stage: Stage, tmp_path: Path) -> None:
    """Whatever is known of the new one, it is the better one."""
    later = HandoverSettings(HOST, WAITED, now=lambda: 4e9)
    handover = Handover(stage.source, stage.trust, later)
    stage.source.pair = stage.old[0]
    handover.read()
    stage.source.pair = stage.new[0]

    assert stage.new[0] == handover.read()


def made_at(now: float) -> tuple[CertificatePair, bytes]:
    """Return what a clock that shows this time makes: valid from a day before it."""
    made = make_identity([HOST], now=datetime.fromtimestamp(now, UTC))
    return CertificatePair(made.chain, made.key), made.ca


def test_one_that_has_yet_to_begin_gives_way_and_is_not_taken() -> None:
    """Made by a clock that was ahead, it is trusted by nobody before its time."""
    now = 1e9
    early, good = made_at(now + 3 * 86_400), made_at(now)
    trust = Trusting([early[1] + good[1]])
    settings = HandoverSettings(HOST, WAITED, now=lambda: now, monotonic=lambda: 0.0)
    source = Source(early[0])
    handover = Handover(source, trust, settings)
    handover.read()
    source.pair = good[0]
    given_way = handover.read()
    source.pair = early[0]
    trust.trusted = [early[1]]

    assert (good[0], good[0]) == (given_way, handover.read())


def test_one_that_cannot_be_used_is_refused_by_name(stage: Stage) -> None:
    """Half of a rotation of files is no certificate, trusted or not."""
    stage.source.pair = CertificatePair(stage.new[0].chain, stage.old[0].key)

    with pytest.raises(InvalidCertificate, match="no certificate chain and its key"):
        stage.handover.read()


def _protocol_holds() -> Trust:
    """Let mypy say when the fake and its Protocol part ways."""
    return Trusting()
