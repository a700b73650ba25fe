"""The page about faults says what the tests show."""

from pathlib import Path

from system.faults.table import FAULTS, PAGE, page


def test_the_page_is_the_table() -> None:
    """It is out of date when it differs; `python tests/system/faults/table.py` writes it."""
    assert page() == PAGE.read_text(encoding="utf-8")


def test_every_fault_has_a_test() -> None:
    """The install goes through each that the page lists."""
    tests = Path(__file__).with_name("test_faults.py").read_text("utf-8")

    assert [] == [name for name in FAULTS if f'"{name}"' not in tests]
