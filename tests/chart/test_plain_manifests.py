"""The manifests for those who use no Helm are the chart's."""

import yaml

from chart.plain_manifests import DEPLOY, plain_manifests
from realparts.helm import NAMESPACE, Helm


def test_the_plain_manifests_are_up_to_date(helm: Helm) -> None:
    """What is in `deploy/` is what the chart renders; `make generate` writes it anew."""
    wanted = plain_manifests(helm)

    assert wanted == {file: file.read_text("utf-8") for file in wanted}


def test_the_plain_manifests_are_all_of_the_chart(helm: Helm) -> None:
    """Nothing is lost on the way, and the namespace is there before what is in it."""
    definitions, plain = (
        list(yaml.safe_load_all((DEPLOY / name).read_text("utf-8")))
        for name in ("definitions.yaml", "landwaiter.yaml")
    )

    def names(objects: list[dict[str, dict[str, str]]]) -> list[tuple[object, str]]:
        return sorted((str(each["kind"]), each["metadata"]["name"]) for each in objects)

    assert ("Namespace", NAMESPACE) == (plain[0]["kind"], plain[0]["metadata"]["name"])
    assert names(helm.objects()) == names([*definitions, *plain[1:]])
