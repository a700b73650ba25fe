"""Finds the objects with images in files, folders and standard input."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from landwaiter.cli.reports import STDIN, Checked
from landwaiter.errors import InvalidInput, InvalidManifest, InvalidReview
from landwaiter.images.reference import ShortNames
from landwaiter.manifests.documents import Document, read_documents, read_file
from landwaiter.workloads.walker import read_workload

STDIN_MAX_BYTES = 64 * 1024 * 1024
"""What a large Helm chart renders to stays far below; more is a mistake."""
SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def objects_in(
    manifests: Sequence[str], namespace: str, short_names: ShortNames
) -> Iterator[Checked]:
    """
    Give every object that carries images, in order; `-` is standard input.

    `namespace` is that of manifests that name none. Raises `InvalidInput`.
    """
    for manifest in manifests:
        for document in _documents(manifest):
            for described in document.objects():
                yield from _workload(described, namespace, short_names)


def _workload(document: Document, namespace: str, short_names: ShortNames) -> Iterator[Checked]:
    value = document.value
    where = f"{document.source}:{document.line_of()}"
    if not isinstance(value, dict):
        raise InvalidManifest(f"{where}: {type(value).__name__} given, a Kubernetes object wanted")
    metadata = value.get("metadata")
    own = metadata.get("namespace") if isinstance(metadata, dict) else None
    try:
        workload = read_workload(
            value,
            namespace=own if isinstance(own, str) and own else namespace,
            short_names=short_names,
        )
    except InvalidReview as problem:
        raise InvalidManifest(f"{where}: {problem}") from problem
    if workload is not None:
        yield Checked.in_manifest(document, workload)


def _documents(manifest: str) -> Iterator[Document]:
    if manifest == "-":
        content = sys.stdin.buffer.read(STDIN_MAX_BYTES + 1)
        yield from read_documents(content, source=STDIN, limit_bytes=STDIN_MAX_BYTES)
        return
    path = Path(manifest)
    if not path.exists():
        raise InvalidInput(f'"{manifest}" does not exist; a file, a folder or - is wanted')
    # What is no folder is read as a file: a shell gives the output of a command as a pipe.
    for file in _files_below(path) if path.is_dir() else [path]:
        yield from read_file(file)


def _files_below(folder: Path) -> list[Path]:
    files = (
        each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file()
    )
    found = sorted(file for file in files if not _is_hidden(file.relative_to(folder)))
    if not found:
        wanted = ", ".join(sorted(SUFFIXES))
        raise InvalidInput(
            f'"{folder}" holds no manifest; a file that ends with {wanted} is wanted'
        )
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
