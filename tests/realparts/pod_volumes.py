"""
The volumes of a Pod as folders, made and kept up to date as the kubelet does it.

A projected folder is swapped as a whole: its files are links through `..data`, which is replaced in
one step. Of the kinds of volumes there are those that the chart and the API server put into a Pod;
any other is a `ValueError`.
"""

import base64
import itertools
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Read = Callable[[str], Mapping[str, Any] | None]
"""Returns the object at a path of the API, None where there is none."""


class NotThereError(Exception):
    """A ConfigMap or Secret of a volume does not exist; a kubelet waits for it."""


class PodVolumes:
    """
    All volumes of one Pod, in a folder.

    `token` returns a token of the Pod's service account, for an audience or the API server.
    """

    def __init__(
        self, pod: Mapping[str, Any], folder: Path, *, read: Read, token: Callable[[str], str]
    ) -> None:
        self._namespace = pod["metadata"]["namespace"]
        self._volumes = pod["spec"]["volumes"]
        self._folder = folder
        self._read = read
        self._token = token
        self._tokens: dict[str, str] = {}
        self._written: dict[str, Mapping[str, bytes]] = {}
        self._numbers = itertools.count(1)

    def place(self, name: str) -> Path:
        """Return the folder of a volume."""
        return self._folder / name

    def project(self) -> None:
        """Bring every folder up to date. Raises `NotThereError` before any is written."""
        wanted = {
            volume["name"]: self._files(volume)
            for volume in self._volumes
            if "emptyDir" not in volume
        }
        for volume in self._volumes:
            self.place(volume["name"]).mkdir(parents=True, exist_ok=True)
        for name, files in wanted.items():
            if self._written.get(name) != files:
                _swap(self.place(name), files, version=f"..{next(self._numbers)}")
                self._written[name] = files

    def _files(self, volume: Mapping[str, Any]) -> dict[str, bytes]:
        sources = volume["projected"]["sources"] if "projected" in volume else [volume]
        return {
            path: content for source in sources for path, content in self._of_source(source).items()
        }

    def _of_source(self, source: Mapping[str, Any]) -> dict[str, bytes]:
        if "configMap" in source:
            found = self._object("configmaps", source["configMap"]["name"])
            texts = found.get("data") or {}
            content = {key: text.encode() for key, text in texts.items()}
            return _selected(content, source["configMap"].get("items"))
        if "secret" in source:
            name = source["secret"].get("secretName") or source["secret"]["name"]
            encoded = self._object("secrets", name).get("data") or {}
            content = {key: base64.b64decode(text) for key, text in encoded.items()}
            return _selected(content, source["secret"].get("items"))
        if "serviceAccountToken" in source:
            audience = source["serviceAccountToken"].get("audience", "")
            if audience not in self._tokens:
                self._tokens[audience] = self._token(audience)
            return {source["serviceAccountToken"]["path"]: self._tokens[audience].encode()}
        if "downwardAPI" in source:
            return dict(self._of_pod(item) for item in source["downwardAPI"]["items"])
        raise ValueError(f"a volume of a kind that is not known here: {sorted(source)}")

    def _of_pod(self, item: Mapping[str, Any]) -> tuple[str, bytes]:
        if item["fieldRef"]["fieldPath"] != "metadata.namespace":
            raise ValueError(f"a field of the Pod that is not known here: {item}")
        return item["path"], self._namespace.encode()

    def _object(self, resource: str, name: str) -> Mapping[str, Any]:
        found = self._read(f"/api/v1/namespaces/{self._namespace}/{resource}/{name}")
        if found is None:
            raise NotThereError(f"{resource} {self._namespace}/{name}")
        return found


def _selected(
    content: Mapping[str, bytes], items: Iterable[Mapping[str, str]] | None
) -> dict[str, bytes]:
    if items is None:
        return dict(content)
    missing = [item["key"] for item in items if item["key"] not in content]
    if missing:
        raise NotThereError(f"{', '.join(missing)} of a volume")
    return {item["path"]: content[item["key"]] for item in items}


def _swap(folder: Path, files: Mapping[str, bytes], *, version: str) -> None:
    """Write files beside those that there are, and put them in their place in one step."""
    content, link = folder / version, folder / "..data"
    content.mkdir()
    for name, data in files.items():
        (content / name).write_bytes(data)
    before = link.readlink() if link.is_symlink() else None
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(link)
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in files:
            entry.unlink()
    if before is not None:
        shutil.rmtree(folder / before)
