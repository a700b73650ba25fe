"""A folder of policies at one time, and packed for new replicas."""

import base64
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landwaiter.errors import InvalidPolicy
from landwaiter.policy import snapshot as snapshot_module
from landwaiter.policy.snapshot import FolderSnapshot


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_mounted_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    """Names are those that policies use; the kubelet's own folders behind dots are not."""
    real = written(tmp_path / "..2026", policy="p", keys__ci="k")
    (tmp_path / "..data").symlink_to(real)
    (tmp_path / "policy").symlink_to("..data/policy")
    (tmp_path / "keys").symlink_to("..data/keys")

    assert {"policy": b"p", "keys/ci": b"k"} == dict(FolderSnapshot.read(tmp_path).files)


def test_links_in_circles_end(tmp_path: Path) -> None:
    """A folder in itself is read to a depth, and no further."""
    (tmp_path / "again").symlink_to(tmp_path)
    written(tmp_path, policy="p")

    assert "policy" in FolderSnapshot.read(tmp_path).files


@pytest.mark.parametrize(("bound", "value"), [("FILES_MAX", 1), ("BYTES_MAX", 3)])
def test_more_than_anybody_writes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    """Both numbers are in the message."""
    monkeypatch.setattr(snapshot_module, bound, value)
    written(tmp_path, a="12", b="34")

    with pytest.raises(InvalidPolicy, match="less is wanted"):
        FolderSnapshot.read(tmp_path)


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    """The folder is named."""
    with pytest.raises(InvalidPolicy, match="nowhere: cannot be read: No such file"):
        FolderSnapshot.read(tmp_path / "nowhere")


@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3})?", fullmatch=True), st.binary()))
def test_what_is_packed_comes_back(files: dict[str, bytes]) -> None:
    """Names and contents are the same, and so is the digest."""
    before = FolderSnapshot(files)
    after = FolderSnapshot.unpacked(before.packed())

    assert (before, before.digest) == (after, after.digest)


def test_the_digest_tells_names_and_contents_apart() -> None:
    """Moving a byte from a name to its content is another set."""
    variants = [{"ab": b"c"}, {"a": b"bc"}, {"a": b"b", "c": b""}, {"a": b"", "b": b"c"}, {}]

    assert len(variants) == len({FolderSnapshot(each).digest for each in variants})


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "", "a//b", "./a", "a/.", ".."]
)
def test_no_packed_name_leads_out_of_the_folder(name: str) -> None:
    """Whoever writes the ConfigMap cannot write elsewhere with it."""
    packed = zlib.compress(json.dumps({name: base64.b64encode(b"x").decode()}).encode())

    with pytest.raises(InvalidPolicy, match="a packed set of policies names"):
        FolderSnapshot.unpacked(packed)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no zlib",
        zlib.compress(b"no json"),
        zlib.compress(b"[1]"),
        zlib.compress(b'{"a": 1}'),
        zlib.compress(b'{"a": "!"}'),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b'{"a": "eA=="}')[:-3],
    ],
)
def test_what_was_not_packed_here_is_refused(packed: bytes) -> None:
    """Nothing but the form that `packed` has is taken."""
    with pytest.raises(InvalidPolicy):
        FolderSnapshot.unpacked(packed)


def test_a_bomb_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacking ends at the bound."""
    monkeypatch.setattr(snapshot_module, "UNPACKED_MAX_BYTES", 1000)

    with pytest.raises(InvalidPolicy, match="cut or too large"):
        FolderSnapshot.unpacked(zlib.compress(b" " * 1_000_000))


def test_files_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    """A folder made from a snapshot reads as that snapshot."""
    snapshot = FolderSnapshot({"policy": b"p", "keys/ci": b"k"})
    snapshot.write_to(tmp_path)

    assert snapshot == FolderSnapshot.read(tmp_path)
    assert 0o600 == (tmp_path / "keys" / "ci").stat().st_mode & 0o777
