"""
Makes the real programs of the tests ready: finds each, or builds it once into a cache.

    python3 tests/realparts/install.py                  every part
    python3 tests/realparts/install.py etcd kubectl     these
    python3 tests/realparts/install.py --list           their versions, states and paths
    python3 tests/realparts/install.py --env            shell lines: REALPARTS_ETCD=...
    python3 tests/realparts/install.py --write-modules  carry versions.toml into the go.mod files

Needs Python 3.11 and nothing else: no virtual environment, and no Go either (`toolchain.py`). It
may be stopped at any moment and run again. Exit 0 when all is ready, 1 when a part is not, 2 for a
wrong argument.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

if __name__ == "__main__":  # Run as a file: Python has put this folder on its path, not its parent.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from realparts.building import BuildError, find, find_or_build
from realparts.cache import CacheError, cache_folder, require_free
from realparts.modules_writer import write_modules
from realparts.pins import Part, Pins, read_pins
from realparts.progress import step
from realparts.toolchain import NoGoError


class UnknownPartError(ValueError):
    """A part was asked for that `versions.toml` does not have."""


def ensure(names: Sequence[str] = (), pins: Pins | None = None) -> dict[str, Path]:
    """
    Return the program of each named part, of all where none is named; build what is missing.

    Raises `UnknownPartError`, `BuildError`, `CacheError` or `NoGoError`, whose messages are meant
    for people. Progress goes to standard error.
    """
    pins = pins or read_pins()
    wanted = _named(names, pins)
    paths = {part.name: path for part in wanted if (path := find(part).path) is not None}
    missing = [part for part in wanted if part.name not in paths]
    if missing:
        _announce(missing)
    for number, part in enumerate(missing, start=1):
        label = f"[{number}/{len(missing)}] {part.name} {part.version}"
        with step(label, part.expected_seconds) as current:
            paths[part.name] = find_or_build(part, pins.go, current)
    return {part.name: paths[part.name] for part in wanted}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    pins = read_pins()
    try:
        return _carry_out(options, pins)
    except UnknownPartError as error:
        print(error, file=sys.stderr)
        return 2
    except (BuildError, CacheError, NoGoError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run it again to go on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Find or build the real programs of the tests.",
        epilog=f"They are kept in {cache_folder()} (LANDWAITER_CACHE sets another folder).",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part; all where none is named")
    verb = parser.add_mutually_exclusive_group()
    verb.add_argument("--list", action="store_true", help="show name, version, state and path")
    verb.add_argument("--env", action="store_true", help="print shell variables with the paths")
    verb.add_argument(
        "--write-modules",
        action="store_true",
        help="bring the go.mod and go.sum files up to versions.toml (needs the network)",
    )
    return parser


def _carry_out(options: argparse.Namespace, pins: Pins) -> int:
    wanted = _named(options.names, pins)
    if options.write_modules:
        write_modules(pins)
    elif options.list:
        _print_table(wanted)
    elif options.env:
        _print_environment({part.name: find(part).path for part in wanted})
    else:
        ensure(options.names, pins)
    return 0


def _named(names: Sequence[str], pins: Pins) -> list[Part]:
    if unknown := [name for name in names if name not in pins.parts]:
        known = ", ".join(pins.parts)
        raise UnknownPartError(f"no such part: {', '.join(unknown)}; there are {known}")
    return [pins.parts[name] for name in names or pins.parts]


def _announce(missing: Sequence[Part]) -> None:
    disk_mib = sum(part.disk_mib for part in missing)
    minutes = sum(part.expected_seconds for part in missing) / 60
    names = ", ".join(part.name for part in missing)
    print(
        f"building {names}, once, into {cache_folder()}: about {minutes:.0f} min on 2 cores and "
        f"{disk_mib} MiB of disk",
        file=sys.stderr,
        flush=True,
    )
    require_free(cache_folder(), disk_mib, what=names)


def _print_table(parts: Sequence[Part]) -> None:
    for part in parts:
        found = find(part)
        print(f"{part.name:<24} {part.version:<9} {found.state:<8} {found.path or '-'}")


def _print_environment(paths: Mapping[str, Path | None]) -> None:
    for name, path in paths.items():
        if path is not None:
            variable = f"REALPARTS_{name.upper().replace('-', '_')}"
            print(f"{variable}={shlex.quote(str(path))}")


if __name__ == "__main__":
    sys.exit(main())
