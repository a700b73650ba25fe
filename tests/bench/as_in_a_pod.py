"""
Runs Landwaiter with what it has in its Pod, and nothing else that is installed here.

    python as_in_a_pod.py ACCOUNT_FOLDER HIDDEN,... serve ARGUMENTS...

Its account is in a folder instead of the place that a Pod has for it. The packages that are hidden
are those that only development needs: some libraries load others where they find them.
"""

import sys
from functools import partial
from pathlib import Path

from landwaiter import __main__
from landwaiter.cluster import api_servers


def main(folder: str, hidden: str, *arguments: str) -> None:
    """Become the command."""
    for name in hidden.split(","):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # Python's way to hide one.
    own = partial(api_servers.own_api_server, folder=Path(folder))
    api_servers.own_api_server = own  # Before anyone imports it.
    sys.argv = ["landwaiter", *arguments]
    __main__.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
