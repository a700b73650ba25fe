"""Manifests mean to Landwaiter what they mean to the real kubectl."""

import json
from typing import Any

import pytest

from landwaiter.manifests.documents import read_documents
from landwaiter.manifests.scalars import meaning_of
from realparts.control_plane import ControlPlane

SCALARS = [
    *("no", "On", "y", "N", "nO", "~", "null", "NULL", "true", "TRUE", "tRUE", "<<"),
    *("0755", "0o17", "08", "-0x1F", "+12", "0b11", "-0b11", "1_000", "_1", "+", "."),
    *("1.10", "1.", ".5", "._5", "1e3", "1e+3", "-1.5e-3", "1.27.3", "1e400", "0x", "0_7"),
    *("1:30", "2026-11-23", "2026-11-23T10:00:00Z", "9223372036854775807", "+0755"),
]
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nextra:\n"
STRUCTURES = """\
  base: &base {a: 1, b: [x, no]}
  merged:
    <<: *base
    a: 2
  list: {<<: [*base, {c: 3}]}
  alias: [*base]
  on: key
  10: number
  "10.5": text
  folded: >-
    one
    two
  quoted: "0755"
  tagged: !!str no
"""


def as_kubectl_reads(control_plane: ControlPlane, text: str) -> Any:  # noqa: ANN401  # A document can hold anything.
    shown = control_plane.kubectl(
        "create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", stdin=text
    )
    return json.loads(shown.stdout)["extra"]


def test_plain_scalars_mean_the_same(control_plane: ControlPlane) -> None:
    """Booleans, octal numbers, dates and what only looks like them."""
    text = OBJECT + "".join(f"  - {scalar}\n" for scalar in SCALARS)
    read = as_kubectl_reads(control_plane, text)
    ours = json.loads(json.dumps([meaning_of(scalar) for scalar in SCALARS]))

    assert dict(zip(SCALARS, read, strict=True)) == dict(zip(SCALARS, ours, strict=True))


@pytest.mark.parametrize("end", ["", "---\n"])
def test_structures_mean_the_same(control_plane: ControlPlane, end: str) -> None:
    """Aliases, merge keys, keys that are no text, block scalars."""
    text = OBJECT + STRUCTURES + end
    (document,) = read_documents(text.encode(), source="f.yaml")

    assert as_kubectl_reads(control_plane, text) == document.value["extra"]
