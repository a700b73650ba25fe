"""
Tells the readiness check whether there is a folder for temporary files.

cosign needs one for each run. Where there is none, by a mistake in the install, no replica should
count as ready: the upgrade that brings the mistake then stops by itself. A disk that is full later
is another matter: what needs no new verification is still answered, and if all replicas were
unready for it, nothing would be.
"""

import tempfile


class TemporaryFolder:
    """Remembers that the folder could be written to, once it could."""

    def __init__(self) -> None:
        self._was_written = False

    def problem(self) -> str | None:
        """Return why nothing can be written, None from the first time on that it can."""
        if self._was_written:
            return None
        try:
            with tempfile.TemporaryDirectory(prefix="landwaiter-ready-"):
                self._was_written = True
        except OSError as problem:
            return f"no temporary folder can be written to: {problem.strerror}"
        return None
