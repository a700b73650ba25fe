"""
Writes the CustomResourceDefinitions that the chart installs, from the models.

Run this file to write them anew (`make generate`); a test fails when one is out of date.
"""

from pathlib import Path

import yaml

from landwaiter.inventory.records import VERIFIED_IMAGES
from landwaiter.policy.crd import RESOURCE_KINDS, definition_of

FOLDER = Path(__file__).resolve().parents[2] / "charts" / "landwaiter" / "files" / "crds"
HEAD = "# Generated from the models by `make generate`; do not edit.\n"


def crd_files() -> dict[Path, str]:
    """Return the text of each file."""
    return {
        FOLDER / f"{each.plural}.yaml": HEAD
        + yaml.safe_dump(definition_of(each), sort_keys=False, width=100)
        for each in (*RESOURCE_KINDS, VERIFIED_IMAGES)
    }


if __name__ == "__main__":
    for path, text in crd_files().items():
        path.write_text(text, encoding="utf-8")
