"""The webhook object in the documents is the one that Landwaiter makes."""

import re
from pathlib import Path
from typing import Any

import yaml

from landwaiter.cluster.version import ServerVersion
from landwaiter.webhooks.configuration import Wanted, WebhookPath, configuration
from landwaiter.webhooks.settings import ServiceAddress, TrustSecret, WebhookSettings

ROOT = Path(__file__).resolve().parents[2]


def documented(name: str) -> Any:  # noqa: ANN401  # YAML.
    """Return the YAML of a document's first block."""
    text = (ROOT / "docs" / name).read_text("utf-8")
    block = re.search(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block is not None
    return yaml.safe_load(block[1])


def test_the_documented_object_is_the_one_that_is_made() -> None:
    """Field by field, also for those who register it by hand."""
    settings = WebhookSettings(
        name="landwaiter",
        address=ServiceAddress("landwaiter-system", "landwaiter", 443),
        trust=TrustSecret("landwaiter-tls"),
        own_namespace="landwaiter-system",
        excluded=frozenset({"calico-system"}),
    )
    wanted = Wanted(list(WebhookPath), b"", "...", ServerVersion(1, 28))

    assert configuration(settings, wanted) == documented("webhook-objects.md")
