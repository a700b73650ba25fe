"""
Loads the policies in a folder or in files, all of them or none.

Read are the YAML and JSON files directly in the folder, in the order of their names, each with
one or more documents. Names that begin with a dot are skipped, which is how Kubernetes mounts
ConfigMaps; folders below may hold the files that policies name. Everything that is wrong is
reported at once, one line each: `file:line: field PATH: SEEN given, WANTED wanted`.

A folder without any policy is refused, for it would admit everything and look like it does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from landwaiter.errors import InvalidManifest, InvalidPolicy
from landwaiter.manifests.documents import Document, read_file, steps_of
from landwaiter.policy.matching import Policy
from landwaiter.policy.problems import FieldPath, model_of, sentences, written

SUFFIXES = frozenset({".yaml", ".yml", ".json"})

FILE_MAX_BYTES = 1_048_576
"""What a ConfigMap can hold altogether."""

FILES_MAX = 1000
POLICIES_MAX = 1000
"""Every policy is looked at for every request; 200 are usual for a large company."""

PROBLEMS_MAX = 100
"""Lines of one report, so that a file of another kind does not fill the log."""


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy, and the document that it was loaded from."""

    policy: Policy
    document: Document

    def place_of(self, path: FieldPath) -> str:
        """Return `file:line` of a field, or of the nearest thing around it."""
        return f"{self.document.source}:{self.document.line_of(path)}"


def load_policies(folder: Path) -> tuple[Policy, ...]:
    """Return the policies of a folder. Raises `InvalidPolicy` with all that is wrong."""
    return tuple(each.policy for each in _load_all(_files(folder), str(folder)))


def load_documents(*paths: Path) -> tuple[LoadedPolicy, ...]:
    """
    Return the policies of files and folders, as one set, with their documents.

    Raises `InvalidPolicy` with all that is wrong.
    """
    files = [file for path in paths for file in ([path] if path.is_file() else _files(path))]
    return _load_all(files, ", ".join(map(str, paths)))


def _load_all(files: Sequence[Path], where: str) -> tuple[LoadedPolicy, ...]:
    loaded: list[LoadedPolicy] = []
    problems: list[str] = []
    for file in files:
        try:
            documents = read_file(file, limit_bytes=FILE_MAX_BYTES)
        except InvalidManifest as problem:
            problems.append(str(problem))
            continue
        for document in (each for one in documents for each in one.objects()):
            outcome = _load(document, file.parent)
            if isinstance(outcome, Policy):
                loaded.append(LoadedPolicy(outcome, document))
            else:
                problems.extend(outcome)
    problems.extend(_named_twice(loaded))
    if problems:
        raise InvalidPolicy("\n".join(_bounded(problems)))
    if not loaded:
        raise InvalidPolicy(f"{where}: no policy given, at least one is wanted")
    if len(loaded) > POLICIES_MAX:
        raise InvalidPolicy(f"{where}: {len(loaded)} policies given, at most {POLICIES_MAX} wanted")
    return tuple(loaded)


def _files(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as cause:
        raise InvalidPolicy(f"{folder}: cannot be read as a folder: {cause.strerror}") from cause
    files = [
        entry
        for entry in entries
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".")
    ]
    if len(files) > FILES_MAX:
        raise InvalidPolicy(f"{folder}: {len(files)} files given, at most {FILES_MAX} wanted")
    if irregular := [file for file in files if file.exists() and not file.is_file()]:
        raise InvalidPolicy(f"{irregular[0]}: not a file, which is wanted")
    return files


def _load(document: Document, folder: Path) -> Policy | list[str]:
    """Return the policy in a document, or all that is wrong with it."""
    model = model_of(document.value)
    if isinstance(model, list):
        return [_line(document, path, text) for path, text in model]
    try:
        return model.model_validate(document.value).policy(folder)
    except ValidationError as failure:
        return [_line(document, path, text) for path, text in sentences(model, failure)]
    except InvalidPolicy as problem:
        field, _, text = str(problem).partition(": ")
        return [_line(document, steps_of(field), text)]


def _line(document: Document, path: FieldPath, text: str) -> str:
    place = f"{document.source}:{document.line_of(path)}"
    return f"{place}: field {written(path)}: {text}" if path else f"{place}: {text}"


def _named_twice(loaded: list[LoadedPolicy]) -> Iterator[str]:
    first: dict[str, str] = {}
    for each in loaded:
        name, place = each.policy.name, each.place_of(("metadata", "name"))
        if name in first:
            yield (
                f'{place}: field metadata.name: "{name}" given, '
                f"but {first[name]} has it too; a name of its own wanted"
            )
        first.setdefault(name, place)


def _bounded(problems: list[str]) -> list[str]:
    left_out = len(problems) - PROBLEMS_MAX
    if left_out <= 0:
        return problems
    return [*problems[:PROBLEMS_MAX], f"and {left_out} more problems"]
