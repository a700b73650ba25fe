"""
Writes one list of everything in the image: Python packages, cosign with its modules, Debian's.

cyclonedx-py lists the Python packages with their licences; it knows nothing else. What it wrote is
read, what `go version -m -json` says of cosign and what dpkg says of each package is added, and the
whole is checked against CycloneDX's own schema before it is written. The same input gives the same
bytes. Run by the Dockerfile.

Source: cyclonedx.org/docs/1.6/json, github.com/package-url/purl-spec (both read 2026-11).
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL


def whole_list(
    python: Bom, *, version: str, cosign: str, debian: Sequence[str], release: str
) -> Bom:
    """
    Return cyclonedx-py's list with cosign and Debian's packages added.

    `cosign` is what `go version -m -json` printed, `debian` the control file of each package, and
    `release` the number of Debian's release. Raises `ValueError` when cyclonedx-py named no main
    component.
    """
    if (application := python.metadata.component) is None:
        raise ValueError("cyclonedx-py: no main component, wanted landwaiter's")
    application.version = version
    program, *modules = _modules(json.loads(cosign))
    program.type = ComponentType.APPLICATION
    packages = [_package(text, release) for text in debian]
    for component in [program, *modules, *packages]:
        python.components.add(component)
    python.register_dependency(application, [program, *packages])
    python.register_dependency(program, modules)
    return python


def as_json(bom: Bom) -> str:
    """Return it as CycloneDX 1.6; raise `ValueError` where that breaks the standard's schema."""
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    if (problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        raise ValueError(f"the list breaks CycloneDX's schema: {problem.data}")
    return f"{text}\n"


def _modules(built: Mapping[str, Any]) -> Iterator[Component]:
    """Yield the program's own module, then all that it was built from."""
    yield _module(built["Main"]["Path"], built["Main"]["Version"])
    yield _module("stdlib", built["GoVersion"].removeprefix("go"))
    for module in built["Deps"]:
        used = module.get("Replace", module)
        yield _module(used["Path"], used["Version"])


def _module(path: str, version: str) -> Component:
    namespace, _, name = path.rpartition("/")
    purl = PackageURL("golang", namespace or None, name, version)
    return Component(
        name=path, version=version, purl=purl, type=ComponentType.LIBRARY, bom_ref=str(purl)
    )


def _package(control: str, release: str) -> Component:
    fields = HeaderParser().parsestr(control)
    name, version = fields["Package"], fields["Version"]
    where = {"arch": fields["Architecture"], "distro": f"debian-{release}"}
    purl = PackageURL("deb", "debian", name, version, where)
    return Component(
        name=name, version=version, purl=purl, type=ComponentType.LIBRARY, bom_ref=str(purl)
    )


def main() -> None:
    """Read the three lists and write the one."""
    parser = argparse.ArgumentParser(description="Write the list of what is in the image.")
    parser.add_argument("--python", type=Path, required=True, help="cyclonedx-py's list")
    parser.add_argument("--cosign", type=Path, required=True, help="what Go says of cosign")
    parser.add_argument("--debian", type=Path, required=True, help="folder of control files")
    parser.add_argument("--release", required=True, help="number of Debian's release")
    parser.add_argument("--version", required=True, help="Landwaiter's version")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    listed = json.loads(given.python.read_text("utf-8"))
    bom = whole_list(
        Bom.from_json(listed),  # type: ignore[attr-defined]  # Added by a decorator.
        version=given.version,
        cosign=given.cosign.read_text("utf-8"),
        debian=[file.read_text("utf-8") for file in sorted(given.debian.iterdir())],
        release=given.release,
    )
    given.output.write_text(as_json(bom), encoding="utf-8")


if __name__ == "__main__":
    main()
