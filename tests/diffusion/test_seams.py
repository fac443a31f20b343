"""Whatever a file is cut into, the result is the same and has no seam."""

import numpy as np
import pytest
import torch

from uncodec.diffusion.engine import DiffusionEngine
from uncodec.diffusion.source import DiffusionSource
from uncodec.errors import InvalidValue, UncodecError
from uncodec.networks import load_diffusion
from uncodec.streams.line import Line

RATE = 44100


@pytest.fixture(scope="module")
def model(diffusion_folder):
    return load_diffusion(diffusion_folder)


def material(kind):
    t = np.arange(40_000) / RATE
    if kind == "tones":
        rows = [
            0.2 * np.sin(2 * np.pi * f * t) + 0.1 * np.sin(2 * np.pi * 9 * f * t)
            for f in (220, 330)
        ]
    else:
        rows = 0.1 * np.random.default_rng(0).standard_normal((2, t.size))
    return np.asarray(rows, np.float32)


class Drawn:
    """The delta of a source, block by block."""

    def __init__(self, source):
        self.source = source
        self._line = Line(source.channels, source.lead)

    def push(self, audio):
        delta = Line(self.source.channels)
        self._line.append(audio)
        self.source.push(self._line, audio.shape[1], delta)
        self._line.drop(audio.shape[1])
        return delta.view(0, len(delta))

    def clone(self):
        twin = Drawn(self.source.clone())
        twin._line = self._line.clone()
        return twin


def run(source, audio, block=10_000):
    padded = np.concatenate([audio, np.zeros((audio.shape[0], source.lead), np.float32)], axis=1)
    drawn = Drawn(source)
    parts = [drawn.push(padded[:, i : i + block]) for i in range(0, padded.shape[1], block)]
    return np.concatenate(parts, axis=1)[:, : audio.shape[1]]


def distance_db(a, b):
    return 10 * np.log10(np.sum((a - b) ** 2) / np.sum(a**2) + 1e-30)


@pytest.mark.parametrize("kind", ["tones", "noise"])
@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_chunks_and_blocks_change_nothing(model, kind, sampler):
    audio = material(kind)[:, :14_000]
    whole = run(DiffusionSource(DiffusionEngine(model, 3, 5, sampler), 2, 400), audio)
    assert np.abs(whole).max() > 1e-4
    for chunk, piece, block in ((37, 37, 4_000), (64, 20, 14_000), (11, 11, 3_001)):
        engine = DiffusionEngine(model, 3, 5, sampler, piece=piece)
        cut = run(DiffusionSource(engine, 2, chunk), audio, block)
        assert distance_db(whole, cut) < -60


