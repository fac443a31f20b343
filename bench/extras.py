"""The wheel's extras, each in a clean environment: what works with one, and is told without.

    python bench/extras.py dist/uncodec-*.whl [EXTRA...]

An environment gets what the wheel requires as hard links into this one, which pip takes for
installed, then the wheel, then the extra with all that it requires from the package index.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from email.parser import Parser
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import soundfile
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "demo" / "coded.mp3"
SECONDS = 2
LIMIT_S = 600.0
# Of developers; `make` installs them.
NOT_FOR_USERS = {"bench", "bench-live", "dev", "docs"}


class Failed(Exception):
    """What did not work."""


def described(wheel: Path) -> Message:
    """What a wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def closure(lines: list[str]) -> set[str]:
    """The packages that these lines require, and all that those require, as far as installed."""
    waiting = [(Requirement(line), "") for line in lines]
    found: dict[str, set[str]] = {}
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        with suppress(importlib.metadata.PackageNotFoundError):
            package = importlib.metadata.distribution(wanted.name)
            known = found.setdefault(package.metadata["Name"], set())
            for asked in {"", *wanted.extras} - known:
                known.add(asked)
                waiting += [(Requirement(line), asked) for line in package.requires or []]
    return set(found)


def link(names: set[str], site: Path) -> None:
    """Put the packages into another environment."""
    here = Path(sysconfig.get_path("purelib"))
    for name in names:
        for file in importlib.metadata.files(name) or []:
            # Commands lie outside, and are not needed.
            if ".." in file.parts or file.suffix == ".pyc":
                continue
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                continue
            try:
                os.link(here / file, target)
            except OSError:
                shutil.copy(here / file, target)


