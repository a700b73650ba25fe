"""
A cluster as manifests describe it, for the offline check.

What is not described is not known: it is undecided and never taken for absent, for the real
cluster may well have it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from landwaiter.cluster.decoding import (
    Undecodable,
    decode_config_map,
    decode_namespace,
    decode_secret,
    decode_service_account,
)
from landwaiter.cluster.keys import ObjectKey, Resource
from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, InvalidManifest
from landwaiter.manifests.documents import Document, read_file

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
DEFAULT_NAMESPACE = "default"
"""Where `kubectl apply` puts an object that names no namespace."""

_Value: TypeAlias = Namespace | ServiceAccount | Secret | ConfigMap
_ValueType = TypeVar("_ValueType", Namespace, ServiceAccount, Secret, ConfigMap)
_KINDS: Mapping[str, tuple[Resource, Callable[[Mapping[str, Any]], _Value]]] = {
    "Namespace": (Resource.NAMESPACES, decode_namespace),
    "ServiceAccount": (Resource.SERVICE_ACCOUNTS, decode_service_account),
    "ConfigMap": (Resource.CONFIG_MAPS, decode_config_map),
    "Secret": (Resource.SECRETS, decode_secret),
}


class ClusterState:
    """
    A `ClusterView` of Namespace, ServiceAccount, Secret and ConfigMap manifests.

    Other kinds are skipped. `advice` tells the person what would make it known. Raises
    `InvalidManifest` when one of them is malformed or given twice.
    """

    def __init__(
        self,
        documents: Iterable[Document] = (),
        *,
        advice: str = "give --cluster-state with its manifest",
    ) -> None:
        self._advice = advice
        self._objects: dict[ObjectKey, _Value] = {}
        for document in documents:
            for described in document.objects():
                self._add(described)

    @classmethod
    def read(cls, path: Path) -> "ClusterState":
        """Return what a file, or the YAML and JSON files of a folder, describe."""
        return cls(document for file in _files(path) for document in read_file(file))

    async def get_namespace(
        self,
        name: str,
        *,
        deadline: Deadline,  # noqa: ARG002  # Nothing is waited for here.
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> Namespace | None:
        """Return a namespace. Raises `ClusterUnavailable` when it is not described."""
        return self._known(ObjectKey(Resource.NAMESPACES, "", name), Namespace)

    def known_namespace(self, name: str) -> Namespace | None:
        """Return a namespace, None when it is not described."""
        known = self._objects.get(ObjectKey(Resource.NAMESPACES, "", name))
        return known if isinstance(known, Namespace) else None

    async def get_service_account(
        self,
        namespace: str,
        name: str,
        *,
        deadline: Deadline,  # noqa: ARG002  # Nothing is waited for here.
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> ServiceAccount | None:
        """Return a service account. Raises `ClusterUnavailable` when it is not described."""
        return self._known(ObjectKey(Resource.SERVICE_ACCOUNTS, namespace, name), ServiceAccount)

    async def get_secret(
        self,
        namespace: str,
        name: str,
        *,
        deadline: Deadline,  # noqa: ARG002  # Nothing is waited for here.
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> Secret | None:
        """Return a Secret. Raises `ClusterUnavailable` when it is not described."""
        return self._known(ObjectKey(Resource.SECRETS, namespace, name), Secret)

    async def get_config_map(
        self,
        namespace: str,
        name: str,
        *,
        deadline: Deadline,  # noqa: ARG002  # Nothing is waited for here.
        fresh: bool = False,  # noqa: ARG002  # Nothing changes here.
    ) -> ConfigMap | None:
        """Return a ConfigMap. Raises `ClusterUnavailable` when it is not described."""
        return self._known(ObjectKey(Resource.CONFIG_MAPS, namespace, name), ConfigMap)

    def _known(self, key: ObjectKey, kind: type[_ValueType]) -> _ValueType:
        value = self._objects.get(key)
        if not isinstance(value, kind):
            raise ClusterUnavailable(f"{key} is not known here; {self._advice}")
        return value

    def _add(self, document: Document) -> None:
        content = document.value
        if not isinstance(content, dict) or content.get("apiVersion") != "v1":
            return
        if (known := _KINDS.get(str(content.get("kind")))) is None:
            return
        resource, decode = known
        line = f"{document.source}:{document.line_of()}"
        try:
            value = decode(_in_a_namespace(content))
        except Undecodable as cause:
            raise InvalidManifest(f"{line}: {content['kind']}: {cause}") from cause
        namespace = "" if isinstance(value, Namespace) else value.namespace
        key = ObjectKey(resource, namespace, value.name)
        if key in self._objects:
            raise InvalidManifest(f"{line}: {key} is described twice")
        self._objects[key] = value


def _in_a_namespace(content: dict[str, Any]) -> dict[str, Any]:
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("namespace"):
        return content
    return {**content, "metadata": {**metadata, "namespace": DEFAULT_NAMESPACE}}


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    try:
        entries = sorted(path.iterdir())
    except OSError as cause:
        raise InvalidManifest(f"{path}: cannot be read: {cause.strerror}") from cause
    for entry in entries:
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith("."):
            yield entry
