"""A wheel in a clean environment: its size, how long imports take, and a file that it restores.

    python bench/wheel.py dist/uncodec-*.whl

Nothing is downloaded. The new environment gets the wheel alone and sees the packages that this one
has; no compiler is on its PATH.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "demo" / "coded.mp3"
# The median of several: each in a process of its own, files already in the system's cache.
RUNS = 5
TIMED = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def install(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel in it, and return its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    options = ["--quiet", "--no-deps", "--no-index"]
    command = [str(python), "-m", "pip", "install", *options, str(wheel)]
    subprocess.run(command, check=True)
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True).stdout
    # A plain line only adds the folder: an editable install in there is not carried over.
    Path(site.strip(), "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def clean_environment(folder: Path) -> dict[str, str]:
    """No compiler on the PATH, no source tree on Python's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PATH": str(folder / "bin"), "HOME": str(folder)}


def seconds(python: Path, module: str, folder: Path) -> float:
    """How long an import takes in a new process, in seconds."""
    times = []
    for _ in range(RUNS):
        done = subprocess.run(
            [python, "-c", TIMED.format(module)],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
            env=clean_environment(folder),
        )
        times.append(float(done.stdout))
    return sorted(times)[RUNS // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel.resolve()
    with zipfile.ZipFile(wheel) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    with tempfile.TemporaryDirectory(prefix="uncodec-wheel-") as name:
        folder = Path(name)
        python = install(wheel, folder)
        environment = clean_environment(folder)
        asked = [str(python), "-c", "import uncodec; print(uncodec.__file__)"]
        home = subprocess.run(
            asked, check=True, capture_output=True, text=True, cwd=folder, env=environment
        )
        if not Path(home.stdout.strip()).is_relative_to(folder):
            sys.exit(f"wheel: another uncodec was imported, from {home.stdout.strip()}")
        result = folder / "restored.flac"
        subprocess.run(
            [str(folder / "bin" / "uncodec"), "restore", str(CLIP), "-o", str(result)],
            check=True,
            cwd=folder,
            env=environment,
        )
        print(
            f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked"
        )
        print(f"import uncodec: {1000 * seconds(python, 'uncodec', folder):.0f} ms")
        print(f"import uncodec.cli: {1000 * seconds(python, 'uncodec.cli', folder):.0f} ms")
        print(f"restored: {result.name}, {result.stat().st_size} bytes")


if __name__ == "__main__":
    main()
