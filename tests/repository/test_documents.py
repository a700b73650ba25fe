"""Documents say what the code does, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

from repository.generated import BLOCK, GENERATORS, ROOT, documents, up_to_date

LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", documents(), ids=named)
def test_generated_parts_are_up_to_date(path: Path) -> None:
    """What is generated equals its source; `make generate` writes it anew."""
    text = path.read_text(encoding="utf-8")

    assert up_to_date(text) == text


def test_every_generated_part_stands_somewhere() -> None:
    """A generator that no document uses would be a check that cannot fail."""
    found = {m["name"] for path in documents() for m in BLOCK.finditer(path.read_text("utf-8"))}

    assert set(GENERATORS) == found


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def broken(path: Path) -> list[str]:
    found = []
    for match in LINK.finditer(FENCE.sub("", path.read_text("utf-8"))):
        target, _, anchor = match["target"].partition("#")
        if target.startswith(("https:", "http:", "mailto:")):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            found.append(match["target"])
    return found


@pytest.mark.parametrize("path", documents(), ids=named)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    """Every relative link names a file that exists, and a heading in it."""
    assert broken(path) == []


def test_the_readme_opens_with_a_refusal_and_two_commands() -> None:
    """What it decides, a refusal, exactly two commands that set all up, how to write a policy."""
    text = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"^make (\w+)", text, re.MULTILINE)

    positions = [
        text.index(each)
        for each in ("decides which", "denied the request", "make demo", "make test", "## Write a")
    ]
    assert sorted(positions) == positions
    assert commands == ["demo", "test"]


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_locked_packages_have_hashes_and_no_address(name: str) -> None:
    """Each locked package is pinned with hashes, and no index address is written down."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    packages = re.split(r"\n(?=[a-z])", text.strip())

    assert [each.split()[0] for each in packages if "--hash=sha256:" not in each] == []
    assert re.findall(r"https?://\S+|--(?:extra-)?index-url.*", text) == []


NAMED_TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)`")


def test_tests_that_documents_name_exist() -> None:
    """A test that a document gives as its proof is in the suite, under that name."""
    named_tests = {
        (path, match["file"], match["name"])
        for path in documents()
        for match in NAMED_TEST.finditer(path.read_text("utf-8"))
    }
    missing = sorted(
        f"{named(path)}: {file}::{name}"
        for path, file, name in named_tests
        if not (ROOT / file).is_file()
        or not re.search(
            rf"^(?:async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE
        )
    )

    assert named_tests
    assert missing == []


def test_decisions_are_numbered_and_say_their_number() -> None:
    """No two decisions have one number, and each page opens with the number of its file."""
    pages = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    numbers = [int(each.name.split("-")[0]) for each in pages]
    titles = [each.read_text("utf-8").split(". ")[0] for each in pages]

    assert sorted(set(numbers)) == numbers
    assert titles == [f"# {number}" for number in numbers]
