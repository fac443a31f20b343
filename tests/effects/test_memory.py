"""What a plain call leaves behind: little, no threads, no files; and a stream that can go on."""

import gc
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pedalboard
import pytest

from uncodec import (
    ArtefactRepair,
    Board,
    DiffusionRestorer,
    GANRestorer,
    MakeupGain,
    PhaseAligner,
    StereoRepair,
    TransientRepair,
)

RATE = 8000

MAKE = {
    "artefacts": lambda live, offline: ArtefactRepair(),
    "offline": lambda live, offline: DiffusionRestorer(steps=1, model=offline),
    "live": lambda live, offline: GANRestorer(model=live),
    "makeup": lambda live, offline: MakeupGain(target_lufs=-20),
    "phase": lambda live, offline: PhaseAligner(lookahead_s=0.5),
    "stereo": lambda live, offline: StereoRepair(),
    "transients": lambda live, offline: TransientRepair(),
    "effects": lambda live, offline: Board(
        [StereoRepair(), GANRestorer(model=live), MakeupGain(target_lufs=-20)]
    ),
    "offline in a board": lambda live, offline: Board(
        [StereoRepair(), DiffusionRestorer(steps=1, model=offline), pedalboard.Gain()]
    ),
    "natives": lambda live, offline: Board([pedalboard.Reverb(), pedalboard.Limiter()]),
    "mixed": lambda live, offline: Board(
        [pedalboard.Gain(), StereoRepair(), pedalboard.Limiter(), MakeupGain()]
    ),
}


def held_after(effect, seconds):
    """Bytes that stay allocated after a plain call."""
    audio = 0.1 * np.random.default_rng(0).standard_normal((2, round(seconds * RATE)))
    audio = audio.astype(np.float32)
    effect.reset()
    gc.collect()
    tracemalloc.start()
    try:
        # In one block, which must not stay either.
        effect(audio, RATE, buffer_size=audio.shape[1])
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", MAKE)
def test_what_stays_after_a_plain_call_does_not_grow_with_it(kind, model, diffusion_folder):
    effect = MAKE[kind](model, diffusion_folder)
    # Boards keep 30 s for native plugins.
    short, long = (33, 53) if kind in ("mixed", "natives") else (0.5, 2.5)
    held_after(effect, 0.5)  # what is loaded on first use
    grown = held_after(effect, long) - held_after(effect, short)
    assert grown < 0.2 * (long - short) * RATE * 2 * 4


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("kind", ["live", "offline", "effects", "mixed"])
def test_a_plain_call_leaves_no_threads_and_no_files(kind, model, diffusion_folder, noise):
    effect = MAKE[kind](model, diffusion_folder)
    effect(noise(5000), RATE)  # what is loaded on first use

    def open_things():
        return set(Path("/proc/self/fd").iterdir()), threading.active_count()

    before = open_things()
    effect(noise(5000), RATE)
    assert open_things() == before


def test_an_effect_remembers_its_own_stream_and_not_a_copy(noise):
    aligner, makeup = PhaseAligner(), MakeupGain()
    board = Board([aligner, makeup])
    board(noise(5000), RATE)
    running = [stage.runs for stage in board._running._stages]
    assert [each._stream for each in running] == [aligner._stream, makeup._stream]


@pytest.mark.parametrize(
    "rest", [[], [pedalboard.LowpassFilter(1500)], [pedalboard.Reverb(room_size=0.2)]]
)
def test_a_loop_of_very_long_blocks_has_no_gap(delayed, fir, noise, stream_through, rest):
    # Longer than the input that is kept for native plugins.
    block = 35 * RATE
    audio = noise(3 * block)
    board = Board([delayed(400), *rest, fir(61)])
    whole = board(audio, RATE)
    result = stream_through(board, audio, [block, 2 * block], first_resets=True, sample_rate=RATE)
    assert result.shape == whole.shape
    known = np.ones(3 * block, bool)
    known[block - 430 : block] = False
    assert np.abs(result - whole)[:, known].max() < 1e-5


def test_a_board_of_effects_goes_on_from_all_it_has_heard(noise):
    # The gain follows the loudness of everything, the loud minute at the beginning as well.
    audio = noise(70 * RATE)
    audio[:, 35 * RATE :] *= 0.1
    board = Board([StereoRepair(), MakeupGain(target_lufs=-20)])
    board(audio, RATE)
    expected = board[1].wanted_db
    board.process(audio[:, : 69 * RATE], RATE)
    board.process(audio[:, 69 * RATE :], RATE, reset=False)
    assert board[1].wanted_db == pytest.approx(expected, abs=0.01)


def test_an_offline_effect_on_a_board_still_says_that_it_does_not_stream(diffusion_folder, noise):
    board = Board([StereoRepair(), DiffusionRestorer(steps=1, model=diffusion_folder)])
    board(noise(5000), RATE)
    with pytest.raises(ValueError, match="works offline"):
        board.process(noise(5000), RATE, reset=False)
