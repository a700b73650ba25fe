"""
Loads the policies in a folder, all of them or none.

Read are the YAML and JSON files directly in the folder, in the order of their names, each with
one or more documents. Names that begin with a dot are skipped, which is how Kubernetes mounts
ConfigMaps; folders below may hold the files that policies name. Everything that is wrong is
reported at once, one line each: `file:line: field PATH: SEEN given, WANTED wanted`.

A folder without any policy is refused, for it would admit everything and look like it does not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from landwaiter.errors import InvalidManifest, InvalidPolicy
from landwaiter.manifests.documents import Document, read_file, steps_of
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
class _Loaded:
    """A policy or an exception, and where it stands."""

    document: Policy | PolicyException
    place: str

    @property
    def is_policy(self) -> bool:
        """Whether it is a policy: an exception may have the same name."""
        return isinstance(self.document, Policy)

    @property
    def name(self) -> str:
        """The name that no other document of its kind may have."""
        if isinstance(self.document, Policy):
            return self.document.name
        return self.document.granted.name


def load_policies(
    folder: Path, install: PolicyInstallSettings = DEFAULTS, *, clock: Clock = utc_now
) -> PolicySet:
    """
    Return the policies and exceptions of a folder.

    Raises `InvalidPolicy` with all that is wrong, also with exceptions that the install does not
    allow; those that have ended are not wrong.
    """
    now = clock()
    loaded: list[_Loaded] = []
    problems: list[str] = []
    for file in _files(folder):
        try:
            documents = read_file(file, limit_bytes=FILE_MAX_BYTES)
        except InvalidManifest as problem:
            problems.append(str(problem))
            continue
        for document in (each for one in documents for each in one.objects()):
            outcome = _load(document, folder, install, now)
            if isinstance(outcome, list):
                problems.extend(outcome)
            else:
                loaded.append(_Loaded(outcome, f"{file}:{document.line_of(['metadata', 'name'])}"))
    policies = [each.document for each in loaded if isinstance(each.document, Policy)]
    exceptions = [each.document for each in loaded if isinstance(each.document, PolicyException)]
    problems.extend(_named_twice((each.name, each.place) for each in loaded if each.is_policy))
    problems.extend(_named_twice((each.name, each.place) for each in loaded if not each.is_policy))
    if problems:
        raise InvalidPolicy("\n".join(_bounded(problems)))
    if not policies:
        raise InvalidPolicy(f"{folder}: no policy given, at least one is wanted")
    for found, what in ((policies, "policies"), (exceptions, "exceptions")):
        if len(found) > POLICIES_MAX:
            raise InvalidPolicy(
                f"{folder}: {len(found)} {what} given, at most {POLICIES_MAX} wanted"
            )
    return PolicySet(tuple(policies), tuple(exceptions))


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
        return loaded.policy(folder)
    except ValidationError as failure:
        return [_line(document, path, text) for path, text in sentences(model, failure)]
    except InvalidPolicy as problem:
        field, _, text = str(problem).partition(": ")
        return [_line(document, steps_of(field), text)]


def _line(document: Document, path: FieldPath, text: str) -> str:
    place = f"{document.source}:{document.line_of(path)}"
    return f"{place}: field {written(path)}: {text}" if path else f"{place}: {text}"


def _named_twice(places: Iterable[tuple[str, str]]) -> Iterator[str]:
    first: dict[str, str] = {}
    for name, place in places:
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
