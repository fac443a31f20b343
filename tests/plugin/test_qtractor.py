"""The CLAP on a track of Qtractor, which plays a file through it at the pace of a sound card.

A twin of the track goes without the plugin. Both have their latency compensated, and both are
recorded from JACK at once, so that they can be subtracted. Run by ``make test-daw``, which installs
Qtractor, JACK and a screen that nobody sees.
"""

import base64
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from uncodec._native import PluginHost
from uncodec.bridge.plugin import with_settings

pytestmark = pytest.mark.daw

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "target" / "release" / "uncodec-test-core"
# Qtractor wants ALSA's sequencer, which containers have not.
SEQUENCER = Path(__file__).parent / "qtractor" / "sequencer.c"
# JACK knows eight servers of a machine at most, and keeps the place of one that was killed until
# one of the same name starts.
SERVER = "uncodec-tests"
RATE, BLOCK, SECONDS = 48000, 512, 10
# What is compared: by then the plugin has found its core.
PLAYED = slice(5 * RATE, 9 * RATE)
TRACKS = ("Wet", "Dry")
PORTS = [f"Qtractor:{track}/out_{channel}" for track in TRACKS for channel in (1, 2)]
SESSION = """<!DOCTYPE qtractor-session>
<session name="null" version="0.9.31">
 <properties><directory>{folder}</directory><sample-rate>{rate}</sample-rate></properties>
 <devices><audio-engine>
  <audio-control><transport-mode>duplex</transport-mode></audio-control>
  {buses}
 </audio-engine></devices>
 <tracks>{tracks}</tracks>
</session>
"""
BUS = """<audio-bus name="{name}" mode="duplex">
 <monitor>0</monitor><channels>2</channels><auto-connect>0</auto-connect>
</audio-bus>
"""
TRACK = """<track name="{name}" type="audio">
 <properties>
  <input-bus>{name}</input-bus><output-bus>{name}</output-bus>
  <plugin-list-latency>1</plugin-list-latency>
 </properties>
 <state><gain>1</gain><panning>0</panning></state>
 <clips><clip name="noise">
  <properties><start>0</start><offset>0</offset><length>{length}</length></properties>
  <audio-clip><filename>{clip}</filename></audio-clip>
 </clip></clips>
 <plugins>{plugin}</plugins>
</track>
"""
PLUGIN = """<plugin type="CLAP">
 <filename>{file}</filename><index>0</index><label>Uncodec</label>
 <configs><config key="state">{state}</config></configs>
 <activated>1</activated>
</plugin>
"""
# Settings of a first start: follow JACK's transport, keep what plugins write on standard error.
SETTINGS = """[Options]
Display\\StdoutCapture=false
Transport\\TransportMode=3
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home folder, a JACK server and a socket of the test's own."""
    missing = [
        name
        for name in ("qtractor", "jackd", "jack_rec", "jack_transport", "Xvfb", "cc")
        if shutil.which(name) is None
    ]
    if missing:
        pytest.fail(f"{missing[0]} is missing: `make test-daw` installs it")
    settings = tmp_path / "home" / ".config" / "rncbc.org" / "Qtractor.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS)
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    return os.environ | {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "home" / ".config"),
        "XDG_RUNTIME_DIR": str(runtime),
        "JACK_DEFAULT_SERVER": SERVER,
        "JACK_NO_AUDIO_RESERVATION": "1",
        "JACK_NO_START_SERVER": "1",
        "UNCODEC_CORE_SOCKET": str(tmp_path / "core.sock"),
    }


