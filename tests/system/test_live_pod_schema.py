"""The Pod schema of the running API server has no image place that nobody walks."""

from realparts.control_plane import ControlPlane
from workloads.pod_schema import image_places, unwalked_places


def test_semantics_04_the_live_schema_has_the_four_places_and_no_other(
    control_plane: ControlPlane,
) -> None:
    """What this Kubernetes publishes names exactly the places at which the walker looks."""
    openapi = control_plane.request("GET", "/openapi/v3/api/v1").body

    walked = {
        "containers[].image",
        "initContainers[].image",
        "ephemeralContainers[].image",
        "volumes[].image.reference",
    }
    assert (walked, set()) == (image_places(openapi), unwalked_places(openapi))
