"""One module starts processes, by whatever name the standard library gives it."""

import ast
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[2] / "app"
STARTERS = APP / "landwaiter" / "processes.py"
STARTING = frozenset(
    {"subprocess", "multiprocessing", "pty", "popen2", "create_subprocess_exec"}
    | {"create_subprocess_shell", "subprocess_exec", "subprocess_shell", "system", "popen"}
    | {"fork", "forkpty", "posix_spawn", "posix_spawnp", "execv", "execve", "execvp", "execvpe"}
    | {
        "execl",
        "execle",
        "execlp",
        "execlpe",
        "spawnv",
        "spawnve",
        "spawnl",
        "spawnle",
        "startfile",
    }
    | {"ProcessPoolExecutor"}
)


def names_in(path: Path) -> set[str]:
    """Return every module, attribute and name that a file mentions in code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {part for alias in node.names for part in alias.name.split(".")}
            if isinstance(node, ast.ImportFrom):
                found |= set((node.module or "").split("."))
    return found


def test_the_module_that_starts_processes_is_seen() -> None:
    """The check below would pass for ever if it saw nothing."""
    assert names_in(STARTERS) & STARTING


@pytest.mark.parametrize(
    "path", sorted(set(APP.rglob("*.py")) - {STARTERS}), ids=lambda path: path.stem
)
def test_no_other_module_starts_a_process(path: Path) -> None:
    """Argument lists, environments and limits of children are decided in one place."""
    assert set() == names_in(path) & STARTING
