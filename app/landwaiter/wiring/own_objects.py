"""What Landwaiter keeps in its own namespace: the Secret of its certificate, and who owns it."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final

from landwaiter.cluster.following import Watched, WatchSource
from landwaiter.cluster.listing import Content
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource
from landwaiter.cluster.watching import Watch
from landwaiter.errors import ClusterUnavailable
from landwaiter.tls.keeper import SecretVersion

SECRETS: Final = ApiResource("", "v1", "secrets")
ROLES: Final = ApiResource("rbac.authorization.k8s.io", "v1", "roles")


class OwningRole:
    """
    The Role of the install in its own namespace, with which goes what is made there.

    Without it, or without the right to read it, what is made belongs to nobody and stays. Once it
    is known it owns whatever this process makes: of an install that is being removed the Role can
    go before the last process does, and what belongs to a Role that has gone is collected.
    """

    def __init__(self, objects: ClusterObjects, *, namespace: str, name: str) -> None:
        self._objects = objects
        self._namespace = namespace
        self._name = name
        self._known: list[dict[str, Any]] = []

    async def references(self) -> list[dict[str, Any]]:
        """Return the ownerReferences to give to an object."""
        try:
            role = await self._objects.get(ROLES, self._name, namespace=self._namespace)
        except ClusterUnavailable:
            return self._known
        if role is not None:
            self._known = [
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "Role",
                    "name": self._name,
                    "uid": role["metadata"]["uid"],
                }
            ]
        return self._known

    def learn(self, references: list[dict[str, Any]]) -> None:
        """Take what an object of the install belongs to, where nothing is known by itself."""
        self._known = self._known or references


class ClusterSecret:
    """
    One Secret, watched; a `SecretStore` of the certificate's keeper.

    Its content is in no message: requests about Secrets are named, and answers are not quoted.
    """

    def __init__(
        self,
        source: WatchSource,
        objects: ClusterObjects,
        owner: OwningRole,
        *,
        namespace: str,
        name: str,
        changed: Callable[[], None],
    ) -> None:
        self._objects = objects
        self._owner = owner
        self.namespace = namespace
        self.name = name
        self._changed = changed
        self._written: Content | None = None
        watched = Watched(SECRETS, lambda content: content, namespace, name)
        self._watch = Watch(source, watched, changed=self._note)

    def start(self) -> None:
        """Begin to watch."""
        self._watch.start()

    async def close(self) -> None:
        """End the watch."""
        await self._watch.close()

    def problem(self) -> str | None:
        """Return why it is not known what is there, None where it is."""
        if self._watch.is_synced:
            return None
        return "Landwaiter may not list it" if self._watch.is_refused else "not read yet"

    def latest(self) -> SecretVersion | None:
        """Return what is there, or was written here and not heard of yet; None for nothing."""
        content = self._written or self._watch.values.get((self.namespace, self.name))
        return None if content is None else SecretVersion(_entries(content), content)

    async def write(self, entries: Mapping[str, bytes], over: SecretVersion | None) -> None:
        """Write over a version, or where there is none. Raises `ClusterUnavailable`."""
        data = {key: base64.b64encode(value).decode() for key, value in entries.items()}
        owners = await self._owner.references()
        if over is None:
            named = {"name": self.name, "namespace": self.namespace}
            content = {"metadata": {**named, "ownerReferences": owners}, "data": data}
            self._written = await self._objects.create(SECRETS, content)
        else:
            metadata = {**over.token["metadata"], **({"ownerReferences": owners} if owners else {})}
            content = {**over.token, "metadata": metadata, "data": data}
            self._written = await self._objects.replace(SECRETS, content)

    def _note(self) -> None:
        self._written = None
        if (heard := self._watch.values.get((self.namespace, self.name))) is not None:
            self._owner.learn(heard["metadata"].get("ownerReferences") or [])
        self._changed()

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.name}"


def _entries(content: Content) -> dict[str, bytes]:
    """Return the decoded entries; one that is no base64 is left out, and so is missed."""
    data = content.get("data")
    entries: dict[str, bytes] = {}
    for key, text in (data if isinstance(data, dict) else {}).items():
        try:
            entries[key] = base64.b64decode(str(text), validate=True)
        except (binascii.Error, ValueError):
            continue
    return entries
