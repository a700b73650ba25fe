"""The CA of somebody else's certificate, as its file says now and has said lately."""

from pathlib import Path

import pytest

from landwaiter.errors import InvalidCertificate
from landwaiter.tls.bundles import fingerprints_in
from landwaiter.webhooks.trust_file import KEPT_SECONDS, READ_EVERY_SECONDS, TrustFileBundle
from tls.states import an_identity

OLD, NEW = an_identity().ca, an_identity().ca


class Reader:
    """A bundle of a file, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.file = folder / "ca.crt"
        self.file.write_bytes(OLD)
        self.bundle = TrustFileBundle(self.file, clock=lambda: self.now)

    def read(self, *, after: float = 0.0) -> frozenset[bytes]:
        self.now += after
        return fingerprints_in(self.bundle.bundle())


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def prints(*bundles: bytes) -> frozenset[bytes]:
    return frozenset().union(*map(fingerprints_in, bundles))


def test_a_new_ca_comes_beside_the_old_one(reader: Reader) -> None:
    """For as long as another replica may serve with what it vouches for."""
    before = reader.read()
    reader.file.write_bytes(NEW)
    soon = reader.read(after=READ_EVERY_SECONDS)
    later = reader.read(after=KEPT_SECONDS - 1)
    at_last = reader.read(after=1)

    assert (prints(OLD), prints(OLD, NEW), prints(OLD, NEW), prints(NEW)) == (
        before,
        soon,
        later,
        at_last,
    )


def test_a_ca_that_comes_back_is_there_to_stay(reader: Reader) -> None:
    """A rolled back Secret is trusted as before."""
    reader.file.write_bytes(NEW)
    reader.read(after=READ_EVERY_SECONDS)
    reader.file.write_bytes(OLD)
    reader.read(after=READ_EVERY_SECONDS)

    assert prints(OLD) == reader.read(after=KEPT_SECONDS)


@pytest.mark.parametrize(
    "content", [b"", b"junk", OLD[:50], None], ids=["nothing", "junk", "cut", "gone"]
)
def test_a_file_that_is_none_keeps_the_last_one(reader: Reader, content: bytes | None) -> None:
    """As in the middle of a write."""
    if content is None:
        reader.file.unlink()
    else:
        reader.file.write_bytes(content)
    broken = reader.read(after=READ_EVERY_SECONDS)
    reader.file.write_bytes(OLD + NEW)

    assert (prints(OLD), prints(OLD, NEW)) == (broken, reader.read(after=READ_EVERY_SECONDS))


def test_a_file_that_is_none_stops_the_start(tmp_path: Path) -> None:
    """The message names it and quotes nothing."""
    (tmp_path / "ca.crt").write_bytes(b"junk")
    with pytest.raises(InvalidCertificate) as problem:
        TrustFileBundle(tmp_path / "ca.crt")

    assert f"{tmp_path / 'ca.crt'}: no certificates in PEM" == str(problem.value)
