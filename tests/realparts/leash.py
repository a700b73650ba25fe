"""
Becomes the given program, after asking the kernel to kill it when its parent dies.

A test runner that is killed cannot clean up, so its children must end without it. Run as
`python leash.py PARENT_PID PROGRAM ARGUMENT...`, with the program's full path. The kernel counts
the *thread* that started the child as its parent; `processes.py` therefore starts children from
the main thread only. Where there is no such kernel call (macOS), the program is run without it.

Source: prctl(2), PR_SET_PDEATHSIG; the setting survives execve(2).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_ORPHAN = 125


def main(arguments: list[str]) -> None:
    """Replace this process by the program; exit with 125 where the parent is gone already."""
    parent, *program = arguments
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):  # It died before the call above.
        sys.exit(EXIT_ORPHAN)
    os.execv(program[0], program)  # noqa: S606  # No shell, on purpose.


if __name__ == "__main__":
    main(sys.argv[1:])
