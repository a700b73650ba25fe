"""The page about faults says what the tests prove."""

from wiring.fault_table import PAGE, page


def test_the_page_is_the_table() -> None:
    """The page is out of date when it differs; `python tests/wiring/fault_table.py` writes it."""
    assert page() == PAGE.read_text(encoding="utf-8")
