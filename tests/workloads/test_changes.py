"""What an UPDATE leaves as it was, and what it changes."""

from dataclasses import replace

import pytest

from landwaiter.images.reference import ImageReference
from landwaiter.workloads.changes import READABLE_FIELDS, fields_changed, is_old
from landwaiter.workloads.nodes import NodeSelection
from landwaiter.workloads.values import ImagePlace, ImageUse, UnreadableUse, WindowsUser, Workload

PLACE = ImagePlace("spec.containers[0].image", "app", "a.io/app:1", "Always")


def a_use(place: ImagePlace = PLACE) -> ImageUse:
    return ImageUse(place, ImageReference.parse(place.text))


def a_workload(*uses: ImageUse | UnreadableUse) -> Workload:
    return Workload(
        kind="Pod",
        namespace="shop",
        name="web",
        is_template=False,
        labels={"app": "web"},
        service_account="builder",
        pull_secrets=("one",),
        uses=uses or (a_use(),),
    )


def test_semantics_06_the_same_image_at_the_same_place_is_old() -> None:
    """Place, container name and text are the same: this use is running already."""
    assert is_old(a_use(), a_workload())


@pytest.mark.parametrize(
    "before",
    [
        PLACE._replace(path="spec.containers[1].image"),
        PLACE._replace(path="spec.initContainers[0].image"),
        PLACE._replace(container="other"),
        PLACE._replace(text="a.io/app:2"),
        PLACE._replace(text="A.io/app:1"),
    ],
)
def test_semantics_06_another_place_name_or_text_is_new(before: ImagePlace) -> None:
    """A use that differs in any of the three is judged, also where the references are equal."""
    assert not is_old(a_use(), a_workload(a_use(before)))


def test_semantics_06_an_unreadable_use_can_be_old_too() -> None:
    """A Pod that stands there with such a name can still be updated."""
    use = UnreadableUse(PLACE._replace(text="a b"), "a space")

    assert is_old(use, a_workload(use))


def test_semantics_06_a_placeholder_makes_nothing_old() -> None:
    """What was passed over has never been judged."""
    old = replace(a_workload(a_use(PLACE._replace(path="other"))), placeholders=(PLACE,))

    assert not is_old(a_use(), old)


def test_semantics_06_only_fields_that_are_read_count_as_changes() -> None:
    """A rule that reads nothing has nothing to judge again, whatever else changed."""
    old = replace(a_workload(), labels={}, service_account="x", pull_secrets=(), claims_mirror=True)

    assert not fields_changed(a_use(), a_workload(), old, frozenset())


@pytest.mark.parametrize(
    ("field", "old"),
    [
        ("pull_secrets", replace(a_workload(), pull_secrets=())),
        ("service_account", replace(a_workload(), service_account="other")),
        ("labels", replace(a_workload(), labels={})),
        ("pull_policy", a_workload(a_use(PLACE._replace(pull_policy=None)))),
        ("run_as_user", a_workload(a_use(PLACE._replace(run_as_user=0)))),
        ("run_as_non_root", a_workload(a_use(PLACE._replace(run_as_non_root=False)))),
        ("windows", a_workload(a_use(PLACE._replace(windows=WindowsUser("x"))))),
        (
            "read_only_root_filesystem",
            a_workload(a_use(PLACE._replace(read_only_root_filesystem=False))),
        ),
        ("nodes", a_workload(a_use(PLACE._replace(nodes=NodeSelection(()))))),
    ],
)
def test_semantics_06_a_field_that_a_rule_reads_is_compared(field: str, old: Workload) -> None:
    """A changed field counts for the rules that read it, and for no other."""
    others = READABLE_FIELDS - {field, "uses"}
    compared = [
        fields_changed(a_use(), a_workload(), old, reads) for reads in (frozenset({field}), others)
    ]

    assert [True, False] == compared


def test_semantics_06_the_pull_policy_of_another_use_is_of_no_account() -> None:
    """Fields of a place are compared at the same place only."""
    other = PLACE._replace(path="spec.containers[1].image")
    old = a_workload(a_use(), a_use(other))
    new = a_workload(a_use(), a_use(other._replace(pull_policy="Never")))

    assert not fields_changed(new.uses[0], new, old, frozenset({"pull_policy"}))


def test_semantics_06_a_new_use_has_changed_whatever_is_read() -> None:
    """Asking about a use that is not old cannot lift a check."""
    old = a_workload(a_use(PLACE._replace(text="a.io/app:2")))

    assert fields_changed(a_use(), a_workload(), old, frozenset())


def test_the_fields_that_a_rule_may_read_are_those_of_the_values() -> None:
    """A name that no workload has is found when the catalogue is made."""
    assert {
        "kind",
        "namespace",
        "name",
        "is_template",
        "labels",
        "service_account",
        "pull_secrets",
        "uses",
        "placeholders",
        "claims_mirror",
        "path",
        "container",
        "text",
        "pull_policy",
        "role",
        "run_as_user",
        "run_as_non_root",
        "windows",
        "read_only_root_filesystem",
        "nodes",
    } == READABLE_FIELDS
