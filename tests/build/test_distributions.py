"""The wheel and the sdist hold the whole project, and nothing that does not belong there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What `make plugin` builds: a folder, and a file.
BUNDLES = [ROOT / "target" / "Uncodec.vst3", ROOT / "target" / "Uncodec.clap"]

pytestmark = [
    pytest.mark.skipif(
        shutil.which("cargo") is None or not (ROOT / ".git").exists(),
        reason="needs cargo and a git checkout",
    ),
    # The native module is compiled.
    pytest.mark.timeout(1200),
]


def maturin(*arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "maturin", *map(str, arguments)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYO3_PYTHON": sys.executable},
    )


def tree(*folders: str) -> set[str]:
    """Files of the checkout below the folders, tracked or about to be; ignored ones left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def released_models() -> set[str]:
    # Hidden files (editor and temporary ones) are not part of a model, candidates are not released.
    names = {name for name in tree("models") if len(PurePosixPath(name).parts) > 2}
    names = {name for name in names if not name.startswith("models/candidates/")}
    return {name for name in names if not any(part[0] == "." for part in Path(name).parts)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    # As `make wheel` does it, and `pip install .`, after `make plugin`.
    maturin("build", "--release", "--interpreter", sys.executable, "--out", folder)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    maturin("sdist", "--out", folder)
    (path,) = folder.glob("*.tar.gz")
    return path


def sdist_files(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


def plugin_files() -> set[str]:
    folder, file = BUNDLES
    files = {path for path in folder.rglob("*") if path.is_file()} | {file}
    return {str(path.relative_to(ROOT / "target")) for path in files}


def expected_in_wheel() -> set[str]:
    package = {name.removeprefix("core/") for name in tree("core")}
    weights = {name.replace("models/", "uncodec/weights/", 1) for name in released_models()}
    return package | weights


def test_wheel_holds_the_package_and_the_models(wheel: zipfile.ZipFile):
    files = {name for name in wheel.namelist() if ".dist-info/" not in name}
    native = {name for name in files if name.startswith("uncodec/_native.") and "pyi" not in name}
    assert len(native) == 1
    plugin = {f"uncodec/plugin/{path}" for path in plugin_files()}
    assert len(plugin) >= 2
    assert files - native == expected_in_wheel() | plugin
    assert {"uncodec/py.typed", "uncodec/_native.pyi", "uncodec/cli/restore.py"} <= files


@pytest.mark.skipif(sys.platform != "linux", reason="the bridge is for Linux")
def test_the_extension_goes_without_the_test_host(wheel: zipfile.ZipFile):
    (native,) = (name for name in wheel.namelist() if name.endswith(".so") and "_native" in name)
    assert b"HostPath" in wheel.read(native)
    assert b"PluginHost" not in wheel.read(native)


def test_the_plugin_in_the_wheel_is_the_one_that_was_built(wheel: zipfile.ZipFile):
    for path in plugin_files():
        packed = wheel.read(f"uncodec/plugin/{path}")
        assert packed == (ROOT / "target" / path).read_bytes(), path


def test_wheel_is_described(wheel: zipfile.ZipFile):
    names = {name.partition(".dist-info/")[2]: name for name in wheel.namelist()}
    assert {"licenses/LICENSE-MIT", "licenses/LICENSE-APACHE"} <= set(names)
    metadata = wheel.read(names["METADATA"]).decode()
    assert "License-Expression: MIT OR Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    entry_points = wheel.read(names["entry_points.txt"]).decode()
    assert "uncodec=uncodec.cli:main" in entry_points.replace(" ", "")


def test_models_in_the_wheel_are_the_released_ones(wheel: zipfile.ZipFile):
    for name in released_models():
        packed = wheel.read(name.replace("models/", "uncodec/weights/", 1))
        assert packed == (ROOT / name).read_bytes(), name


def test_sdist_holds_all_that_a_build_needs(sdist: Path):
    files = sdist_files(sdist)
    needed = tree(
        "core",
        "rust_ext",
        "models",
        "plugin_bridge/proto/src",
        "Cargo.toml",
        "Cargo.lock",
        "pyproject.toml",
    )
    needed |= {"README.md", "LICENSE-MIT", "LICENSE-APACHE"}
    # Workspace members only; tests and benches of a crate are part of it.
    assert needed - files == set()


def test_cargo_can_read_the_sdist_with_its_feature(sdist: Path, tmp_path: Path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    for options in ([], ["--features", "host"]):
        words = ["cargo", "tree", "--locked", "--package", "uncodec-native", *options]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_sdist_holds_nothing_that_was_built(sdist: Path):
    files = sdist_files(sdist)
    built = {
        name
        for name in files
        if name.endswith((".so", ".pyd", ".pyc"))
        or name.startswith(
            ("target/", "dist/", ".venv/", "core/uncodec/weights/", "core/uncodec/plugin/")
        )
    }
    assert built == set()


@pytest.mark.nightly
def test_wheel_restores_a_file_where_there_is_no_compiler(wheel: zipfile.ZipFile):
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "wheel.py", str(wheel.filename)],
        capture_output=True,
        text=True,
        check=True,
    )
    size, library, command, restored = done.stdout.splitlines()
    assert float(size.split()[1]) < 100, "what PyPI takes without being asked"
    assert (library.split(":")[0], command.split(":")[0]) == (
        "import uncodec",
        "import uncodec.cli",
    )
    assert restored.startswith("restored: restored.flac, ")


# Needs the package index, as whoever installs an extra does.
@pytest.mark.nightly
@pytest.mark.parametrize(
    "extra", ["cluster", "inspect", "plots", "s3", "sound", "train", "visqol", "web"]
)
def test_what_needs_an_extra_works_with_it_and_says_so_without(wheel: zipfile.ZipFile, extra: str):
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "extras.py", str(wheel.filename), extra],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "core")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"[{extra}] with: " in done.stdout


@pytest.mark.nightly
def test_sdist_installs_completely(sdist: Path, tmp_path: Path):
    """pip compiles the sdist in a folder of its own and arrives at the same package."""
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--target", str(target), str(sdist)]
    subprocess.run(command, check=True, cwd=tmp_path)
    installed = {
        str(path.relative_to(target))
        for path in (target / "uncodec").rglob("*")
        if path.is_file() and path.suffix not in {".so", ".pyc"}
    }
    assert installed == expected_in_wheel()
    code = "import uncodec.networks; print(uncodec.__file__, *uncodec.networks.list_models())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(target)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    place, *models = done.stdout.split()
    assert Path(place).is_relative_to(target)
    weights = {name for name in released_models() if name.endswith("/weights.safetensors")}
    assert set(models) == {Path(name).parent.name for name in weights}
