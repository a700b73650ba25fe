"""What a process and its children keep in memory, from /proc."""

from pathlib import Path

SHORT_LIVED = {"cosign3", "cosign"}
"""Children that come and go; each has its own bound."""


def kept_bytes(pid: int) -> int:
    """Return what a process and its lasting children have of their own in memory, in bytes."""
    children = _children(pid)
    return sum(_own_bytes(each) for each in [pid, *children])


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        listed = [(task / "children").read_text("ascii") for task in tasks]
    except OSError:  # It has ended meanwhile.
        return []
    found = [int(child) for text in listed for child in text.split()]
    return [each for child in found if _is_lasting(child) for each in (child, *_children(child))]


def _is_lasting(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8").strip() not in SHORT_LIVED
    except OSError:
        return False


def _own_bytes(pid: int) -> int:
    """Return the anonymous memory of a process, which no other process shares; 0 at its end."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields.get("RssAnon", "0 kB").split()[0]) * 1024
