"""What an image says of itself is read in one way, or not at all."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landwaiter.errors import ContentMalformed
from landwaiter.images.configuration import ImageConfiguration, ImageIndex, IndexEntry
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.images.platforms import Platform
from landwaiter.registry.image_documents import (
    CONFIG_MAX_BYTES,
    ENTRIES_MAX,
    MANIFEST_MAX_BYTES,
    ImageManifest,
    is_index,
    read_configuration,
    read_image_manifest,
    read_index,
)
from registry.clients import BOUNDED

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def written(document: object) -> bytes:
    return json.dumps(document).encode()


def a_pointer(media_type: str = IMAGE, digest: str = DIGEST, **more: object) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": 7, **more}


def an_entry(os: str, architecture: str, **more: object) -> dict[str, Any]:
    return a_pointer(platform={"os": os, "architecture": architecture, **more})


def index_of(*entries: object, **more: object) -> bytes:
    return written({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries), **more})


def read_entries(content: bytes) -> tuple[IndexEntry, ...]:
    return read_index(Manifest(INDEX, OTHER, content), "it").entries


def read_config(content: bytes) -> ImageConfiguration:
    return read_configuration(content, DIGEST, (7,), "it")


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [(INDEX, True), (DOCKER_LIST, True), (IMAGE, False), (DOCKER_IMAGE, False)],
)
def test_an_index_is_told_by_its_type(media_type: str, *, expected: bool) -> None:
    """Both families of types have one for lists."""
    assert expected == is_index(Manifest(media_type, DIGEST, b"{}"))


def test_an_index_lists_images_and_no_attestations() -> None:
    """What BuildKit writes for unknown/unknown is left out, whatever it is; order is kept."""
    content = index_of(
        an_entry("linux", "aarch64", variant="v8"),
        an_entry("unknown", "unknown"),
        a_pointer("application/vnd.example", platform={"os": "unknown", "architecture": "unknown"}),
        a_pointer(DOCKER_IMAGE, OTHER),
        a_pointer(digest=OTHER, platform=None),
    )

    assert ImageIndex(
        OTHER,
        (
            IndexEntry(DIGEST, Platform("linux", "arm64")),
            IndexEntry(OTHER, None),
            IndexEntry(OTHER, None),
        ),
    ) == read_index(Manifest(INDEX, OTHER, content), "it")


def test_the_longest_index_is_read() -> None:
    """The bound itself is allowed."""
    assert ENTRIES_MAX == len(read_entries(index_of(*[an_entry("linux", "x")] * ENTRIES_MAX)))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (index_of(), "it lists no image for any platform"),
        (index_of(an_entry("unknown", "unknown")), "it lists no image for any platform"),
        (
            index_of(*[an_entry("linux", "x")] * (ENTRIES_MAX + 1)),
            "it lists 257 manifests, at most 256 are looked at",
        ),
        (written({"manifests": {}}), "it is no image index with a list of manifests"),
        (written({}), "it is no image index with a list of manifests"),
        (index_of("x"), "entry 1 of it is no descriptor"),
        (index_of({"digest": "x"}), "entry 1 of it has no digest of sha256 or sha512"),
        (
            index_of(a_pointer(INDEX, platform={"os": "linux", "architecture": "x"})),
            f"entry 1 of it is of the type {INDEX}; an image is wanted",
        ),
        (
            index_of(a_pointer("application/vnd.example")),
            "entry 1 of it is of the type application/vnd.example; an image is wanted",
        ),
        (index_of(a_pointer(platform=[])), "entry 1 of it has a platform that is no object"),
        (index_of(an_entry("", "")), "entry 1 of it has a platform without names"),
        (index_of(an_entry("linux", "")), 'the platform of entry 1 of it is none: "" is written'),
        (
            index_of(an_entry("linux", "\x1b")),
            'the platform of entry 1 of it is none: "\\u001b" is written',
        ),
        (index_of(an_entry("linux", 5)), "the platform of entry 1 of it is no text"),  # type: ignore[arg-type]  # That is the test.
        (index_of(manifests=[], Manifests=[]), 'it has "manifests" in another spelling'),
        (
            index_of({**a_pointer(), "Platform": {"os": "linux", "architecture": "x"}}),
            'entry 1 of it has "platform" in another spelling',
        ),
        (
            index_of({**a_pointer(), "Digest": OTHER}),
            'entry 1 of it has "digest" in another spelling',
        ),
        (
            index_of(an_entry("linux", "x", OS="windows")),
            'entry 1 of it has "os" in another spelling',
        ),
        (
            b'{"manifests": [], "manifests": []}',
            "it gives a name twice in one object",
        ),
    ],
)
def test_semantics_14_a_malformed_index_is_refused(content: bytes, problem: str) -> None:
    """Also where Go would read it in another way than we do."""
    with pytest.raises(ContentMalformed) as refused:
        read_entries(content)

    assert problem == str(refused.value)


@pytest.mark.parametrize("kind", [CONFIG, "application/vnd.docker.container.image.v1+json"])
def test_an_image_has_a_config_and_layers(kind: str) -> None:
    """The sizes are those that the manifest says, and the runtime holds downloads to."""
    manifest = {"config": a_pointer(kind), "layers": [a_pointer(LAYER), a_pointer(LAYER)]}

    assert ImageManifest(Descriptor(kind, DIGEST, 7), (7, 7)) == read_image_manifest(
        Manifest(IMAGE, OTHER, written(manifest)), "it"
    )


def test_a_docker_image_has_a_config_of_any_type() -> None:
    """CRI-O does not look at the type there, so it might run the image by it."""
    kind = "application/octet-stream"

    assert ImageManifest(Descriptor(kind, DIGEST, 7), ()) == read_image_manifest(
        Manifest(DOCKER_IMAGE, OTHER, written({"config": a_pointer(kind)})), "it"
    )


@pytest.mark.parametrize("layers", [{}, {"layers": None}, {"layers": []}])
def test_an_artifact_has_no_image_configuration(layers: dict[str, Any]) -> None:
    """No runtime runs it, and its config may be anything."""
    manifest = {"config": a_pointer("application/vnd.example.model"), **layers}

    assert ImageManifest(None, ()) == read_image_manifest(
        Manifest(IMAGE, OTHER, written(manifest)), "it"
    )


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "the config of it is no descriptor"),
        ({"config": a_pointer(), "layers": {}}, "it has no list of layers"),
        ({"config": a_pointer(), "layers": [1]}, "layer 1 of it is no descriptor"),
        (
            {"config": a_pointer(), "layers": [{**a_pointer(), "size": -1}]},
            "layer 1 of it has no size in bytes",
        ),
        (
            {"config": a_pointer(), "Config": a_pointer(digest=OTHER)},
            'it has "config" in another spelling',
        ),
        (
            {"config": a_pointer(), "LAYERS": []},
            'it has "layers" in another spelling',
        ),
        (
            {"config": {**a_pointer(), "\u017fize": 1}},
            'the config of it has "size" in another spelling',
        ),
    ],
)
def test_semantics_14_a_malformed_manifest_is_refused(
    document: dict[str, Any], problem: str
) -> None:
    """Also where Go would take another config or other layers."""
    with pytest.raises(ContentMalformed) as refused:
        read_image_manifest(Manifest(IMAGE, OTHER, written(document)), "it")

    assert problem == str(refused.value)


def test_a_configuration_is_read() -> None:
    """User, labels, platform and time, and nothing else."""
    document = {
        "os": "Linux",
        "architecture": "arm",
        "variant": "7",
        "created": "2026-11-24T10:00:00.123456789Z",
        "config": {"User": "1000:0", "Labels": {"a": "b", "A": ""}, "Env": ["X=1"]},
        "container_config": {"User": "0"},
        "rootfs": {"type": "layers", "diff_ids": []},
    }

    assert ImageConfiguration(
        digest=DIGEST,
        platform=Platform("linux", "arm", "v7"),
        user="1000:0",
        labels={"a": "b", "A": ""},
        created=datetime(2026, 11, 24, 10, 0, 0, 123456, tzinfo=UTC),
        layer_sizes=(7,),
    ) == read_config(written(document))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"config": None, "created": None, "os": None},
        {"config": {}, "created": "", "os": "", "architecture": ""},
        {"config": {"User": None, "Labels": None}, "created": "0001-01-01T00:00:00Z"},
    ],
)
def test_what_is_missing_or_null_is_empty(document: dict[str, Any]) -> None:
    """As for Go, which also writes a time that is not known as the year 1."""
    assert ImageConfiguration(DIGEST, None, layer_sizes=(7,)) == read_config(written(document))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[]", "it is no JSON object"),
        (b"{", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b'\xef\xbb\xbf{"os": "linux"}', "it is not JSON"),
        (b'{"a": NaN}', "it is not JSON"),
        (b"{} {}", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (written({"config": []}), "it has a config that is no object"),
        (written({"config": {"User": 0}}), "the user of it is no text"),
        (b'{"config": {"User": "\\ud800"}}', "the user of it is no text"),
        (written({"config": {"Labels": []}}), "it has labels that are no object"),
        (written({"config": {"Labels": {"a": 1}}}), "a label of it is no text"),
        (
            written({"config": {"Labels": dict.fromkeys(map(str, range(1001)), "")}}),
            "it has 1001 labels, at most 1000 are looked at",
        ),
        (written({"created": "yesterday"}), "it has a time of creation that is none"),
        (written({"created": "2026-13-01T00:00:00Z"}), "it has a time of creation that is none"),
        (
            written({"created": "2026-11-24T10:00:00"}),
            "it has a time of creation without offset",
        ),
        (written({"created": 5}), "the time of it is no text"),
        (written({"os": "linux"}), 'the platform of it is none: "" is written'),
        # What Go's encoding/json would take for the user, or for the last of two.
        (
            written({"config": {"User": "1000", "user": "0"}}),
            'it has "User" in another spelling',
        ),
        (written({"config": {"USER": "0"}}), 'it has "User" in another spelling'),
        (written({"config": {"U\u017fER": "0"}}), 'it has "User" in another spelling'),
        (written({"config": {"labels": {}}}), 'it has "Labels" in another spelling'),
        (written({"Config": {"User": "0"}}), 'it has "config" in another spelling'),
        (written({"OS": "windows"}), 'it has "os" in another spelling'),
        (
            b'{"config": {"User": "0"}, "config": {"Labels": {}}}',
            "it gives a name twice in one object",
        ),
        (
            b'{"config": {"User": "1000", "User": "0"}}',
            "it gives a name twice in one object",
        ),
        (
            b'{"config": {"Labels": {"a": "1", "a": "2"}}}',
            "it gives a name twice in one object",
        ),
    ],
)
def test_semantics_14_a_malformed_configuration_is_refused(content: bytes, problem: str) -> None:
    """Also where the node would read another user than we do."""
    with pytest.raises(ContentMalformed) as refused:
        read_config(content)

    assert problem == str(refused.value)


@pytest.mark.parametrize(
    ("read", "limit"),
    [
        (read_entries, MANIFEST_MAX_BYTES),
        (
            lambda content: read_image_manifest(Manifest(IMAGE, OTHER, content), "it"),
            MANIFEST_MAX_BYTES,
        ),
        (read_config, CONFIG_MAX_BYTES),
    ],
)
def test_semantics_14_what_is_larger_than_is_looked_at_is_refused(read: Any, limit: int) -> None:  # noqa: ANN401  # Any of the readers.
    """Nobody waits for a document of megabytes."""
    with pytest.raises(ContentMalformed, match=f"it has {limit + 1} bytes, at most {limit} are"):
        read(b" " * (limit + 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["os", "architecture", "config", "User", "Labels", "user", "created"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@BOUNDED
@given(JSON | st.dictionaries(st.sampled_from(["manifests", "config", "layers", "os"]), JSON))
def test_whatever_is_sent_is_read_or_refused(document: object) -> None:
    """Hostile documents end in a value or in `ContentMalformed`, never in another error."""
    content = written(document)
    for read in (
        lambda: read_entries(content),
        lambda: read_image_manifest(Manifest(IMAGE, OTHER, content), "it"),
        lambda: read_config(content),
    ):
        try:
            read()
        except ContentMalformed:
            continue
