"""The server itself: where it listens, how it ends, what two of them do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from uncodec import cli
from uncodec.web.server import _sockets


@pytest.fixture
def start(tmp_path):
    """Starts ``uncodec web`` and returns the process, its port and its token."""
    running = []

    def started(*arguments):
        environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "home")}
        process = subprocess.Popen(
            [sys.executable, "-m", "uncodec", "web", "--no-browser", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        running.append(process)
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#(\S+)", line)
        assert found, (line, process.stderr.read())
        return process, int(found[1]), found[2]

    yield started
    for process in running:
        process.kill()
        process.communicate()


def ask(port, token, method="GET", path="/api/state", host="127.0.0.1"):
    request = urllib.request.Request(
        f"http://{host}:{port}{path}",
        data=b"{}" if method == "POST" else None,
        method=method,
        headers={"authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_it_answers_at_this_machine_alone_and_ends_from_the_page(start, tmp_path):
    process, port, token = start()
    assert ask(port, token)["folder"] is None
    assert ask(port, token, host="localhost")["files"] == []
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(port, "wrong")
    # At no other address of this machine.
    for address in {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}:
        if not address.startswith("127.") and address != "::1":
            with pytest.raises(OSError, match=r"refused|unreachable"):
                socket.create_connection((address, port), timeout=5)
    assert ask(port, token, "POST", "/api/end") == {}
    assert process.wait(30) == 0
    assert not (tmp_path / "home/uncodec/web/dropped/uploads").exists()


def test_it_ends_with_ctrl_c(start):
    process, _, _ = start()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode in (0, 130)
    assert "Traceback" not in out + error


def test_one_folder_has_one_server(start, tmp_path):
    start()
    second = subprocess.run(
        [sys.executable, "-m", "uncodec", "web", "--no-browser"],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "home")},
        timeout=60,
    )
    assert second.returncode == 1
    assert "running already" in second.stderr
    assert second.stderr.count("\n") == 1


def test_after_a_kill_nothing_is_in_the_way(start, tmp_path):
    process, _, _ = start()
    uploads = tmp_path / "home/uncodec/web/dropped/uploads"
    (uploads / "left").mkdir(parents=True)
    (uploads / "left/song.mp3").write_bytes(b"x")
    process.kill()
    process.wait()
    _, port, token = start()
    assert ask(port, token)["files"] == []
    assert list(uploads.iterdir()) == []


def test_the_processes_end_with_a_server_that_is_killed(start):
    process, _, _ = start()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("this system does not tell the children of a process")
    until = time.monotonic() + 30
    while not (found := children.read_text().split()) and time.monotonic() < until:
        time.sleep(0.1)
    assert found
    process.kill()
    until = time.monotonic() + 30
    left = found
    while left and time.monotonic() < until:
        left = [pid for pid in left if state_of(pid) != "Z"]
        time.sleep(0.1)
    assert left == []


def state_of(pid):
    """The state of a process; of one that is gone that of one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_the_sockets_are_those_of_this_machine():
    with _sockets(0, None) as sockets:
        names = [each.getsockname()[:2] for each in sockets]
    assert names[0][0] == "127.0.0.1"
    assert {name for name, _ in names} <= {"127.0.0.1", "::1"}
    assert len({port for _, port in names}) == 1


def invoke(*arguments, **environment):
    return CliRunner().invoke(cli.app, ["web", *arguments], env=environment)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::", "studio.lan"])
def test_others_are_let_in_only_by_somebody_who_knows_and_with_a_password(host):
    result = invoke("--host", host)
    assert result.exit_code == 2
    assert "--i-know" in result.stderr
    result = invoke("--host", host, "--i-know")
    assert result.exit_code == 2
    assert "password" in result.stderr
    result = invoke("--host", host, "--i-know", UNCODEC_WEB_PASSWORD="short")
    assert result.exit_code == 2
    assert "8 characters" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["not there"], "must be a folder that exists"),
        (["--port", "70000"], "must be from 0 to 65535"),
        (["--output", __file__], "must be a folder, is a file"),
    ],
)
def test_a_wrong_command_is_told_in_a_line(arguments, told, tmp_path):
    result = invoke(*arguments, XDG_STATE_HOME=str(tmp_path))
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = invoke("--port", port, "--no-browser", XDG_STATE_HOME=str(tmp_path))
    assert result.exit_code == 1
    assert port in result.stderr
    assert "in use" in result.stderr


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr("uncodec.cli.web.find_spec", lambda name: None)
    result = invoke()
    assert result.exit_code == 1
    assert "uncodec[web]" in result.stderr
