"""
Where a Pod can name an image, read from the API server's own OpenAPI v3 document.

`image_places` finds every string of a PodSpec that names an OCI image; `unwalked_places` asks
the walker about each. A newer Kubernetes that lets images in at another place is found by the
second, whatever the place is called, as long as its name or its type speaks of an image.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from landwaiter.workloads.walker import read_workload

POD_SPEC = "io.k8s.api.core.v1.PodSpec"

NOT_OCI_IMAGES = frozenset({"volumes[].rbd.image"})
"""Strings called image that name something else: a block device of a Ceph pool."""

PROBE = "registry.example.com/probe"


def image_places(openapi: Mapping[str, Any]) -> set[str]:
    """Return the places of a PodSpec that name an image, such as `containers[].image`."""
    schemas = openapi["components"]["schemas"]
    found = set(_walk(schemas, schemas[POD_SPEC], "", (POD_SPEC,)))
    return found - NOT_OCI_IMAGES


def unwalked_places(openapi: Mapping[str, Any]) -> set[str]:
    """Return the places at which the walker does not see an image."""
    return {place for place in image_places(openapi) if not _is_walked(place)}


def _walk(
    schemas: Mapping[str, Any], schema: Mapping[str, Any], at: str, types: tuple[str, ...]
) -> Iterator[str]:
    for name, written in schema.get("properties", {}).items():
        field, path, inside = written, f"{at}.{name}" if at else name, types
        while True:
            if reference := _reference(field):
                if reference in inside:
                    break
                inside = (*inside, reference)
                field = schemas[reference]
            elif field.get("type") == "array":
                field, path = field["items"], f"{path}[]"
            elif isinstance(field.get("additionalProperties"), Mapping):
                field, path = field["additionalProperties"], f"{path}{{}}"
            else:
                break
        if field.get("type") == "string" and _names_image(name, types[-1]):
            yield path
        yield from _walk(schemas, field, path, inside)


def _reference(field: Mapping[str, Any]) -> str | None:
    """Return the type that a field refers to; a default makes the reference one of `allOf`."""
    candidates = [field, *field.get("allOf", ())]
    found = [each["$ref"] for each in candidates if "$ref" in each]
    return found[0].rpartition("/")[2] if found else None


def _names_image(field: str, of_type: str) -> bool:
    """Whether a string names an image: by its own name, or as the reference of an image type."""
    type_name = of_type.rpartition(".")[2].lower()
    return field.lower().endswith("image") or (field == "reference" and "image" in type_name)


def _is_walked(place: str) -> bool:
    value: Any = PROBE
    for step in reversed(place.split(".")):
        name = step.rstrip("[]{}")
        wrapped = [value] if step.endswith("[]") else {"key": value} if step != name else value
        value = {name: wrapped}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": value}
    workload = read_workload(pod, namespace="default")
    assert workload is not None
    expected = f"spec.{place.replace('[]', '[0]')}"
    return [(expected, PROBE)] == [(use.place.path, use.place.text) for use in workload.uses]
