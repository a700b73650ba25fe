"""The page about registries says what the tests show."""

from registry.conformance import PAGE, page


def test_the_page_is_what_the_tables_say() -> None:
    """It is out of date when it differs; `python tests/registry/conformance.py` writes it."""
    assert page() == PAGE.read_text(encoding="utf-8")
