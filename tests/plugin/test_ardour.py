"""A null test in Ardour: noise through the plugin against its dry twin, exported without a screen.

Run by ``make test-daw``, which installs Ardour.
"""

import base64
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from uncodec.balance import Balance, Like
from uncodec.bridge.packed_reference import pack
from uncodec.bridge.preset import presets_folder, write_preset

pytestmark = pytest.mark.daw

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "target" / "release" / "uncodec-test-core"
SCRIPT = Path(__file__).parent / "ardour" / "null.lua"
SCANNER = Path("/usr/lib/ardour7/ardour-vst3-scanner")
# Ardour's own format "BWAV 32float Export", at the session's rate.
FORMAT, PRESET = "20b4ab09-6452-4cb3-bd66-b921cdbd2942", "6f0ab9f0-54d5-4e6a-9a6a-0f3e2c1d7b55"
EXPORT = f"""<?xml version="1.0" encoding="UTF-8"?>
<ExportPreset id="{PRESET}" name="float">
  <ExportFormat id="{FORMAT}"/>
  <ExportFilename>
    <Folder relative="1" path="export"/>
    <Field name="timespan" enabled="1"/>
  </ExportFilename>
</ExportPreset>
"""


@pytest.fixture
def home(bundle: str, tmp_path: Path) -> dict[str, str]:
    """Environment with a home folder of its own, in which the plugin is installed and scanned."""
    if shutil.which("ardour7-lua") is None:
        pytest.fail("ardour7-lua is missing: `make test-daw` installs it")
    folder = tmp_path / "home"
    presets = folder / ".config" / "ardour7" / "export"
    presets.mkdir(parents=True)
    (presets / "float.preset").write_text(EXPORT)
    installed = folder / ".vst3" / "Uncodec.vst3"
    installed.parent.mkdir()
    shutil.copytree(bundle, installed)
    environment = os.environ | {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / ".config"),
        "XDG_CACHE_HOME": str(folder / ".cache"),
        "UNCODEC_CORE_SOCKET": str(tmp_path / "core.sock"),
        "PRESET": PRESET,
    }
    # Ardour itself reads the cache only, and leaves out what is not in it without a word.
    subprocess.run(
        [SCANNER, "-f", installed],
        env=environment | {"LD_LIBRARY_PATH": str(SCANNER.parent)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return environment


@pytest.fixture
def half_core(home: dict[str, str]) -> Iterator[None]:
    """A core whose output is half of its input."""
    if not CORE.is_file():
        pytest.fail(f"{CORE} is missing: `make test-daw` builds it")
    socket = Path(home["UNCODEC_CORE_SOCKET"])
    core = subprocess.Popen([CORE, socket, "0.5"])
    try:
        end = time.monotonic() + 20
        while not socket.exists() and time.monotonic() < end:
            time.sleep(0.01)
        yield
    finally:
        core.kill()
        core.wait()


def export(home: dict[str, str], tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """What came through the plugin, and past it."""
    out = tmp_path / "out"
    out.mkdir()
    # The exit code says nothing: Ardour often crashes after its work. What counts is the file.
    done = subprocess.run(
        ["ardour7-lua", SCRIPT],
        env=home | {"OUT": str(out)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert "failed:" not in said, said
    latency = re.search(r"signal_latency=(\d+)", said)
    assert latency is not None, said
    assert int(latency[1]) > 0, "the plugin was dropped, or has no latency to be compensated"
    audio, rate = sf.read(out / "out.wav", dtype="float32")
    assert rate == 48000
    assert audio.shape == (480_000, 2)
    wet, dry = audio.T
    assert dry.std() > 0.05, "there is a signal"
    return wet, dry


def residual_db(wet: np.ndarray, dry: np.ndarray) -> float:
    """Level of the difference relative to the signal; -240 dB for none."""
    return float(20 * np.log10(np.std(wet - dry) / np.std(dry) + 1e-12))


def test_without_a_core_the_plugin_nulls_against_its_dry_twin(
    home: dict[str, str], tmp_path: Path
) -> None:
    wet, dry = export(home, tmp_path)
    assert residual_db(wet, dry) <= -138
    # One sample more or less would be anything but a null.
    assert residual_db(wet[1:], dry[:-1]) > -10
    assert residual_db(wet[:-1], dry[1:]) > -10


@pytest.mark.usefixtures("half_core")
def test_with_a_core_every_sample_of_the_export_comes_from_it(
    home: dict[str, str], tmp_path: Path
) -> None:
    wet, dry = export(home, tmp_path)
    assert residual_db(2 * wet, dry) <= -138
    assert residual_db(wet, dry) > -10


def test_a_session_that_is_loaded_again_has_the_parameters_it_was_saved_with(
    home: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        ["ardour7-lua", SCRIPT.with_name("state.lua")],
        env=home | {"OUT": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert "failed:" not in said, said
    assert "before amount=0.250 bypass=1" in said, said
    assert "after amount=0.250 bypass=1" in said, said


def test_a_preset_with_a_reference_is_listed_and_goes_into_the_session(
    home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home["HOME"])
    folder = presets_folder()
    folder.mkdir(parents=True)
    song = Balance("a song.flac", (450.0, 1250.0), (0.5, -3.0), 20_000.0)
    write_preset(folder / "Like a song.vstpreset", Like(song, 0.25))
    done = subprocess.run(
        ["ardour7-lua", SCRIPT.with_name("preset.lua")],
        env=home | {"OUT": str(tmp_path), "LABEL": "Like a song"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert "failed:" not in said, said
    assert "likeness=25.000" in said, said
    saved = (tmp_path / "session" / "preset.ardour").read_text()
    chunks = [base64.b64decode(chunk) for chunk in re.findall(r">([A-Za-z0-9+/=\n]{200,})<", saved)]
    (state,) = [chunk for chunk in chunks if b"UNCODECS" in chunk]
    assert pack(song) in state
