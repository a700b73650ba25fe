"""Every examination there is, one line each."""

from landwaiter.doctor import memory, namespaces, neighbours, outside, rights, webhook
from landwaiter.doctor.findings import Diagnosis, Severity
from landwaiter.doctor.picture import Picture

EXAMINATIONS = (
    rights.examine,
    webhook.examine,
    namespaces.examine,
    neighbours.examine,
    outside.examine,
    memory.examine,
)


def diagnose(picture: Picture) -> Diagnosis:
    """Return what all examinations find, problems before advice."""
    found = [finding for examine in EXAMINATIONS for finding in examine(picture)]
    problems = [each for each in found if each.severity is Severity.PROBLEM]
    advice = [each for each in found if each.severity is not Severity.PROBLEM]
    return Diagnosis((*problems, *advice), picture.unknown)
