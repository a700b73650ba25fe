"""
Policy documents that are objects of the cluster.

An object brings much that is no part of the document (times, owners, who managed which field), so
only its name, its namespace and its spec are read, by the models that read files. Documents stand
and fall one by one: one that does not load leaves the others alone, and the last good one of its
own name in force.

An `ImagePolicyException` is in a namespace, as every object of its kind. Those in Landwaiter's own
namespace are the cluster's, and may lift findings anywhere; whoever may write there could replace
Landwaiter itself. Those of other namespaces need the admin's switch and hold in their own.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from landwaiter.errors import InvalidPolicy
from landwaiter.policy.documents import policy_of
from landwaiter.policy.exception_models import ImagePolicyException
from landwaiter.policy.exceptions import PolicyException
from landwaiter.policy.install import PolicyInstallSettings
from landwaiter.policy.matching import Policy
from landwaiter.policy.models import API_VERSION
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.problems import FieldPath, model_of, sentences, written
from landwaiter.policy.snapshot import FolderSnapshot
from landwaiter.policy.tenants import files_named

PROBLEM_MAX_CHARACTERS: Final = 4000
"""Of everything that is wrong with one document, as its status tells it."""

PER_NAMESPACE_MAX: Final = 20
"""
Of each kind in one namespace: every document is looked at for every request, and whoever runs a
namespace must not slow the others. What is beyond loses only restrictions of their own making.
"""

CLUSTER_MAX: Final = 1000

_NO_FOLDER: Final = Path("/nonexistent")

Loaded: TypeAlias = Policy | PolicyException


@dataclass(frozen=True, slots=True, order=True)
class DocumentName:
    """Which document; `namespace` is empty for one that is in none."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}".replace(" /", " ")


@dataclass(frozen=True, slots=True)
class ClusterDocument:
    """One document of the cluster, as it would stand in a file; `generation` counts its changes."""

    name: DocumentName
    generation: int
    value: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class DocumentState:
    """
    What has become of a document: `problem` is None where it is in force as it stands.

    `loaded` is what is in force of it, or was before it did not load any more; None where nothing
    is.
    """

    document: ClusterDocument
    loaded: Loaded | None = None
    problem: str | None = None


def document_of(kind: str, content: Mapping[str, Any]) -> ClusterDocument:
    """Return the document in an object. Raises `ValueError` for what is none."""
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ValueError("metadata.name: nothing given, a name is wanted")  # noqa: TRY004  # As all fields.
    namespace, generation = metadata.get("namespace", ""), metadata.get("generation", 0)
    named = {"name": metadata["name"], **({"namespace": namespace} if namespace else {})}
    value = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": named,
        "spec": content.get("spec", {}),
    }
    return ClusterDocument(DocumentName(kind, namespace, metadata["name"]), generation, value)


class ClusterDocuments:
    """
    The documents of a cluster, and of each the last one that was good.

    `own_namespace` is Landwaiter's. Not safe for several threads; used in one after the other.
    """

    def __init__(self, install: PolicyInstallSettings, *, own_namespace: str) -> None:
        self._install = install
        self._own_namespace = own_namespace
        self._good: dict[DocumentName, tuple[ClusterDocument, Loaded]] = {}

    def restore(self, snapshot: FolderSnapshot, now: datetime) -> None:
        """Take what was kept as the last good documents; what does not load any more is left."""
        for content in snapshot.files.values():
            document = _unpacked(content)
            loaded = None if document is None else self._load(document, now)
            if document is not None and not isinstance(loaded, list | None):
                self._good[document.name] = (document, loaded)

    def update(
        self, documents: Mapping[DocumentName, ClusterDocument], now: datetime
    ) -> tuple[DocumentState, ...]:
        """Take what stands in the cluster now, and return what has become of each document."""
        for gone in self._good.keys() - documents.keys():
            del self._good[gone]
        count: Counter[tuple[str, str]] = Counter()
        states = []
        for name in sorted(documents):
            count[name.kind, name.namespace] += 1
            is_own = name.namespace in {"", self._own_namespace}
            limit = CLUSTER_MAX if is_own else PER_NAMESPACE_MAX
            if count[name.kind, name.namespace] > limit:
                self._good.pop(name, None)
                problem = f"more than {limit} documents of this kind given here, fewer are wanted"
                states.append(DocumentState(documents[name], None, problem))
            else:
                states.append(self._updated(documents[name], now))
        return tuple(states)

    @property
    def policy_set(self) -> PolicySet:
        """Return what is in force: the last good one of every document that stands there."""
        loaded = [self._good[name][1] for name in sorted(self._good)]
        return PolicySet(
            tuple(each for each in loaded if isinstance(each, Policy)),
            tuple(each for each in loaded if isinstance(each, PolicyException)),
        )

    def snapshot(self) -> FolderSnapshot:
        """Return the last good documents, to be kept."""
        return FolderSnapshot(
            {
                f"{name.kind}/{name.namespace or '-'}/{name.name}.json": _packed(document)
                for name, (document, _) in self._good.items()
            }
        )

    def _updated(self, document: ClusterDocument, now: datetime) -> DocumentState:
        known = self._good.get(document.name)
        if known is not None and known[0].value == document.value:
            self._good[document.name] = (document, known[1])
            return DocumentState(document, known[1])
        loaded = self._load(document, now)
        if isinstance(loaded, list):
            problem = "; ".join(loaded)[:PROBLEM_MAX_CHARACTERS]
            return DocumentState(document, None if known is None else known[1], problem)
        self._good[document.name] = (document, loaded)
        return DocumentState(document, loaded)

    def _load(self, document: ClusterDocument, now: datetime) -> Loaded | list[str]:
        """Return what a document means, or all that is wrong with it."""
        value = self._as_in_a_file(document)
        model = model_of(value)
        if isinstance(model, list):
            return [_sentence(path, text) for path, text in model]
        try:
            read = model.model_validate(value)
            if files := list(files_named(read)):
                return [f"field {path}: a file given, none is wanted here" for path in files]
            if isinstance(read, ImagePolicyException):
                return read.exception(self._install, now)
            return policy_of(read, _NO_FOLDER, self._install)
        except ValidationError as failure:
            return [_sentence(path, text) for path, text in sentences(model, failure)]
        except InvalidPolicy as problem:
            return [f"field {problem}"]

    def _as_in_a_file(self, document: ClusterDocument) -> Mapping[str, Any]:
        name = document.name
        if name.kind != "ImagePolicyException" or name.namespace != self._own_namespace:
            return document.value
        return {**document.value, "metadata": {"name": name.name}}


def _sentence(path: FieldPath, text: str) -> str:
    return f"field {written(path)}: {text}" if path else text


def _packed(document: ClusterDocument) -> bytes:
    packed = {"kind": document.name.kind, "generation": document.generation}
    return json.dumps({**packed, "value": document.value}, sort_keys=True).encode()


def _unpacked(content: bytes) -> ClusterDocument | None:
    try:
        packed = json.loads(content)
        value, generation = packed["value"], packed["generation"]
        with_generation = {**value["metadata"], "generation": generation}
        return document_of(packed["kind"], {**value, "metadata": with_generation})
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


def states_by_kind(states: tuple[DocumentState, ...]) -> Iterator[tuple[str, int, int]]:
    """Give, for each kind, how many documents there are, and how many do not load."""
    for kind in sorted({state.document.name.kind for state in states}):
        of_kind = [state for state in states if state.document.name.kind == kind]
        yield kind, len(of_kind), sum(state.problem is not None for state in of_kind)
