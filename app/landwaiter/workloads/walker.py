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
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from landwaiter.errors import InvalidReference, InvalidReview
from landwaiter.images.reference import ImageReference, ShortNames, quoted
from landwaiter.workloads.podspec import ITEMS_MAX, Container, Metadata, Pod, PodSpec
from landwaiter.workloads.values import (
    ImagePlace,
    ImageRole,
    ImageUse,
    UnreadableUse,
    Workload,
)

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
_PLAIN_STEP: Final = re.compile(r"[A-Za-z]{1,64}")
_WANTED: Final = MappingProxyType(
    {
        "string_type": "a string",
        "list_type": "a list",
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
    `InvalidReview`, which names the JSON path, when a field does not have its type.
    """
    kind = _text_at(obj, "kind")
    group = _text_at(obj, "apiVersion").rpartition("/")[0]
    steps = TEMPLATE_OF.get((group, kind))
    if steps is None:
        return None
    pod = _pod_at(obj, steps)
    written: list[ImagePlace] = []
    placeholders: list[ImagePlace] = []
    for place in _places(pod.spec, ".".join((*steps, "spec"))):
        (placeholders if steps and _is_placeholder(place.text) else written).append(place)
    metadata = pod.metadata or Metadata()
    return Workload(
        kind=kind,
        namespace=namespace,
        name=_name(obj) if steps else metadata.name or "",
        is_template=bool(steps),
        labels=_labels(metadata, steps),
        service_account=pod.spec.service_account_name or pod.spec.service_account or "",
        # A secret without name stays: the Pod then has a list, and its account's is not used.
        pull_secrets=tuple(each.name or "" for each in pod.spec.image_pull_secrets or ()),
        uses=tuple(_use(each, short_names) for each in written),
        placeholders=tuple(placeholders),
        claims_mirror=not steps and MIRROR_ANNOTATION in (metadata.annotations or {}),
    )


def _labels(metadata: Metadata, steps: tuple[str, ...]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for key, value in (metadata.labels or {}).items():
        if value is not None and not isinstance(value, str):
            path = ".".join((*steps, "metadata.labels"))
            raise _malformed(f"{path}[{quoted(key)}]", value, "a string")
        labels[key] = value or ""
    return labels


def _places(spec: PodSpec, at: str) -> Iterator[ImagePlace]:
    for index, volume in enumerate(spec.volumes or ()):
        if (source := volume.image) is not None:
            path = f"{at}.volumes[{index}].image.reference"
            text = source.reference or ""
            policy = source.pull_policy or None
            yield ImagePlace(path, volume.name or "", text, policy, ImageRole.VOLUME)
    for field, attribute, role in _CONTAINER_LISTS:
        containers: list[Container] | None = getattr(spec, attribute)
        for index, container in enumerate(containers or ()):
            yield ImagePlace(
                f"{at}.{field}[{index}].image",
                container.name or "",
                container.image or "",
                container.image_pull_policy or None,
                role,
            )


def _is_placeholder(text: str) -> bool:
    return text == _PLACEHOLDER or not text.strip()


def _use(place: ImagePlace, short_names: ShortNames) -> ImageUse | UnreadableUse:
    try:
        return ImageUse(place, ImageReference.parse(place.text, short_names=short_names))
    except InvalidReference as problem:
        return UnreadableUse(place, str(problem))


def _pod_at(obj: Mapping[str, Any], steps: tuple[str, ...]) -> Pod:
    found: object = obj
    for depth, step in enumerate(steps, start=1):
        found = found.get(step) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise _malformed(".".join(steps[:depth]), found, "an object")
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
        raise _malformed(field, value, "a string")
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
    return _malformed(path, None if error["type"] == "missing" else error["input"], wanted)


def _malformed(path: str, seen: object, wanted: str) -> InvalidReview:
    return InvalidReview(f"{path}: seen {_shown(seen)}, wanted {wanted}")


def _shown(value: object) -> str:
    """Return a value for people: bounded, and of lists and objects only what they are."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return quoted(value) if isinstance(value, str) else f"{value!r:.80}"