def test_a_steady_tone_has_no_seam(model):
    """What is at the borders of chunks is not louder, or other, than what is between them."""
    audio = material("tones")
    engine = DiffusionEngine(model, 2, 0)
    delta = run(DiffusionSource(engine, 2, 32), audio)
    size = 32 * engine.hop
    steps = np.abs(np.diff(delta, axis=1)).max(axis=0)
    at_borders = [steps[edge - 2 : edge + 2].max() for edge in range(size, 36_000, size)]
    assert max(at_borders) <= steps[size // 2 : 36_000].max()
    assert np.median(at_borders) < 3 * np.median(steps[size // 2 : 36_000]) + 1e-6


def test_it_has_given_what_its_lead_promises(model):
    source = DiffusionSource(DiffusionEngine(model, 3, 0), 1, 20)
    drawn = Drawn(source)
    got = given = 0
    rng = np.random.default_rng(1)
    while got < 60_000:
        block = int(rng.integers(1, 9_000))
        got += block
        given += drawn.push(np.zeros((1, block), np.float32)).shape[1]
        assert got - source.lead <= given <= got


def test_seeds_are_takes_and_return(model):
    audio = material("noise")[:, :15_000]
    first, again, other = (
        run(DiffusionSource(DiffusionEngine(model, 2, seed), 2, 100), audio) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert distance_db(first, other) > -40


def test_a_copy_goes_on_from_the_same_state(model):
    audio = material("noise")
    source = Drawn(DiffusionSource(DiffusionEngine(model, 2, 0), 2, 40))
    source.push(audio[:, :17_000])
    twin = source.clone()
    rest = audio[:, 17_000:]
    np.testing.assert_array_equal(source.push(rest), twin.push(rest))


def test_silence_is_not_computed(model, monkeypatch):
    calls = []
    compute = DiffusionEngine._compute
    monkeypatch.setattr(
        DiffusionEngine, "_compute", lambda *a: (calls.append(a[3].shape[1]), compute(*a))[1]
    )
    engine = DiffusionEngine(model, 2, 0)
    assert not run(DiffusionSource(engine, 2, 50), np.zeros((2, 40_000), np.float32)).any()
    assert calls == []
    audio = np.zeros((2, 100_000), np.float32)
    audio[:, 50_000:51_000] = material("noise")[:, :1_000]
    delta = run(DiffusionSource(engine, 2, 50), audio)
    assert delta.any()
    window = model.config.window
    assert not delta[:, : 50_000 - window].any()
    assert not delta[:, 51_000 + window :].any()
    assert len(calls) <= 4


def test_a_step_fills_what_it_is_given_and_nothing_else(model):
    engine = DiffusionEngine(model, 2, 0)
    coded = np.zeros((2, 2 * engine.margin + 20 * engine.hop), np.float32)
    inner = slice(engine.margin, engine.margin + 10 * engine.hop)
    coded[:, inner] = material("noise")[:, : 10 * engine.hop]
    missing = 0.1 * coded[::-1].copy()
    before = coded.copy(), missing.copy()
    out = np.full((2, 20 * engine.hop), np.nan, np.float32)
    engine.step_into(1, 0, coded, missing, out)
    np.testing.assert_array_equal(out, engine.step(1, 0, coded, missing))
    assert out.any()
    assert not out[:, 10 * engine.hop + model.config.window :].any()
    np.testing.assert_array_equal(before, (coded, missing))


@pytest.mark.parametrize("sampler", ["ode", "sde"])
def test_silence_around_that_is_left_out_does_not_count(model, monkeypatch, sampler):
    audio = np.zeros((2, 60_000), np.float32)
    audio[:, 20_000:31_000] = material("noise")[:, :11_000]
    engine = DiffusionEngine(model, 3, 5, sampler)
    spared = run(DiffusionSource(engine, 2, 50), audio)
    spans = []

    def all_of_it(engine, coded):
        spans.append(telling(engine, coded))
        return slice(0, coded.shape[1])

    telling = DiffusionEngine._telling
    monkeypatch.setattr(DiffusionEngine, "_telling", all_of_it)
    whole = run(DiffusionSource(engine, 2, 50), audio)
    assert any(span.start > 0 for span in spans)
    np.testing.assert_allclose(spared, whole, atol=1e-6 * np.abs(whole).max())


class Starved(DiffusionEngine):
    """Computes short pieces only, as though memory were short."""

    error: type[Exception] = MemoryError

    def _compute(self, number, first, coded, missing):
        if coded.shape[1] - 2 * self.margin > 100 * self.hop:
            raise self.error("allocate memory: you tried to allocate 123 bytes")
        return super()._compute(number, first, coded, missing)


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, torch.OutOfMemoryError])
def test_when_memory_runs_out_smaller_pieces_are_tried_and_said(model, error, monkeypatch):
    monkeypatch.setattr(Starved, "error", error)
    told = []
    engine = Starved(model, 2, 3, piece=512)
    engine.on_memory = told.append
    audio = material("noise")
    spared = run(DiffusionSource(engine, 2, 300), audio)
    whole = run(DiffusionSource(DiffusionEngine(model, 2, 3), 2, 300), audio)
    assert distance_db(whole, spared) < -60
    assert told == [256, 128, 64]


def test_other_errors_and_hopeless_ones_are_raised(model, monkeypatch):
    audio = material("noise")
    monkeypatch.setattr(Starved, "error", ValueError)
    with pytest.raises(ValueError, match="123 bytes"):
        run(DiffusionSource(Starved(model, 1, 0), 2, 300), audio)
    monkeypatch.setattr(
        DiffusionEngine, "_compute", lambda *a: (_ for _ in ()).throw(MemoryError())
    )
    with pytest.raises(UncodecError, match="out of memory: not even 64 frames"):
        run(DiffusionSource(DiffusionEngine(model, 1, 0), 2, 300), audio)


def test_arguments_are_checked(model):
    for wrong, rule in (
        ({"steps": 0}, "steps=0: must be from 1 to 32"),
        ({"steps": 33}, "steps=33"),
        ({"seed": -1}, "seed=-1"),
        ({"sampler": "euler"}, "sampler='euler': must be 'ode' or 'sde'"),
        ({"piece": 0}, "piece=0"),
    ):
        with pytest.raises(InvalidValue, match=rule):
            DiffusionEngine(model, **wrong)
    with pytest.raises(InvalidValue, match="channels=3"):
        DiffusionSource(DiffusionEngine(model), 3)
    with pytest.raises(InvalidValue, match="chunk=0"):
        DiffusionSource(DiffusionEngine(model), 2, 0)
