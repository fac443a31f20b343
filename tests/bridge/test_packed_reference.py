"""References as plugins save and send them: nothing that is heard is lost on the way."""

import numpy as np
import pytest

from uncodec._native import pack_reference, unpack_reference
from uncodec.balance import Balance
from uncodec.bridge.packed_reference import described, pack, read, unpack, written
from uncodec.effects.reference import as_balance
from uncodec.errors import InvalidValue

# Centres of the bands of networks, which run at these rates.
BANDS = {rate: ((np.arange(64) + 0.5) * 8 + 0.5) * rate / 1024 for rate in (44100, 48000)}


def measured(rate, seconds=1.5):
    rng = np.random.default_rng(rate)
    spectrum = np.fft.rfft(rng.normal(0, 0.1, (2, round(rate * seconds))))
    frequencies = np.fft.rfftfreq(round(rate * seconds), 1 / rate)
    spectrum *= 1 / (1 + (frequencies / 2000) ** 2)
    return as_balance((np.fft.irfft(spectrum).astype(np.float32), rate))


@pytest.mark.parametrize(
    "rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 64000, 88200, 96000, 176400, 192000]
)
def test_what_is_heard_of_a_measured_balance_comes_back_at_every_rate(rate):
    balance = measured(rate)
    back = read(pack(balance))
    assert back is not None
    assert (back.name, back.cutoff_hz) == (balance.name, balance.cutoff_hz)
    for centres in BANDS.values():
        # In power: an error of a millionth of a decibel.
        np.testing.assert_allclose(back.powers(centres), balance.powers(centres), rtol=3e-6)


def test_a_balance_on_another_grid_is_interpolated():
    frequencies = (50.0, 1000.0, 4000.0, 16000.0)
    balance = Balance("mine", frequencies, (3.0, 0.0, -10.0, -30.0), 15_000.0)
    back = read(pack(balance))
    assert back is not None
    assert back.cutoff_hz == 15_000.0
    centres = BANDS[48000]
    expected = np.interp(centres, frequencies, balance.levels_db)
    np.testing.assert_allclose(
        np.interp(centres, back.frequencies, back.levels_db), expected, atol=1e-5
    )


def test_beyond_the_last_band_of_another_grid_nothing_is_known():
    back = read(pack(Balance("mine", (50.0, 1000.0, 9000.0), (0.0, 0.0, -9.0), 20_000.0)))
    assert back is not None
    assert back.cutoff_hz == 9000.0


def test_names_of_paths_are_those_of_files_and_are_cut():
    balance = measured(44100)
    for name, expected in [
        ("/music/an album/song.flac", "song.flac"),
        ("array", "array"),
        ("ü" * 40, "ü" * 32),
        ("a\nb", "a\ufffdb"),
    ]:
        back = read(pack(Balance(name, balance.frequencies, balance.levels_db, 20_000.0)))
        assert back is not None
        assert back.name == expected


@pytest.mark.parametrize(
    ("balance", "rule"),
    [
        (Balance("x", (), (), 1e4), "as many levels as frequencies, got 0 and 0"),
        (Balance("x", (100.0, 200.0), (0.0,), 1e4), "got 1 and 2"),
        (Balance("x", (100.0, 200.0), (0.0, np.nan), 1e4), "level=NaN"),
        (Balance("x", (450.0,), (0.0,), 0.0), "cut-off=0"),
        (Balance("x", (450.0,), (0.0,), np.nan), "cut-off=NaN"),
        (Balance("x", (-450.0,), (0.0,), 1e4), "width=-100"),
    ],
)
def test_balances_without_sense_are_refused(balance, rule):
    with pytest.raises(InvalidValue, match=rule):
        pack(balance)


def test_bytes_that_are_no_reference_are_refused():
    packed = bytearray(pack(measured(44100)))
    assert len(packed) == 600
    with pytest.raises(InvalidValue, match="has 599 bytes, must have 600"):
        read(bytes(packed[:599]))
    packed[0] = 129
    with pytest.raises(InvalidValue, match="bands=129: must be 1 to 128"):
        read(bytes(packed))
    assert read(bytes(600)) is None


def test_levels_beyond_all_sense_are_brought_into_range():
    packed = pack_reference("x", width_hz=40.0, cutoff_hz=1e4, levels_db=[np.inf, -200.0, 1.5])
    assert unpack_reference(packed) == ("x", 40.0, 1e4, [120.0, -120.0, 1.5])


def test_a_text_of_it_is_told_by_name_and_digest():
    text = written(pack(measured(48000)))
    balance = unpack(text)
    assert balance is not None
    assert described(text) == {"name": "array", "digest": balance.digest}
    assert unpack("") is described("") is None
