"""The plugin under the validators that hosts' authors use, and what those leave out.

Run by ``make test-validators``. Nothing is fetched: Steinberg's ``validator`` is
`$UNCODEC_VALIDATOR`, Tracktion's ``pluginval`` is `$UNCODEC_PLUGINVAL`, ``clap-validator`` is
`$UNCODEC_CLAP_VALIDATOR`, or what the PATH has of these names. The scanner of Qtractor, a host that
loads CLAP, is `$UNCODEC_QTRACTOR_SCAN`, or that of Debian's package ``qtractor``. What is not
installed is skipped, with that reason.

They pass as well when no sample comes from the core, since neither plays in real time. So the test
host does that, with the core and its network.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from uncodec.bridge.launcher import PrivateCore

pytestmark = [pytest.mark.validators, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
HOST = ROOT / "target" / "release" / "uncodec-realtime"
VALIDATORS = {
    "validator": ("UNCODEC_VALIDATOR", ["-e"]),
    "pluginval": (
        "UNCODEC_PLUGINVAL",
        ["--strictness-level", "10", "--skip-gui-tests", "--timeout-ms", "300000", "--validate"],
    ),
    "clap-validator": ("UNCODEC_CLAP_VALIDATOR", ["validate"]),
}


@pytest.fixture(scope="module")
def core() -> Iterator[Path]:
    """Socket of a core with the model that new plugins have."""
    core = PrivateCore.acquire("live-gan", "cpu")
    yield core.path
    core.release()


@pytest.fixture(params=[False, True], ids=["without a core", "with a core"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    path = request.getfixturevalue("core") if request.param else tmp_path / "core.sock"
    return os.environ | {"UNCODEC_CORE_SOCKET": str(path)}


def find(name: str) -> str:
    variable, _ = VALIDATORS[name]
    named = os.environ.get(variable)
    if named and not os.access(named, os.X_OK):
        pytest.fail(f"{variable}={named}: is no program")
    program = named or shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed: {variable} may name it")
    return program


@pytest.mark.parametrize("name", VALIDATORS)
def test_a_validator_finds_no_fault(
    bundle: str, clap_bundle: str, name: str, environment: dict[str, str]
) -> None:
    _, arguments = VALIDATORS[name]
    done = subprocess.run(
        [find(name), *arguments, clap_bundle if name == "clap-validator" else bundle],
        env=environment,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]


def test_the_scanner_of_a_daw_loads_the_clap(clap_bundle: str, environment: dict[str, str]) -> None:
    packaged = next(Path("/usr/lib").glob("*/qtractor/qtractor_plugin_scan"), None)
    scanner = os.environ.get("UNCODEC_QTRACTOR_SCAN", packaged)
    if scanner is None:
        pytest.skip("qtractor is not installed: UNCODEC_QTRACTOR_SCAN may name its scanner")
    done = subprocess.run(
        [scanner],
        input=f"CLAP:{clap_bundle}\n",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    # Name, channels of audio, of MIDI, parameters and outputs of them; "RT" is for real time.
    assert done.stdout.startswith(f"CLAP|Uncodec|2:2|0:0|5:0|EXT,RT|{clap_bundle}|"), done


@pytest.mark.parametrize(("rate", "block"), [(44100, 512), (48000, 128), (96000, 256)])
@pytest.mark.parametrize("plugin_format", ["vst3", "clap"])
def test_at_the_pace_of_a_sound_card_what_is_heard_comes_from_the_core(
    bundle: str, clap_bundle: str, core: Path, rate: int, block: int, plugin_format: str
) -> None:
    seconds = 8
    plugin = clap_bundle if plugin_format == "clap" else bundle
    done = subprocess.run(
        [HOST, str(seconds), str(rate), str(block)],
        env=os.environ | {"UNCODEC_PLUGIN": plugin, "UNCODEC_CORE_SOCKET": str(core)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    played = json.loads(done.stdout)
    assert played["samples"] >= seconds * rate
    assert played["wet"] > 0.99 * played["samples"], played
    assert played["changed"] > 0.99 * played["samples"], played


def test_without_a_core_the_test_host_says_so(bundle: str, tmp_path: Path) -> None:
    environment = {"UNCODEC_PLUGIN": bundle, "UNCODEC_CORE_SOCKET": str(tmp_path / "core.sock")}
    done = subprocess.run(
        [HOST, "1"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "no core came within" in done.stderr
