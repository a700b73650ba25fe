"""
The values that rules judge: a workload and the image uses in it.

Those of which there are several in each review are tuples: these are made in half the time of
frozen dataclasses, and compared without a step of Python (ADR 18).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from landwaiter.images.reference import ImageReference
from landwaiter.workloads.nodes import ANY_NODE, NodeSelection


class ImageRole(StrEnum):
    """What an image is for at its place."""

    VOLUME = "image volume"
    INIT_CONTAINER = "init container"
    CONTAINER = "container"
    EPHEMERAL_CONTAINER = "ephemeral container"


@dataclass(frozen=True, slots=True)
class WindowsUser:
    """As whom a container runs on Windows, and whether on the node itself; None where not said."""

    name: str | None = None
    host_process: bool | None = None


class ImagePlace(NamedTuple):
    """
    One place of a workload that names an image, as it was written.

    `path` is the JSON path from the object's root, such as
    `spec.template.spec.initContainers[0].image`; `container` is the name of the container, or of
    the volume for an image volume; `pull_policy` is None where none was written.

    `run_as_user` and `run_as_non_root` are those of the container, else of its Pod, None where
    neither says, and so is `windows`, which counts there; `read_only_root_filesystem` is the
    container's. An image volume has none of these. `nodes` are those that the Pod can run on.
    """

    path: str
    container: str
    text: str
    pull_policy: str | None = None
    role: ImageRole = ImageRole.CONTAINER
    run_as_user: int | None = None
    run_as_non_root: bool | None = None
    windows: WindowsUser | None = None
    read_only_root_filesystem: bool | None = None
    nodes: NodeSelection = ANY_NODE


class ImageUse(NamedTuple):
    """An image place whose text parses."""

    place: ImagePlace
    reference: ImageReference

    def __hash__(self) -> int:
        # Uses that differ in something else are rare; hashing all of it at each look-up is not.
        return hash((self.place.path, self.place.text))

    @property
    def path(self) -> str:
        """The JSON path at which the image is named."""
        return self.place.path


@dataclass(frozen=True, slots=True)
class UnreadableUse:
    """An image place whose text does not parse; `problem` says what is wrong with it."""

    place: ImagePlace
    problem: str


@dataclass(frozen=True, slots=True)
class Workload:
    """
    A Pod, or an object that carries a Pod template.

    `labels` are those that the Pod will carry; `namespace` is the one of the request;
    `name` may be empty (`generateName`). `service_account` is what was written, empty for none;
    `pull_secrets` are the names in `imagePullSecrets`, in order.
    `uses` are all image places in the order of the object; `placeholders` are the places of a
    template that a mutating webhook still has to fill, empty for a Pod. `claims_mirror` is True
    for a Pod with the mirror annotation, which anybody can write: it means nothing unless a node
    is the requester.
    """

    kind: str
    namespace: str
    name: str
    is_template: bool
    labels: Mapping[str, str] = field(hash=False)
    service_account: str
    pull_secrets: tuple[str, ...]
    uses: tuple[ImageUse | UnreadableUse, ...]
    placeholders: tuple[ImagePlace, ...] = ()
    claims_mirror: bool = False
    _by_path: Mapping[str, ImagePlace] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def place_at(self, path: str) -> ImagePlace | None:
        """Return the place of the use at a JSON path, None where there is none."""
        if (by_path := self._by_path) is None:
            by_path = {use.place.path: use.place for use in self.uses}
            object.__setattr__(self, "_by_path", by_path)
        return by_path.get(path)
