"""
Loads the policies in a folder or in files, all of them or none.

Read are the YAML and JSON files directly in the folder, in the order of their names, each with
one or more documents. Names that begin with a dot are skipped, which is how Kubernetes mounts
ConfigMaps; folders below may hold the files that policies name. Everything that is wrong is
reported at once, one line each: `file:line: field PATH: SEEN given, WANTED wanted`.

A folder without any policy is refused, for it would admit everything and look like it does not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from landwaiter.errors import InvalidManifest, InvalidPolicy
from landwaiter.manifests.documents import Document, read_file, steps_of
from landwaiter.policy.documents import policy_of
from landwaiter.policy.exception_models import ImagePolicyException
from landwaiter.policy.exceptions import Clock, PolicyException, utc_now
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings
from landwaiter.policy.matching import Policy
from landwaiter.policy.policy_set import PolicySet
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

    @property
    def name(self) -> str:
        """The name that no other policy may have."""
        return self.policy.name

    def place_of(self, path: FieldPath) -> str:
        """Return `file:line` of a field, or of the nearest thing around it."""
        return f"{self.document.source}:{self.document.line_of(path)}"


@dataclass(frozen=True, slots=True)
class LoadedException:
    """An exception, and the document that it was loaded from."""

    exception: PolicyException
    document: Document

    @property
    def name(self) -> str:
        """The name that no other exception may have; a policy may have the same."""
        return self.exception.granted.name

    def place_of(self, path: FieldPath) -> str:
        """Return `file:line` of a field, or of the nearest thing around it."""
        return f"{self.document.source}:{self.document.line_of(path)}"


@dataclass(frozen=True, slots=True)
class LoadedDocuments:
    """All documents that make one set."""

    policies: tuple[LoadedPolicy, ...]
    exceptions: tuple[LoadedException, ...]

    @property
    def policy_set(self) -> PolicySet:
        """Return the set that they make."""
        return PolicySet(
            tuple(each.policy for each in self.policies),
            tuple(each.exception for each in self.exceptions),
        )


def load_policies(
    folder: Path, install: PolicyInstallSettings = DEFAULTS, *, clock: Clock = utc_now
) -> PolicySet:
    """
    Return the policies and exceptions of a folder.

    Raises `InvalidPolicy` with all that is wrong, also with exceptions that the install does not
    allow; those that have ended are not wrong.
    """
    return _loaded(_files(folder), str(folder), install, clock()).policy_set


def load_documents(
    *paths: Path, install: PolicyInstallSettings = DEFAULTS, clock: Clock = utc_now
) -> LoadedDocuments:
    """Return what files and folders hold as one set, with its documents; raises likewise."""
    files = [file for path in paths for file in ([path] if path.is_file() else _files(path))]
    return _loaded(files, ", ".join(map(str, paths)), install, clock())


def _loaded(
    files: Iterable[Path], where: str, install: PolicyInstallSettings, now: datetime
) -> LoadedDocuments:
    loaded, problems = _load_all(files, install, now)
    policies = tuple(each for each in loaded if isinstance(each, LoadedPolicy))
    exceptions = tuple(each for each in loaded if isinstance(each, LoadedException))
    problems += [*_named_twice(policies), *_named_twice(exceptions)]
    if problems:
        raise InvalidPolicy("\n".join(_bounded(problems)))
    if not policies:
        raise InvalidPolicy(f"{where}: no policy given, at least one is wanted")
    for count, what in ((len(policies), "policies"), (len(exceptions), "exceptions")):
        if count > POLICIES_MAX:
            raise InvalidPolicy(f"{where}: {count} {what} given, at most {POLICIES_MAX} wanted")
    return LoadedDocuments(policies, exceptions)


def _load_all(
    files: Iterable[Path], install: PolicyInstallSettings, now: datetime
) -> tuple[list[LoadedPolicy | LoadedException], list[str]]:
    loaded: list[LoadedPolicy | LoadedException] = []
    problems: list[str] = []
    for file in files:
        try:
            documents = read_file(file, limit_bytes=FILE_MAX_BYTES)
        except InvalidManifest as problem:
            problems.append(str(problem))
            continue
        for document in (each for one in documents for each in one.objects()):
            outcome = _load(document, file.parent, install, now)
            if isinstance(outcome, list):
                problems.extend(outcome)
            elif isinstance(outcome, Policy):
                loaded.append(LoadedPolicy(outcome, document))
            else:
                loaded.append(LoadedException(outcome, document))
    return loaded, problems


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


def _load(
    document: Document, folder: Path, install: PolicyInstallSettings, now: datetime
) -> Policy | PolicyException | list[str]:
    """Return the policy or the exception in a document, or all that is wrong with it."""
    model = model_of(document.value)
    if isinstance(model, list):
        return [_line(document, path, text) for path, text in model]
    try:
        loaded = model.model_validate(document.value)
        if isinstance(loaded, ImagePolicyException):
            return loaded.exception(install, now)
        return policy_of(loaded, folder, install)
    except ValidationError as failure:
        return [_line(document, path, text) for path, text in sentences(model, failure)]
    except InvalidPolicy as problem:
        field, _, text = str(problem).partition(": ")
        return [_line(document, steps_of(field), text)]


def _line(document: Document, path: FieldPath, text: str) -> str:
    place = f"{document.source}:{document.line_of(path)}"
    return f"{place}: field {written(path)}: {text}" if path else f"{place}: {text}"


def _named_twice(loaded: Sequence[LoadedPolicy] | Sequence[LoadedException]) -> Iterator[str]:
    first: dict[str, str] = {}
    for each in loaded:
        name, place = each.name, each.place_of(("metadata", "name"))
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