class Environment:
    """One with the wheel and what it requires, and a folder to work in."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.wheel, self.folder = wheel, folder
        venv.create(folder / "venv", with_pip=True)
        self.bin = folder / "venv" / "bin"
        asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = self.run("python", "-c", asked).strip()
        link(closure(described(wheel).get_all("Requires-Dist") or []), Path(site))
        self.run("pip", "install", "--no-deps", "--no-index", str(wheel))
        self.run("pip", "check")
        clip, rate = soundfile.read(CLIP, dtype="float32", frames=44100 * SECONDS)
        self.clip = folder / "clips" / "clip.wav"
        self.clip.parent.mkdir()
        soundfile.write(self.clip, clip, rate)

    @property
    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        # No compiler, and no source tree.
        return {**kept, "PATH": str(self.bin), "HOME": str(self.folder), "OMP_NUM_THREADS": "1"}

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.bin / words[0]), *words[1:]],
            cwd=self.folder,
            env=self.variables | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self, *words: str, **variables: str) -> tuple[int, str, str]:
        process = self.start(*words, **variables)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
            process.wait()
        return process.returncode, out, err

    def run(self, *words: str, **variables: str) -> str:
        code, out, err = self.ended(*words, **variables)
        if code:
            raise Failed(f"{' '.join(words)}: exit code {code}\n{out[-3000:]}{err[-3000:]}")
        return out

    def install(self, extra: str) -> list[str]:
        """Returns the packages that came with it."""
        before = set(self.run("pip", "freeze").splitlines())
        # What has no wheel is compiled: the extra needs a compiler then, the wheel never.
        tools = {"PATH": f"{self.bin}:{os.environ['PATH']}"}
        self.run("pip", "install", f"uncodec[{extra}] @ {self.wheel.as_uri()}", **tools)
        self.run("pip", "check")
        after = set(self.run("pip", "freeze").splitlines())
        return sorted(line.partition("==")[0] for line in after - before if "==" in line)

    @contextmanager
    def running(self, *words: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
        process = self.start(*words, **variables)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise Failed(what)


def restored(file: Path) -> str:
    audio, _ = soundfile.read(file)
    expect(len(audio) > 40000 and bool(np.any(audio)), f"{file}: no sound in it")
    return f"{len(audio)} samples restored"


def web(environment: Environment) -> str:
    words = ("uncodec", "web", "--no-browser", str(environment.clip.parent))
    with environment.running(*words) as process:
        assert process.stdout is not None
        address = re.search(r"https?://\S+", process.stdout.readline())
        expect(address is not None, "the page has no address")
        assert address is not None
        with urlopen(Request(address[0]), timeout=60) as answer:
            page = answer.read().decode()
    expect("<title>" in page and "Uncodec" in page, f"no page of Uncodec's: {page[:200]}")
    return f"a page of {len(page)} characters"


def cluster(environment: Environment) -> str:
    told = environment.folder / "scheduler.json"
    scheduler = ("dask", "scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard")
    worker = ("dask", "worker", "--nworkers", "1", "--nthreads", "1", "--no-dashboard")
    file = ("--scheduler-file", str(told))
    with environment.running(*scheduler, *file):
        end = time.monotonic() + 120
        while not told.exists():
            expect(time.monotonic() < end, "no scheduler within two minutes")
            time.sleep(0.2)
        with environment.running(*worker, *file):
            address = re.search(r"tcp://[\d.:]+", told.read_text(encoding="utf-8"))
            expect(address is not None, "the scheduler has no address")
            assert address is not None
            result = environment.folder / "out" / "restored.wav"
            words = ("uncodec", "restore", str(environment.clip), "-o", str(result))
            environment.run(*words, "--scheduler", address[0])
    return restored(result)


def visqol(environment: Environment) -> str:
    table = environment.folder / "scores.json"
    words = ("uncodec", "evaluate", "--data", str(environment.clip.parent), "--visqol")
    environment.run(
        *words, "--codec", "mp3:64", "--seconds", "2", "--no-baselines", "--json", str(table)
    )
    score = re.search(r'"visqol"[^0-9]*([0-9.]+)', table.read_text(encoding="utf-8"))
    expect(score is not None, f"no score of ViSQOL's in {table.read_text()[:500]}")
    assert score is not None
    return f"ViSQOL {float(score[1]):.2f}"


def inspect(environment: Environment) -> str:
    fitting = "from sklearn.ensemble import HistGradientBoostingClassifier"
    environment.run("python", "-c", fitting)
    said = environment.run("uncodec", "inspect", str(CLIP))
    expect(CLIP.name in said, said)
    (row,) = (line for line in said.splitlines() if CLIP.name in line)
    return " ".join(row.split())


def plots(environment: Environment) -> str:
    picture = environment.folder / "picture.png"
    environment.run("uncodec", "inspect", str(environment.clip), "--picture", str(picture))
    return f"a picture of {picture.stat().st_size} bytes"


def s3(environment: Environment) -> str:
    from moto.server import ThreadedMotoServer

    # It would tell of each request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    put = (
        "import sys, s3fs; store = s3fs.S3FileSystem(); store.mkdir('bucket'); "
        "store.put(sys.argv[1], 'bucket/clip.wav')"
    )
    get = "import sys, s3fs; s3fs.S3FileSystem().get('bucket/out.wav', sys.argv[1])"
    result = environment.folder / "got.wav"
    try:
        environment.run("python", "-c", put, str(environment.clip), **variables)
        words = ("uncodec", "restore", "s3://bucket/clip.wav", "-o", "s3://bucket/out.wav")
        environment.run(*words, **variables)
        environment.run("python", "-c", get, str(result), **variables)
    finally:
        server.stop()
    return restored(result)


def sound(environment: Environment) -> str:
    """Without a sound card there is a line that says so, and does not ask for the extra."""
    code, out, err = environment.ended("uncodec", "live", "--file", str(environment.clip))
    expect("pip install" not in out + err, out + err)
    if code == 0:
        return "played"
    expect(len(err.strip().splitlines()) == 1, f"more than a line: {err}")
    return f"no sound card: {err.strip()}"


def train(environment: Environment) -> str:
    """Needs nothing more, so the command says what it misses in the data alone."""
    empty = environment.folder / "empty"
    empty.mkdir()
    words = ("uncodec", "train", "live-gan", "--data", str(empty), "--only", "pairs")
    code, _, err = environment.ended(*words)
    expect(code != 0 and str(empty) in err and "pip install" not in err, err)
    return err.strip().splitlines()[-1]


CHECKS: dict[str, Callable[[Environment], str]] = {
    "cluster": cluster,
    "inspect": inspect,
    "plots": plots,
    "s3": s3,
    "sound": sound,
    "train": train,
    "visqol": visqol,
    "web": web,
}


def words_without(environment: Environment) -> dict[str, list[str]]:
    """Commands that want an extra. For those of `inspect` and `train` there is none."""
    clip, folder = str(environment.clip), str(environment.clip.parent)
    return {
        "cluster": ["restore", clip, "-o", "out", "--scheduler", "tcp://127.0.0.1:1"],
        "plots": ["inspect", clip, "--picture", "picture.png"],
        "s3": ["restore", "s3://bucket/clip.wav", "-o", "out.wav"],
        "sound": ["live", "--file", clip],
        "visqol": ["evaluate", "--data", folder, "--visqol"],
        "web": ["web", "--no-browser"],
    }


def check(wheel: Path, extra: str) -> None:
    with tempfile.TemporaryDirectory(prefix="uncodec-extra-") as name:
        environment = Environment(wheel, Path(name))
        if words := words_without(environment).get(extra):
            code, out, err = environment.ended("uncodec", *words)
            lines = err.strip().splitlines()
            told = len(lines) == 1 and f"pip install 'uncodec[{extra}]'" in lines[0]
            expect(code != 0 and told, f"{' '.join(words)}: exit code {code}\n{out}{err}")
            print(f"[{extra}] without: {lines[0]}")
        brought = environment.install(extra)
        print(f"[{extra}] brings: {', '.join(brought) or 'nothing'}")
        print(f"[{extra}] with: {CHECKS[extra](environment)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("extras", nargs="*", metavar="EXTRA")
    given = parser.parse_args()
    offered = set(described(given.wheel).get_all("Provides-Extra") or [])
    if untested := offered - NOT_FOR_USERS - set(CHECKS):
        sys.exit(f"extras: nothing checks {', '.join(sorted(untested))}")
    if unknown := set(given.extras) - set(CHECKS):
        sys.exit(f"extras: {', '.join(sorted(unknown))}: must be of {', '.join(CHECKS)}")
    failed = []
    for extra in given.extras or CHECKS:
        try:
            check(given.wheel.resolve(), extra)
        except Failed as error:
            print(f"[{extra}] FAILED: {error}", flush=True)
            failed.append(extra)
    if failed:
        sys.exit(f"extras: {', '.join(failed)} failed")


if __name__ == "__main__":
    main()
