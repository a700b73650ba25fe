"""What can be verified, for the tests of this room."""

from cosign.fakes import an_image
from landwaiter.inventory.verifications import Verification


def a_verification(
    name: str = "a", *, fingerprint: str = "f", wanted: str = "Index"
) -> Verification:
    return Verification(an_image(f"r.example.com/{name}"), fingerprint, wanted)
