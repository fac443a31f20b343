"""A command line whose effect is a plain delay, so that its own behaviour can be tested alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner

from uncodec import cli
from uncodec.errors import InvalidValue

Audio = NDArray[np.float32]


class Halving:
    """Halves the level, with 700 samples of latency that it hides as every effect must."""

    def __init__(self) -> None:
        self.held: Audio = np.zeros((1, 0), np.float32)
        self.blocks: list[tuple[int, ...]] = []

    def open_stream(self, sample_rate: float, channels: int, channel_layout: Any = None) -> Halving:
        if channels > 2:
            raise InvalidValue(f"channels={channels}: must be 1 or 2")
        self.held = np.zeros((channels, 0), np.float32)
        return self

    def push(self, block: Audio) -> Audio:
        self.blocks.append(block.shape)
        block = np.concatenate([self.held, block], axis=1)
        ready = max(0, block.shape[1] - 700)
        self.held = block[:, ready:]
        return 0.5 * block[:, :ready]

    def finish(self) -> Audio:
        return 0.5 * self.held

    def reset(self) -> None:
        self.held = self.held[:, :0]


@dataclass
class Outcome:
    """What a run of the command line left."""

    code: int
    stdout: str
    stderr: str
    stdout_bytes: bytes

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.stderr.splitlines() if line.strip()]


Run = Callable[..., Outcome]


def run_command(*arguments: str | Path, stdin: bytes | None = None) -> Outcome:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)


@pytest.fixture
def effect() -> Halving:
    return Halving()


@pytest.fixture
def run(effect: Halving, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``uncodec ARGUMENTS...`` in this process, with the halving effect in place of a model."""
    monkeypatch.setattr("uncodec.catalogue.work.open_effect", lambda *options: effect)
    return run_command


@pytest.fixture
def run_model() -> Run:
    """Run ``uncodec ARGUMENTS...`` in this process, with the released model."""
    return run_command


@pytest.fixture
def song() -> Audio:
    """Two channels, 2.3 s at 44.1 kHz: more than one block, and not a whole number of them."""
    return tones(2, 101_430, 44_100)


def tones(channels: int, frames: int, sample_rate: int) -> Audio:
    t = np.arange(frames) / sample_rate
    rows = [0.4 * np.sin(2 * np.pi * 220 * (1 + row) * t + row) for row in range(channels)]
    return np.array(rows, dtype=np.float32)


@pytest.fixture
def put(tmp_path: Path, song: Audio) -> Callable[..., Path]:
    """Write audio, by default the song, to a file below the test's folder."""

    def put(
        name: str, audio: Audio | None = None, sample_rate: int = 44_100, subtype: str | None = None
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = song if audio is None else audio
        soundfile.write(path, data.T, sample_rate, subtype=subtype)
        return path

    return put


@pytest.fixture
def make_tones() -> Callable[[int, int, int], Audio]:
    return tones


def leftovers(folder: Path, *expected: Path) -> set[str]:
    """Files below the folder that are not expected: temporary or half-written ones."""
    found = {path for path in folder.rglob("*") if path.is_file()}
    return {str(path.relative_to(folder)) for path in found - set(expected)}


@pytest.fixture
def only_left(tmp_path: Path) -> Callable[..., None]:
    """Check that the test's folder holds the files given and no other."""

    def only_left(*expected: Path) -> None:
        missing = [path for path in expected if not path.is_file()]
        assert not missing
        assert leftovers(tmp_path, *expected) == set()

    return only_left
