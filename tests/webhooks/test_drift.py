"""In what an object differs, and who wrote it last."""

from collections.abc import Callable
from typing import Any

import pytest

from landwaiter.webhooks.drift import differences, last_manager
from webhooks.objects import BOTH, OBSERVE, VALIDATE, an_object, stored

Edit = Callable[[dict[str, Any]], object]


def first(content: dict[str, Any]) -> dict[str, Any]:
    webhook: dict[str, Any] = content["webhooks"][0]
    return webhook


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda o: None, ()),
        (lambda o: o["metadata"]["labels"].update(team="a"), ()),
        (lambda o: o["metadata"]["annotations"].update(tool="a"), ()),
        (lambda o: o["metadata"].pop("labels"), ("metadata.labels",)),
        (lambda o: o["metadata"]["annotations"].clear(), ("metadata.annotations",)),
        (lambda o: o["metadata"].update(labels="junk"), ("metadata.labels",)),
        (lambda o: o["metadata"].pop("ownerReferences"), ("metadata.ownerReferences",)),
        (
            lambda o: o["metadata"]["ownerReferences"].append({"uid": "another"}),
            ("metadata.ownerReferences",),
        ),
        (lambda o: first(o)["rules"].pop(), ("observe.landwaiter.dev: rules",)),
        (
            lambda o: first(o)["clientConfig"].update(caBundle="x"),
            ("observe.landwaiter.dev: clientConfig",),
        ),
        (
            lambda o: first(o).update(objectSelector={"matchLabels": {"a": "b"}}, new="field"),
            ("observe.landwaiter.dev: new", "observe.landwaiter.dev: objectSelector"),
        ),
        (lambda o: first(o).pop("matchPolicy"), ("observe.landwaiter.dev: matchPolicy",)),
        (lambda o: o["webhooks"].pop(), ("validate.landwaiter.dev: missing",)),
        (lambda o: o["webhooks"].append({"name": "x"}), ("x: not wanted",)),
        (
            lambda o: o.update(webhooks=None),
            ("observe.landwaiter.dev: missing", "validate.landwaiter.dev: missing"),
        ),
        (
            lambda o: o.update(webhooks="junk"),
            ("observe.landwaiter.dev: missing", "validate.landwaiter.dev: missing"),
        ),
    ],
)
def test_what_differs_is_named(edit: Edit, expected: tuple[str, ...]) -> None:
    """What others add to labels and annotations is none of it."""
    there = stored(an_object())
    edit(there)

    assert expected == differences(there, an_object())


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        ([OBSERVE], BOTH, ("validate.landwaiter.dev: missing",)),
        (BOTH, [VALIDATE], ("observe.landwaiter.dev: not wanted",)),
    ],
)
def test_a_path_more_or_less_is_a_difference(
    there: list[Any], wanted: list[Any], expected: tuple[str, ...]
) -> None:
    """The webhooks are compared by their names."""
    assert expected == differences(stored(an_object(there)), an_object(wanted))


def test_who_wrote_last_is_told() -> None:
    """Besides ourselves; the names are those that the API server notes, cut to be told."""
    managers = [
        {"manager": "kubectl-edit", "time": "2026-11-25T10:00:00Z"},
        {"manager": "landwaiter", "time": "2026-11-25T12:00:00Z"},
        {"manager": "x" * 500, "time": "2026-11-25T11:00:00Z"},
    ]

    assert "x" * 64 == last_manager({"metadata": {"managedFields": managers}}, ours="landwaiter")
    without: tuple[dict[str, Any], ...] = (
        {},
        {"metadata": {}},
        {"metadata": {"managedFields": "junk"}},
    )
    for junk in without:
        assert "somebody" == last_manager(junk, ours="landwaiter")
