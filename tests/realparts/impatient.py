"""
`landwaiter` that ends a run of cosign after some seconds, so that a test need not wait for longer.

    IMPATIENT_SECONDS=5 python -P impatient.py serve OPTIONS

`-P` keeps the folder of this file from being searched for `landwaiter`.
"""

import importlib
import os
from functools import partial
from typing import Any

from landwaiter.cli import main
from landwaiter.cosign.verifier import VerifierSettings

if __name__ == "__main__":
    outside: Any = importlib.import_module("landwaiter.wiring.outside")
    seconds = float(os.environ["IMPATIENT_SECONDS"])
    outside.VerifierSettings = partial(VerifierSettings, run_seconds=seconds)
    main()
