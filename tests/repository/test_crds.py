"""The CustomResourceDefinitions in the chart are those of the models."""

from repository.crds import FOLDER, crd_files


def test_the_chart_has_the_definitions_of_the_models() -> None:
    """None is out of date, missing or too many; `make generate` writes them anew."""
    found = {path: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}

    assert crd_files() == found
