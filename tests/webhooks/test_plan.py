"""What is done about the object, given what there is and what should be."""

from landwaiter.webhooks.plan import Create, Delete, Replace, step_to
from webhooks.objects import BOTH, OBSERVE, an_object, stored


def test_nothing_is_done_where_all_is_as_it_should_be() -> None:
    """With an object, and without one."""
    assert [None, None, None] == [
        step_to(stored(an_object()), an_object()),
        step_to(None, None),
        step_to(None, an_object([])),
    ]


def test_a_missing_object_is_made() -> None:
    """As it should be."""
    assert Create(an_object()) == step_to(None, an_object())


def test_an_object_that_nobody_wants_is_deleted() -> None:
    """That very object and no other of its name."""
    live = stored(an_object())

    assert [Delete("uid-1")] * 2 == [step_to(live, None), step_to(live, an_object([]))]


def test_one_that_differs_is_written_over_its_version() -> None:
    """Labels and annotations of others stay, and so does all that the API server keeps."""
    live = stored(an_object([OBSERVE]), version="12")
    live["metadata"]["labels"]["team"] = "a"
    live["metadata"]["annotations"]["admissions.enforcer/disabled"] = "false"
    step = step_to(live, an_object(BOTH))
    wanted = an_object(BOTH)
    metadata = {
        **wanted["metadata"],
        "labels": {"app.kubernetes.io/managed-by": "landwaiter", "team": "a"},
        "uid": "uid-1",
        "resourceVersion": "12",
    }

    assert (
        Replace(
            {**wanted, "metadata": metadata},
            ("metadata.annotations", "validate.landwaiter.dev: missing"),
        )
        == step
    )
