"""
Installs this project as its users do, from a copy, without asking any package index.

pip finds the locked packages that this environment has already, by PYTHONPATH, and installs only
the project itself.
"""

import shutil
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("app", "requirements", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")


def a_copy(folder: Path) -> Path:
    """Return a copy of everything that an installation needs."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
            shutil.copytree(source, folder / part, ignore=ignored)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / part)
    return folder


def environment(home: Path) -> dict[str, str]:
    """Return an environment in which pip has what it needs."""
    return {
        "HOME": str(home),
        "PATH": f"{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