@contextmanager
def running(*command: str | Path, environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env=environment, stdout=file, stderr=subprocess.STDOUT, cwd=log.parent
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def half_core(environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """A core whose output is half of its input."""
    if not CORE.is_file():
        pytest.fail(f"{CORE} is missing: `make test-daw` builds it")
    socket = Path(environment["UNCODEC_CORE_SOCKET"])
    log = tmp_path / "core.log"
    with running(CORE, socket, "0.5", environment=environment, log=log):
        wait_for(socket.exists, log)
        yield


@pytest.fixture
def screen(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-nolisten", "tcp"],
        pass_fds=[writing],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as answer:
            yield f":{answer.readline().strip()}"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def jack(environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """A JACK server without a sound card."""
    log = tmp_path / "jackd.log"
    # Synchronous: no block leaves before all clients are done with it, however busy the machine is.
    command = ["jackd", "-n", environment["JACK_DEFAULT_SERVER"], "-r", "-S", "-t", "20000"]
    device = ["-d", "dummy", "-r", str(RATE), "-p", str(BLOCK)]
    with (Path(tempfile.gettempdir()) / f"{SERVER}-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Until it is closed.
        with running(*command, *device, environment=environment, log=log):
            wait_for(lambda: "system:playback_1" in ports(environment), log)
            yield


def ports(environment: dict[str, str]) -> str:
    return subprocess.run(
        ["jack_lsp"], env=environment, capture_output=True, text=True, timeout=60, check=False
    ).stdout


def comes_within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    assert comes_within(60, condition), log.read_text(errors="replace")


@contextmanager
def qtractor(session: Path, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Qtractor with the ports of a session, which come before its tracks and their plugins.

    Now and then it hangs before that, and is started again.
    """
    for _ in range(3):
        with running("qtractor", session, environment=environment, log=log):
            if comes_within(40, lambda: all(port in ports(environment) for port in PORTS)):
                yield
                return
    pytest.fail(f"Qtractor never had its ports: {log.read_text(errors='replace')}")


def state(clap: str, **settings: float) -> str:
    """The plugin's state with other settings, as Qtractor keeps it in a session."""
    host = PluginHost(clap, sample_rate=RATE, channels=2, max_block=BLOCK)
    data = with_settings(host.state(), seed=0, **settings)
    # Qt's compression: the length, big-endian, and a zlib stream.
    return base64.b64encode(len(data).to_bytes(4, "big") + zlib.compress(data)).decode()


def play(
    clap: str, environment: dict[str, str], screen: str, folder: Path, **settings: float
) -> tuple[np.ndarray, np.ndarray]:
    """What came from the track with the plugin, and from the one without."""
    noise = np.random.default_rng(1).uniform(-0.25, 0.25, (SECONDS * RATE, 2)).astype(np.float32)
    sf.write(folder / "noise.wav", noise, RATE, subtype="FLOAT")
    plugin = PLUGIN.format(file=clap, state=state(clap, **settings))
    track = {"length": len(noise), "clip": folder / "noise.wav"}
    session = SESSION.format(
        folder=folder,
        rate=RATE,
        buses="".join(BUS.format(name=name) for name in TRACKS),
        tracks="".join(
            TRACK.format(name=name, plugin=plugin if name == "Wet" else "", **track)
            for name in TRACKS
        ),
    )
    (folder / "null.qtr").write_text(session)
    library = folder / "sequencer.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SEQUENCER], check=True)
    shown = environment | {"DISPLAY": screen, "LD_PRELOAD": str(library)}
    log = folder / "qtractor.log"
    with qtractor(folder / "null.qtr", shown, log):
        # The ports come before the tracks.
        time.sleep(2)
        # The buffer holds all of it, lest a busy machine lose any.
        record = ["jack_rec", "-f", "out.wav", "-d", str(SECONDS + 4), "-b", "32"]
        recorder = subprocess.Popen(
            [*record, "-B", str((SECONDS + 5) * RATE), *PORTS],
            env=environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_for(lambda: "jackrec:" in ports(environment), log)
            subprocess.run(
                ["jack_transport"],
                input="play\nquit\n",
                env=environment,
                text=True,
                capture_output=True,
                timeout=60,
                check=True,
            )
            said, _ = recorder.communicate(timeout=120)
        finally:
            recorder.kill()
            recorder.wait()
    told = log.read_text(errors="replace")
    assert "panicked" not in told, told
    audio, rate = sf.read(folder / "out.wav", dtype="float32")
    assert rate == RATE
    start = int(np.flatnonzero(audio[:, 2])[0])
    wet, dry = audio[start:][PLAYED, :2], audio[start:][PLAYED, 2:]
    assert len(dry) == PLAYED.stop - PLAYED.start, said
    assert dry.std() > 0.1, "there is a signal"
    return wet, dry


def residual_db(wet: np.ndarray, dry: np.ndarray) -> float:
    """Level of the difference relative to the signal; -240 dB for none."""
    return float(20 * np.log10(np.std(wet - dry) / np.std(dry) + 1e-12))


@pytest.mark.usefixtures("jack")
def test_without_a_core_the_clap_nulls_against_its_dry_twin(
    clap_bundle: str, environment: dict[str, str], screen: str, tmp_path: Path
) -> None:
    wet, dry = play(clap_bundle, environment, screen, tmp_path, amount=1.0)
    assert residual_db(wet, dry) <= -138
    # One sample more or less would be anything but a null.
    assert residual_db(wet[1:], dry[:-1]) > -10
    assert residual_db(wet[:-1], dry[1:]) > -10


@pytest.mark.usefixtures("jack", "half_core")
@pytest.mark.parametrize(("amount", "gain"), [(1.0, 0.5), (0.25, 0.875)])
def test_with_a_core_the_clap_plays_what_comes_from_it_at_the_amount_of_the_session(
    clap_bundle: str,
    environment: dict[str, str],
    screen: str,
    tmp_path: Path,
    amount: float,
    gain: float,
) -> None:
    # More time than usual for the core: the machine may be busy, and a late hop would be heard dry.
    wet, dry = play(
        clap_bundle, environment, screen, tmp_path, amount=amount, latency_safety_ms=50.0
    )
    assert residual_db(wet, dry) > -20
    assert residual_db(wet / gain, dry) <= -138
