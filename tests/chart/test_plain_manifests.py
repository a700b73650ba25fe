"""The manifests for those who use no Helm are the chart's."""

import yaml

from chart.plain_manifests import FILE, plain_manifests
from realparts.helm import NAMESPACE, Helm


def test_the_plain_manifests_are_up_to_date(helm: Helm) -> None:
    """What is in `deploy/` is what the chart renders; `make generate` writes it anew."""
    assert plain_manifests(helm) == FILE.read_text("utf-8")


def test_the_plain_manifests_are_all_of_the_chart(helm: Helm) -> None:
    """Nothing is lost on the way, and the namespace is there before what is in it."""
    plain = list(yaml.safe_load_all(FILE.read_text("utf-8")))
    rendered = helm.objects()

    assert ("Namespace", NAMESPACE) == (plain[0]["kind"], plain[0]["metadata"]["name"])
    assert [(each["kind"], each["metadata"]["name"]) for each in plain[1:]] == [
        (each["kind"], each["metadata"]["name"]) for each in rendered
    ]
