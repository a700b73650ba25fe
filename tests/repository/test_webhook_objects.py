"""The webhook objects in the documents are those that the tests register."""

import re
from pathlib import Path
from typing import Any

import yaml

from realparts.landwaiter import Landwaiter

ROOT = Path(__file__).resolve().parents[2]


def without_address(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in webhook.items() if key != "clientConfig"}
        for webhook in configuration["webhooks"]
    ]


def test_the_documented_object_is_the_one_that_is_tested(tmp_path: Path) -> None:
    """What admins copy has been through the real API server, but for its address."""
    text = (ROOT / "docs" / "webhook-objects.md").read_text("utf-8")
    block = re.search(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block is not None
    tested = Landwaiter(tmp_path, policies="").webhooks()

    assert without_address(tested) == without_address(yaml.safe_load(block[1]))
