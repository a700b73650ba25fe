"""
`landwaiter` that looks at its policies fifty times a second, so that a test can change them often.

    python -P quick_reload.py serve OPTIONS

`-P` keeps the folder of this file from being searched for `landwaiter`.
"""

import importlib
from typing import Any

from landwaiter.cli import main

POLL_SECONDS = 0.02

if __name__ == "__main__":
    policies: Any = importlib.import_module("landwaiter.wiring.policies")
    policies.POLL_SECONDS = POLL_SECONDS
    main()
