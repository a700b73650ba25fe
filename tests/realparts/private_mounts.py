"""
Becomes the given program, with a small disk and a `/etc/resolv.conf` that only it can see.

    python private_mounts.py DISK MEBIBYTES RESOLV_CONF PROGRAM ARGUMENT...

The folder DISK becomes a file system of that size in memory; what others see in it stays as it is.
They reach the program's own through `/proc/PID/root`. The kernel removes it with the program. Needs
root. It stays the same process, so that whoever has started it can end it.

Source: unshare(2), mount(2), mount_namespaces(7).
"""

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

_library = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: bytes | int | None) -> None:
    if getattr(_library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes) -> None:
    _call("mount", source, target, kind, flags, data)


def main(arguments: list[str]) -> None:
    """Replace this process by the program."""
    disk, mebibytes, resolv_conf, *program = arguments
    _call("unshare", CLONE_NEWNS)
    _mount(b"none", b"/", None, MS_REC | MS_PRIVATE, b"")
    _mount(b"tmpfs", disk.encode(), b"tmpfs", 0, f"size={int(mebibytes)}m,mode=0700".encode())
    _mount(resolv_conf.encode(), b"/etc/resolv.conf", None, MS_BIND, b"")
    os.execv(program[0], program)  # noqa: S606  # No shell, on purpose.


if __name__ == "__main__":
    main(sys.argv[1:])
