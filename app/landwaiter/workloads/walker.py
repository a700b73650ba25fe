"""
Finds every image use of an object: the one walker that everything else relies on.

Four places carry images: image volumes, init containers, containers and ephemeral containers.
Uses are given in this order, that of Kubernetes' PodSpec, each list in its own order. Kinds are
told by API group and kind, whatever the version.

In a template an image that is blank, missing or `auto` is a placeholder, which a mutating webhook
fills in the Pod. In a Pod there are none: a blank image is unreadable, and `auto` is a name.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError

from landwaiter.errors import InvalidReference, InvalidReview
from landwaiter.images.reference import (
    TEXT_MAX_CHARACTERS,
    ImageReference,
    ShortNames,
    quoted,
)
from landwaiter.workloads.malformed import malformed
from landwaiter.workloads.node_reading import read_nodes
from landwaiter.workloads.nodes import NodeSelection
from landwaiter.workloads.podspec import (
    IMAGES_MAX,
    ITEMS_MAX,
    Container,
    Metadata,
    Pod,
    PodSpec,
    SecurityContext,
    WindowsOptions,
)
from landwaiter.workloads.values import (
    ImagePlace,
    ImageRole,
    ImageUse,
    UnreadableUse,
    WindowsUser,
    Workload,
)

Said = TypeVar("Said", bool, str)

REFERENCES_MAX: Final = 8_192
"""Parsed references that are kept, of the texts used last; about 1 kB each, 3 kB at most."""

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"

TEMPLATE_OF: Final[Mapping[tuple[str, str], tuple[str, ...]]] = MappingProxyType(
    {
        ("", "Pod"): (),
        ("", "PodTemplate"): ("template",),
        ("", "ReplicationController"): ("spec", "template"),
        ("apps", "DaemonSet"): ("spec", "template"),
        ("apps", "Deployment"): ("spec", "template"),
        ("apps", "ReplicaSet"): ("spec", "template"),
        ("apps", "StatefulSet"): ("spec", "template"),
        ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
        ("batch", "Job"): ("spec", "template"),
    }
)
"""Where the Pod template stands in each kind that has one, by API group and kind."""

_CONTAINER_LISTS: Final = (
    ("initContainers", "init_containers", ImageRole.INIT_CONTAINER),
    ("containers", "containers", ImageRole.CONTAINER),
    ("ephemeralContainers", "ephemeral_containers", ImageRole.EPHEMERAL_CONTAINER),
)
_PLACEHOLDER: Final = "auto"
_SAYS_NOTHING: Final = SecurityContext()
_NO_WINDOWS_OPTIONS: Final = WindowsOptions()
_NO_METADATA: Final = Metadata()
_PLAIN_STEP: Final = re.compile(r"[A-Za-z]{1,64}")
_WANTED: Final = MappingProxyType(
    {
        "string_type": "a string",
        "list_type": "a list",
        "int_type": "a whole number",
        "bool_type": "true or false",
        "too_long": f"a list of at most {ITEMS_MAX}",
        "dict_type": "an object",
        "model_type": "an object",
        "missing": "an object",
    }
)


def read_workload(
    obj: Mapping[str, Any], *, namespace: str, short_names: ShortNames = ShortNames.DOCKER_HUB
) -> Workload | None:
    """
    Return what there is to judge in an object, None for a kind that carries no image.

    `namespace` is that of the request; what the object says of its own is not read. Raises
    `InvalidReview`, which names the JSON path, when a field does not have its type or there are
    more images than are judged.
    """
    kind = _text_at(obj, "kind")
    group = _text_at(obj, "apiVersion").rpartition("/")[0]
    steps = TEMPLATE_OF.get((group, kind))
    if steps is None:
        return None
    pod = _pod_at(obj, steps)
    name = _name(obj) if steps else _metadata(pod).name or ""
    return _workload(pod, Kind(kind, steps, name), namespace, short_names)


def workload_of_pod(
    pod: Pod, *, namespace: str, short_names: ShortNames = ShortNames.DOCKER_HUB
) -> Workload:
    """Return what there is to judge in a Pod; as `read_workload` does."""
    return _workload(pod, Kind("Pod", (), _metadata(pod).name or ""), namespace, short_names)


class Kind(NamedTuple):
    """What an object is, the steps to the Pod template in it, none in a Pod, and its name."""

    name: str
    steps: tuple[str, ...]
    object_name: str


def _workload(pod: Pod, kind: Kind, namespace: str, short_names: ShortNames) -> Workload:
    steps = kind.steps
    written: list[ImagePlace] = []
    placeholders: list[ImagePlace] = []
    at = ".".join((*steps, "spec"))
    for place in _places(pod.spec, at, read_nodes(pod.spec, at)):
        (placeholders if steps and _is_placeholder(place.text) else written).append(place)
        if len(written) + len(placeholders) > IMAGES_MAX:
            wanted = f"wanted at most {IMAGES_MAX}"
            raise InvalidReview(f"{at}: seen over {IMAGES_MAX} images, {wanted}")
    metadata = _metadata(pod)
    return Workload(
        kind=kind.name,
        namespace=namespace,
        name=kind.object_name,
        is_template=bool(steps),
        labels=_labels(metadata, steps),
        service_account=pod.spec.service_account_name or pod.spec.service_account or "",
        # A secret without name stays: the Pod then has a list, and its account's is not used.
        pull_secrets=tuple(each.name or "" for each in pod.spec.image_pull_secrets or ()),
        uses=tuple(_use(each, short_names) for each in written),
        placeholders=tuple(placeholders),
        claims_mirror=not steps and MIRROR_ANNOTATION in (metadata.annotations or {}),
    )


def is_mirror_pod(pod: Pod | Mapping[str, Any]) -> bool:
    """Return whether a Pod says that it stands for a static one; it need not be readable."""
    if isinstance(pod, Pod):
        return MIRROR_ANNOTATION in (_metadata(pod).annotations or {})
    metadata = pod.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return isinstance(annotations, Mapping) and MIRROR_ANNOTATION in annotations


def _metadata(pod: Pod) -> Metadata:
    return pod.metadata or _NO_METADATA


def _labels(metadata: Metadata, steps: tuple[str, ...]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for key, value in (metadata.labels or {}).items():
        if value is not None and not isinstance(value, str):
            path = ".".join((*steps, "metadata.labels"))
            raise malformed(f"{path}[{quoted(key)}]", value, "a string")
        labels[key] = value or ""
    return labels


def _places(spec: PodSpec, at: str, nodes: NodeSelection) -> Iterator[ImagePlace]:
    for index, volume in enumerate(spec.volumes or ()):
        if (source := volume.image) is not None:
            yield ImagePlace(
                path=f"{at}.volumes[{index}].image.reference",
                container=volume.name or "",
                text=source.reference or "",
                pull_policy=source.pull_policy or None,
                role=ImageRole.VOLUME,
                nodes=nodes,
            )
    of_pod = spec.security_context or _SAYS_NOTHING
    pods_windows = of_pod.windows_options
    for field, attribute, role in _CONTAINER_LISTS:
        containers: list[Container] | None = getattr(spec, attribute)
        for index, container in enumerate(containers or ()):
            own = container.security_context or _SAYS_NOTHING
            user, non_root, windows = own.run_as_user, own.run_as_non_root, own.windows_options
            yield ImagePlace(
                path=f"{at}.{field}[{index}].image",
                container=container.name or "",
                text=container.image or "",
                pull_policy=container.image_pull_policy or None,
                role=role,
                # What a container does not say its Pod does, as the kubelet has it.
                run_as_user=of_pod.run_as_user if user is None else user,
                run_as_non_root=of_pod.run_as_non_root if non_root is None else non_root,
                windows=(
                    None
                    if windows is None and pods_windows is None
                    else _windows_user(windows, pods_windows)
                ),
                read_only_root_filesystem=own.read_only_root_filesystem,
                nodes=nodes,
            )


def _windows_user(own: WindowsOptions | None, of_pod: WindowsOptions | None) -> WindowsUser:
    own, of_pod = own or _NO_WINDOWS_OPTIONS, of_pod or _NO_WINDOWS_OPTIONS
    return WindowsUser(
        _first_said(own.run_as_user_name, of_pod.run_as_user_name),
        _first_said(own.host_process, of_pod.host_process),
    )


def _first_said(own: Said | None, of_pod: Said | None) -> Said | None:
    """Return a container's own setting, and its Pod's where it has none, as the kubelet does."""
    return of_pod if own is None else own


def _is_placeholder(text: str) -> bool:
    return text == _PLACEHOLDER or not text.strip()


def _use(place: ImagePlace, short_names: ShortNames) -> ImageUse | UnreadableUse:
    try:
        return ImageUse(place, _reference(place.text, short_names))
    except InvalidReference as problem:
        return UnreadableUse(place, str(problem))


def _reference(text: str, short_names: ShortNames) -> ImageReference:
    """Return what a text means; what is too long to be any name is not remembered."""
    if len(text) > TEXT_MAX_CHARACTERS:
        return ImageReference.parse(text, short_names=short_names)
    return _known_reference(text, short_names)


@lru_cache(maxsize=REFERENCES_MAX)
def _known_reference(text: str, short_names: ShortNames) -> ImageReference:
    return ImageReference.parse(text, short_names=short_names)


def _pod_at(obj: Mapping[str, Any], steps: tuple[str, ...]) -> Pod:
    found: object = obj
    for depth, step in enumerate(steps, start=1):
        found = found.get(step) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise malformed(".".join(steps[:depth]), found, "an object")
    try:
        return Pod.model_validate(found)
    except ValidationError as problem:
        raise _of_first(problem, steps) from problem


def _name(obj: Mapping[str, Any]) -> str:
    """Return the name of an object that holds a template; empty with `generateName`."""
    if (metadata := obj.get("metadata")) is None:
        return ""
    try:
        return Metadata.model_validate(metadata).name or ""
    except ValidationError as problem:
        raise _of_first(problem, ("metadata",)) from problem


def _text_at(obj: Mapping[str, Any], field: str) -> str:
    value = obj.get(field)
    if not isinstance(value, str):
        raise malformed(field, value, "a string")
    return value


def _of_first(problem: ValidationError, prefix: tuple[str, ...]) -> InvalidReview:
    error = problem.errors(include_url=False)[0]
    path = ".".join(prefix)
    for step in error["loc"]:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_STEP.fullmatch(step):
            path += f".{step}" if path else step
        else:
            path += f"[{quoted(step)}]"
    wanted = _WANTED.get(error["type"], error["msg"])
    return malformed(path, None if error["type"] == "missing" else error["input"], wanted)
