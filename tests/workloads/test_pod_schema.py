"""A newer Pod schema with an image place that nobody walks is found."""

from typing import Any

from workloads.pod_schema import image_places, unwalked_places

TEXT = {"type": "string"}


def ref(name: str) -> dict[str, Any]:
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}], "default": {}}


def many(name: str) -> dict[str, Any]:
    return {"type": "array", "items": ref(name)}


def an_openapi(**more_of_pod_spec: object) -> dict[str, Any]:
    """Return a document in the form of kube-apiserver's `/openapi/v3/api/v1`, cut down."""
    core = "io.k8s.api.core.v1."
    pod_spec = {
        "containers": many(f"{core}Container"),
        "initContainers": many(f"{core}Container"),
        "ephemeralContainers": many(f"{core}EphemeralContainer"),
        "volumes": many(f"{core}Volume"),
        "serviceAccountName": TEXT,
        "nodeSelector": {"type": "object", "additionalProperties": TEXT},
        **more_of_pod_spec,
    }
    types: dict[str, Any] = {
        "PodSpec": pod_spec,
        "Container": {"image": TEXT, "imagePullPolicy": TEXT, "lifecycle": ref(f"{core}Hook")},
        "EphemeralContainer": {"image": TEXT, "targetContainerName": TEXT},
        "Volume": {
            "image": {"$ref": f"#/components/schemas/{core}ImageVolumeSource"},
            "rbd": ref(f"{core}RBDVolumeSource"),
        },
        "ImageVolumeSource": {"reference": TEXT, "pullPolicy": TEXT},
        "RBDVolumeSource": {"image": TEXT, "pool": TEXT},
        "Hook": {"container": ref(f"{core}Container"), "hooks": many(f"{core}Hook")},
        "Sidecar": {"image": TEXT},
    }
    return {
        "components": {
            "schemas": {
                f"{core}{name}": {"type": "object", "properties": properties}
                for name, properties in types.items()
            }
        }
    }


WALKED = {
    "containers[].image",
    "initContainers[].image",
    "ephemeralContainers[].image",
    "volumes[].image.reference",
}


def test_semantics_04_the_four_places_are_found_and_walked() -> None:
    """The places of today's schema are known, and the walker sees an image at each."""
    openapi = an_openapi()

    assert (WALKED, set()) == (image_places(openapi), unwalked_places(openapi))


def test_semantics_04_a_future_place_is_reported() -> None:
    """A Pod that gains `sidecars[].image` makes the check fail with that path."""
    core = "io.k8s.api.core.v1."
    openapi = an_openapi(
        sidecars=many(f"{core}Sidecar"),
        debug=ref(f"{core}ImageVolumeSource"),
        rootImage=TEXT,
        byName={"type": "object", "additionalProperties": ref(f"{core}Sidecar")},
    )

    assert {
        "sidecars[].image",
        "debug.reference",
        "rootImage",
        "byName{}.image",
    } == unwalked_places(openapi)
