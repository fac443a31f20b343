"""The transforms: orthonormal, right at any place, and MP3's bank is that of its decoders."""

from __future__ import annotations

import av
import numpy as np
import pytest

from uncodec.inspection.hybrid_bank import HALF_PROTOTYPE, HybridBank
from uncodec.inspection.mdct import Mdct, celt_window, kbd_window, sine_window, vorbis_window

FLOOR = 1e-9


@pytest.mark.parametrize(
    "window",
    [
        sine_window(2048), kbd_window(2048, 4.0), vorbis_window(2048), celt_window(1920, 120),
        kbd_window(512, 5.0), sine_window(4096),
    ],
    ids=["sine", "kbd", "vorbis", "celt", "ac3", "wma"],
)  # fmt: skip
def test_a_transform_is_the_sum_that_defines_it(window):
    hop = len(window) // 2
    x = np.random.default_rng(0).normal(0, 1, (2, 4 * hop + 100)).astype(np.float32)
    starts = np.array([0, 1, 2, 3, 4, 5, 6, 7, hop, 13, 50])
    found = Mdct(window).log_power(x, starts, np.arange(0, hop + 1, hop // 4), FLOOR)
    n, k = np.arange(2 * hop)[:, None], np.arange(hop)
    cosines = np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5)) * np.sqrt(2 / hop)
    for number, start in enumerate(starts):
        left, right = (x[:, start : start + 2 * hop] * window) @ cosines
        signals = (left, right, (left + right) / np.sqrt(2), (left - right) / np.sqrt(2))
        wanted = [np.log2(s**2 + FLOOR).reshape(4, -1).sum(axis=1) for s in signals]
        # A coefficient near nothing has a logarithm of its own rounding.
        assert found[number] == pytest.approx(np.array(wanted), abs=1.0)
        assert np.median(np.abs(found[number] - wanted)) < 0.02


@pytest.mark.parametrize("window", [sine_window(64), vorbis_window(64), kbd_window(64, 4.0)])
def test_windows_are_power_complementary(window):
    assert window[:32] ** 2 + window[32:] ** 2 == pytest.approx(1.0, abs=1e-6)


def layer_one_frame(band, value):
    """A frame of MPEG-1 layer I, mono, 44.1 kHz, in which one sample of one band is not zero."""
    bits = []

    def put(number, width):
        bits.extend((number >> (width - 1 - i)) & 1 for i in range(width))

    for number, width in ((0xFFF, 12), (1, 1), (3, 2), (1, 1), (14, 4), (0, 4), (3, 2), (0, 6)):
        put(number, width)
    for _ in range(32):
        put(7, 4)
    for _ in range(32):
        put(9, 6)
    for slot in range(12):
        for other in range(32):
            put(value if (slot, other) == (0, band) else 127, 8)
    data = np.packbits(np.array(bits, np.uint8)).tobytes()
    return data.ljust(12 * 448000 // 44100 * 4, b"\0")


def test_the_prototype_is_the_one_that_decoders_have():
    heard = np.zeros(512)
    n = np.arange(512)
    weight = np.zeros(512)
    for band in range(32):
        decoder = av.CodecContext.create("mp1float", "r")
        silent = layer_one_frame(band, 127)
        frames = [silent, silent, layer_one_frame(band, 254), silent, silent, silent]
        out = [f.to_ndarray() for data in frames for f in decoder.decode(av.Packet(data))]
        response = np.concatenate(out, axis=1)[0][768 : 768 + 512].astype(float)
        cosine = np.cos((2 * band + 1) * (n + 16) * np.pi / 64)
        heard += response * cosine
        weight += cosine**2
    told = weight > 1e-6
    taps = heard[told] / weight[told] / (0.25 * 254 / 255) * 65536
    half = np.array(HALF_PROTOTYPE)
    wanted = np.concatenate([half, half[-2:0:-1]])[told]
    assert np.round(taps).astype(int).tolist() == wanted.tolist()


def test_the_hybrid_bank_keeps_power():
    x = np.random.default_rng(1).normal(0, 1, (1, 30000)).astype(np.float32)
    starts = np.arange(0, 20000, 191)
    lines = np.arange(577)
    found = HybridBank().log_power(x, starts, lines, FLOOR)
    # The mean of the logarithm of the square of a normal value.
    assert found.mean() == pytest.approx(-(np.euler_gamma + np.log(2)) / np.log(2), abs=0.1)


def test_places_are_told_one_by_one():
    """In groups that share their slots or not: a place alone gives what it gives among others."""
    x = np.random.default_rng(2).normal(0, 1, (2, 9000)).astype(np.float32)
    bank, edges = HybridBank(), np.array([0, 100, 300, 576])
    starts = np.array([0, 32, 5, 700, 37, 3000])
    together = bank.log_power(x, starts, edges, FLOOR)
    for number in range(len(starts)):
        alone = bank.log_power(x, starts[number : number + 1], edges, FLOOR)
        assert together[number] == pytest.approx(alone[0], rel=1e-4)
