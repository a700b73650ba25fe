"""
The documents of a file or text, and the objects of a `List`.

JSON is read as YAML, of which it is a part but for one thing: characters written as surrogate
pairs, which are rewritten first where the text begins as JSON does.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landwaiter.errors import InvalidManifest
from landwaiter.manifests.tree import Node, TreeBuilder

FILE_MAX_BYTES = 64 * 1024 * 1024
"""What is read of one file unless the caller says less; it bounds memory, not what is usual."""

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file, or one item of a `List` in it; `source` names the file."""

    source: str
    _node: Node = field(repr=False)

    @property
    def value(self) -> Any:  # noqa: ANN401  # A document can hold anything.
        """The document as dictionaries, lists and scalars, built anew by each call."""
        return self._node.plain()

    def line_of(self, path: Sequence[str | int] = ()) -> int:
        """Return the line of a value, or of the nearest thing around it that exists."""
        node = self._node
        for step in path:
            if (below := node.child(step)) is None:
                break
            node = below
        return node.line

    def part(self, path: Sequence[str | int]) -> "Document":
        """Return what stands at a path as a document of its own. Raises `KeyError`."""
        node = self._node
        for step in path:
            if (below := node.child(step)) is None:
                raise KeyError(path)
            node = below
        return Document(self.source, node)

    def objects(self) -> "Iterator[Document]":
        """Give the objects in a `List` one by one, and any other object as it is."""
        kind, items = self._node.child("kind"), self._node.child("items")
        is_list = kind is not None and str(kind.content).endswith("List")
        if not (is_list and items is not None and isinstance(items.content, list)):
            yield self
            return
        for item in items.content:
            yield from Document(self.source, item).objects()


def steps_of(json_path: str) -> tuple[str | int, ...]:
    """Return the steps of a path such as `spec.containers[0].image`."""
    return tuple(int(index) if index else key for index, key in _STEP.findall(json_path))


def read_file(path: Path, *, limit_bytes: int = FILE_MAX_BYTES) -> tuple[Document, ...]:
    """Return the documents in a file. Raises `InvalidManifest`."""
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as cause:
        raise InvalidManifest(f"{path}: cannot be read: {cause.strerror}") from cause
    return read_documents(content, source=str(path), limit_bytes=limit_bytes)


def read_documents(
    content: bytes, *, source: str, limit_bytes: int = FILE_MAX_BYTES
) -> tuple[Document, ...]:
    """
    Return the documents in a text that are not empty, in their order.

    Raises `InvalidManifest`, whose message begins with the source and the line.
    """
    if len(content) > limit_bytes:
        raise InvalidManifest(f"{source}: over {limit_bytes} bytes given, less is wanted")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        raise InvalidManifest(f"{source}:{line}: not UTF-8, which is wanted") from cause
    if text.lstrip().startswith(("{", "[")):
        text = _SURROGATES.sub(_one_character, text)
    return tuple(Document(source, node) for node in TreeBuilder(source).documents(text))


def _one_character(pair: re.Match[str]) -> str:
    """Write a JSON surrogate pair as the one escape that YAML knows for its character."""
    high, low = int(pair[2], 16), int(pair[3], 16)
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"
