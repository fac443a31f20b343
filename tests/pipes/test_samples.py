"""Samples in bytes come out as they went in where nothing was changed, however they were cut."""

import numpy as np
import pytest
from tests.pipes.light_pipe import Halving

from uncodec.errors import InvalidValue
from uncodec.pipes.samples import FORMATS, PcmThrough, sample_format


def pcm(name, factor, channels=2):
    form = sample_format(name)
    return PcmThrough(form, channels, Halving(factor).open_stream(48000, channels))


def random_bytes(name, frames, channels=2):
    rng = np.random.default_rng(3)
    if name == "f32le":
        return rng.standard_normal((frames, channels)).astype("<f4").tobytes()
    return rng.bytes(frames * channels * FORMATS[name].bytes)


def run(through, data, step):
    parts = [through.push(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join([*parts, through.finish()])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
def test_what_is_left_alone_is_the_same_bits(name, step):
    data = random_bytes(name, 1500 if step > 1 else 800)
    assert run(pcm(name, 1.0), data, step) == data


@pytest.mark.parametrize(("name", "width"), [("s16le", 2), ("s24le", 3), ("s32le", 4)])
def test_what_is_changed_is_rounded(name, width):
    data = random_bytes(name, 3000)
    found, halved = values(run(pcm(name, 0.5), data, 999), width), values(data, width) / 2
    # Two steps of dither peak to peak, rounding, and what float32 holds.
    assert np.abs(found - halved).max() <= max(1.5, 2.0 ** (8 * width - 26))
    assert run(pcm(name, 0.5), data, 999) == run(pcm(name, 0.5), data, 10**6)


def values(data, width):
    return np.array(
        [
            int.from_bytes(data[at : at + width], "little", signed=True)
            for at in range(0, len(data), width)
        ],
        float,
    )


def test_full_scale_is_cut_and_counted_where_it_was_changed():
    data = np.array([[32767, -32768]] * 2000, "<i2").tobytes()
    through = pcm("s16le", 1.0)
    assert run(through, data, 500) == data
    assert through.clipped == 0
    through = pcm("s16le", 3.0)
    found = np.frombuffer(run(through, data, 500), "<i2").reshape(-1, 2)
    assert (found == [32767, -32768]).all()
    assert through.clipped == 4000


def test_floats_that_are_no_numbers_are_silence():
    audio = np.ones((2000, 2), "<f4")
    audio[5, 1], audio[6, 0] = np.nan, np.inf
    through = pcm("f32le", 1.0)
    found = np.frombuffer(run(through, audio.tobytes(), 800), "<f4").reshape(-1, 2)
    assert through.silenced == 2
    assert (found[5:7] == [[1, 0], [0, 1]]).all()
    assert found.sum() == 3998


def test_what_is_no_whole_frame_waits():
    through = pcm("s24le", 1.0)
    through.push(b"\0" * 17)
    assert (through.frames, through.rest, through.frame_bytes) == (2, 5, 6)
    through.push(b"\0")
    assert (through.frames, through.rest) == (3, 0)


def test_other_formats_are_refused():
    with pytest.raises(InvalidValue, match="format='f64le': must be wav or one of f32le, s16le"):
        sample_format("f64le")
