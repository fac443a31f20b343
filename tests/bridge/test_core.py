"""Real cores: processes that are started, asked, killed and stopped, and a plugin's audio path."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from uncodec import cli
from uncodec.balance import Balance
from uncodec.bridge.launcher import ask, launch, stop
from uncodec.bridge.packed_reference import pack
from uncodec.bridge.sockets import control_path
from uncodec.errors import CoreError
from uncodec.io import write_audio
from uncodec.live import open_stream

HOP, WINDOW = 64, 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import tempfile

    with tempfile.TemporaryDirectory(prefix="uncodec-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def core(folder, small_model):
    """Path of a core that runs for all tests of this file; it admits everybody."""
    path = folder / "core.sock"
    process, connection = launch(path, model=small_model, any_name=True, load_limit=None)
    with connection:
        yield path
        assert stop(path) == process.pid
    assert process.wait(timeout=10) == 0
    assert not path.exists()
    assert not control_path(path).exists()


def worker_of(path):
    (worker,) = ask(path, "status")["workers"]
    return worker


def open_session(host, path, wait):
    """Open a session as a plugin does: again, as long as the worker is being started."""
    opened = []

    def attempt():
        try:
            opened.append(host.path.open(path, model="any", timeout_s=5))
        except CoreError:
            time.sleep(0.02)
        return opened

    wait(attempt)
    return opened[0]


def is_gone(pid):
    """Whether a process has ended; one that nobody has waited for counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def open_files(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_plugin_in_another_process_gets_what_the_stream_gives(
    core, make_host, noise, later, wait, small_model
):
    host = make_host(rate=44100, block=500)
    session = open_session(host, core, wait)
    host.path.set_parameters(amount=0.5)
    host.path.activate()
    audio = noise(20000)
    out = host.run(audio)
    expected = open_stream(small_model, sample_rate=44100, channels=2, amount=0.5).process(audio)
    np.testing.assert_allclose(out, later(expected, host.late - WINDOW + 1), atol=1e-5)
    assert host.path.counters()["dry"] == 0
    session.close()


def test_the_status_is_json_with_sessions_late_hops_and_percentiles(
    core, make_host, noise, wait, monkeypatch
):
    monkeypatch.setenv("UNCODEC_CORE_SOCKET", str(core))
    host = make_host()
    session = open_session(host, core, wait)
    host.path.activate()
    host.run(noise(50 * HOP))
    result = CliRunner().invoke(cli.app, ["core", "status", "--json"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["socket"] == str(core)
    (worker,) = told["workers"]
    assert (worker["state"], worker["window"], worker["hop"]) == ("ready", WINDOW, HOP)
    (entry,) = [e for e in worker["sessions"] if e["session"] == session.number]
    assert entry["host_pid"] == os.getpid()
    assert entry["latency_samples"] == host.late
    assert entry["published_hops"] == 50
    assert entry["late_hops"] == entry["dry_samples"] == 0
    assert set(entry["turnaround"]) == {"p50_s", "p99_s", "p999_s", "max_s"}
    assert entry["turnaround"]["p50_s"] > 0
    shown = CliRunner().invoke(cli.app, ["core", "status"])
    assert f"session {session.number} of process {os.getpid()}" in shown.stdout
    session.close()


def test_a_second_core_at_the_same_place_is_refused(core):
    with pytest.raises(CoreError, match="a core is already running there"):
        launch(core)
    assert worker_of(core)["state"] == "ready"


@pytest.mark.parametrize(
    "garbage", [b"", b"GET / HTTP/1.1\r\n\r\n", b"{}\n", bytes(4000), b"UNCODECQ" + bytes(200)]
)
def test_garbage_on_the_sockets_harms_nobody(core, garbage, make_host, noise, wait):
    host = make_host()
    session = open_session(host, core, wait)
    host.path.activate()
    for path in (core, control_path(core)):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(os.fspath(path))
            # The core may close the connection before it has read all of it.
            try:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
    host.run(noise(20 * HOP))
    assert host.path.counters()["dry"] == 0
    session.close()


def test_an_unknown_command_is_told_so(core):
    with pytest.raises(CoreError, match="command: must be status or stop"):
        ask(core, "dance")


def test_sessions_leave_nothing_in_the_core(core, make_host, noise, wait):
    wait(lambda: not worker_of(core)["sessions"])
    status = ask(core, "status")
    pids = (status["pid"], status["workers"][0]["pid"])
    # The connection that asked was among them.
    wait(lambda: [open_files(pid) for pid in pids] == [open_files(pid) for pid in pids])
    before = [open_files(pid) for pid in pids]
    ended = worker_of(core)["ended"]["wet_samples"]
    for _ in range(30):
        host = make_host()
        session = open_session(host, core, wait)
        host.path.activate()
        host.run(noise(5 * HOP))
        session.close()
    wait(lambda: not worker_of(core)["sessions"])
    # No more than before; fewer, if the connection that asked was still counted then.
    wait(lambda: all(open_files(pid) <= n for pid, n in zip(pids, before, strict=True)))
    assert "memfd:uncodec" not in Path(f"/proc/{pids[1]}/maps").read_text()
    assert worker_of(core)["ended"]["wet_samples"] > ended


def test_a_worker_that_is_killed_is_started_again_and_the_plugin_is_wet_again(
    core, make_host, noise, later, wait
):
    host = make_host(block=2 * HOP)
    audio = noise(200 * HOP)
    session = open_session(host, core, wait)
    host.path.activate()
    first = host.run(audio[:, : 100 * HOP])
    before = worker_of(core)
    os.kill(before["pid"], signal.SIGKILL)
    wait(lambda: session.is_over)
    second = host.run(audio[:, 100 * HOP :], waits=False)
    out = np.concatenate([first, second], axis=1)
    difference = np.abs(out - later(audio, host.late))
    assert difference[:, 50 * HOP : 100 * HOP].max() > 0.01
    assert difference[:, 110 * HOP :].max() == 0
    session = open_session(host, core, wait)
    # It never sees the hops that went by, and goes on with the newest one.
    host.run(noise(2 * HOP), waits=False)
    wait(lambda: worker_of(core)["sessions"][-1]["resyncs"] == 1)
    before_wet = host.path.counters()["wet"]
    host.run(noise(40 * HOP))
    assert host.path.counters()["wet"] > before_wet
    after = worker_of(core)
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"] + 1
    session.close()


def test_a_worker_that_is_stopped_leaves_the_host_dry_and_is_reported(
    core, make_host, noise, later, wait
):
    host = make_host()
    audio = noise(300 * HOP)
    session = open_session(host, core, wait)
    host.path.activate()
    host.run(audio[:, : 100 * HOP])
    pid = worker_of(core)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        out = host.run(audio[:, 100 * HOP : 200 * HOP], waits=False)
        dry = later(audio, host.late)[:, 100 * HOP : 200 * HOP]
        np.testing.assert_array_equal(out[:, host.late + HOP :], dry[:, host.late + HOP :])
        assert worker_of(core)["state"] == "hanging"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait(lambda: worker_of(core)["state"] == "ready")
    assert not session.is_over
    # It falls behind, jumps to the newest hop, and is wet again.
    host.run(audio[:, 200 * HOP :])
    assert worker_of(core)["sessions"][-1]["resyncs"] == 1
    session.close()


def test_commands_start_one_core_and_stop_it(folder, monkeypatch, small_model, wait):
    path = folder / "commands" / "core.sock"
    monkeypatch.setenv("UNCODEC_CORE_SOCKET", str(path))

    def run(*words):
        return CliRunner().invoke(cli.app, ["core", *words])

    for command in ("status", "stop"):
        result = run(command)
        assert result.exit_code == 1
        assert result.stderr == f"uncodec: error: {path}: no core is running\n"
    started = run("start", "--model", small_model)
    assert started.exit_code == 0, started.stderr
    pid = ask(path, "status")["pid"]
    assert started.stdout == f"core {pid} listens at {path}\n"
    assert started.stderr.splitlines() == [
        "uncodec: starting the core ...",
        "uncodec: starting a process ...",
        "uncodec: loading PyTorch ...",
        f"uncodec: loading the model {Path(small_model).name} ...",
        f"uncodec: compiling the model {Path(small_model).name} ...",
    ]
    again = run("start")
    assert again.exit_code == 0
    assert again.stdout == f"core {pid} is running already, and listens at {path}\n"
    assert again.stderr == ""
    elsewhere = run("start", "--device", "cuda")
    assert elsewhere.exit_code == 1
    assert "device=cuda: the core that is running uses cpu; stop it first" in elsewhere.stderr
    # Its worker goes when the supervisor is killed; the place can be taken again.
    worker = worker_of(path)["pid"]
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([process], [], [], 10)[0]
    os.close(process)
    wait(lambda: is_gone(worker))
    assert path.exists(), "a stale socket is left"
    assert run("start", "--model", small_model).exit_code == 0
    stopped = run("stop")
    assert stopped.exit_code == 0
    assert run("status").exit_code == 1
    assert not path.exists()


def test_a_core_has_a_reference_for_plugins_that_bring_none(
    folder, monkeypatch, small_model, make_host, wait, tmp_path
):
    path = folder / "liked" / "core.sock"
    monkeypatch.setenv("UNCODEC_CORE_SOCKET", str(path))

    def start(*words):
        return CliRunner().invoke(cli.app, ["core", "start", "--model", small_model, *words])

    audio = np.random.default_rng(0).normal(0, 0.1, (2, 30_000))
    for name in ("song", "other"):
        write_audio(tmp_path / f"{name}.wav", audio.astype(np.float32), 44100)
        audio = np.cumsum(audio, axis=1) * 0.1
    (tmp_path / "empty").mkdir()
    refused = start("--like", str(tmp_path / "empty"))
    assert (refused.exit_code, path.exists()) == (1, False)
    assert "must hold audio files that can be read, has none" in refused.stderr
    assert start("--like", str(tmp_path / "song.wav")).exit_code == 0
    try:
        assert start("--like", str(tmp_path / "song.wav")).exit_code == 0
        assert start().exit_code == 0
        other = start("--like", str(tmp_path / "other.wav"))
        assert other.exit_code == 1
        assert "like=other.wav: the core that is running uses song.wav; stop it first" in (
            other.stderr
        )
        told = ask(path, "status")
        assert told["reference"]["name"] == "song.wav"
        own = pack(Balance("own.flac", (450.0, 1250.0), (0.0, 0.0), 20_000.0))
        sessions = {}
        for expected, reference in [("song.wav", None), ("own.flac", own)]:
            host = make_host()
            sessions[expected] = host.path.open(
                path, model=small_model, reference=reference, timeout_s=20
            )
        shown = {entry["session"]: entry["reference"] for entry in worker_of(path)["sessions"]}
        assert shown == {session.number: name for name, session in sessions.items()}
        status = CliRunner().invoke(cli.app, ["core", "status"]).stdout
        assert "reference for plugins without one: song.wav" in status
        assert ", like own.flac, " in status
        for session in sessions.values():
            session.close()
    finally:
        stop(path)


def test_starting_a_core_that_is_being_started_waits_for_it(folder, monkeypatch, small_model, wait):
    path = folder / "twice" / "core.sock"
    monkeypatch.setenv("UNCODEC_CORE_SOCKET", str(path))
    command = [sys.executable, "-m", "uncodec", "core", "start", "--model", small_model]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wait(lambda: control_path(path).exists())
    again = CliRunner().invoke(cli.app, ["core", "start"])
    assert again.exit_code == 0, again.stderr
    assert "is running already" in again.stdout
    assert worker_of(path)["state"] == "ready"
    assert started.wait(timeout=60) == 0
    started.stdout.close()
    stop(path)


def test_the_status_tells_what_was_not_restored_and_who_was_refused(
    core, make_host, noise, wait, monkeypatch
):
    monkeypatch.setenv("UNCODEC_CORE_SOCKET", str(core))
    host = make_host()
    session = open_session(host, core, wait)
    host.path.activate()
    host.path.set_bypass(True)
    host.run(noise(50 * HOP))
    with pytest.raises(CoreError, match="was set up for other sizes"):
        make_host(window=2 * WINDOW).path.open(core, model="any", timeout_s=5)
    shown = CliRunner().invoke(cli.app, ["core", "status"]).stdout
    dry, wet = host.path.counters()["dry"], host.path.counters()["wet"]
    assert dry > 40 * HOP
    assert f"{dry} of {dry + wet} samples not restored" in shown
    assert "refused 1 times, last: model small: has window 256" in shown
    session.close()
    wait(lambda: session.number not in [s["session"] for s in worker_of(core)["sessions"]])
    assert "earlier sessions: " in CliRunner().invoke(cli.app, ["core", "status"]).stdout


def test_a_core_that_cannot_serve_its_model_says_why_and_is_gone(folder):
    path = folder / "hopeless.sock"
    threads = threading.active_count()
    with pytest.raises(CoreError, match="model='no-such-model': must be a released model"):
        launch(path, model="no-such-model")
    assert not path.exists()
    assert threading.active_count() == threads
