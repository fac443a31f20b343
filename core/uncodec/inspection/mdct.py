"""Lapped transforms at any place of a signal, many at a time, reduced to what the search needs.

The search asks for the same transform at each of a thousand places, and of each only how deep its
coefficients fall. So the kernel works on eight places at once, one in each lane of a vector, and
gives out sums of logarithms instead of coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from uncodec.compiled import compiled
from uncodec.signals import Array

__all__ = ["Mdct", "celt_window", "kbd_window", "sine_window", "vorbis_window"]

LANES = 8
"""Places that are transformed side by side."""


def sine_window(size: int) -> Array:
    """The sine window of MP3's subbands, AAC and WMA, [shape=(size,)]."""
    return np.sin((np.arange(size) + 0.5) * np.pi / size).astype(np.float32)


def vorbis_window(size: int) -> Array:
    """The power-complementary window of Vorbis (Vorbis I specification, 4.3.1), [shape=(size,)]."""
    slope = np.sin((np.arange(size) + 0.5) * np.pi / size) ** 2
    return np.sin(np.pi / 2 * slope).astype(np.float32)


def kbd_window(size: int, alpha: float) -> Array:
    """Kaiser-Bessel-derived window (ISO/IEC 13818-7, ATSC A/52), [shape=(size,)]."""
    half = size // 2
    kaiser = np.i0(np.pi * alpha * np.sqrt(1.0 - (np.arange(half + 1) / (half / 2) - 1.0) ** 2))
    rising = np.sqrt(np.cumsum(kaiser[:-1]) / kaiser.sum())
    return np.concatenate([rising, rising[::-1]]).astype(np.float32)


def celt_window(size: int, overlap: int) -> Array:
    """CELT's window: flat, with short slopes of Vorbis' kind (RFC 6716, 4.3.7), [shape=(size,)]."""
    slopes = vorbis_window(2 * overlap)
    window = np.zeros(size, np.float32)
    gap = (size // 2 - overlap) // 2
    window[gap : gap + overlap] = slopes[:overlap]
    window[gap + overlap : size - gap - overlap] = 1.0
    window[size - gap - overlap : size - gap] = slopes[overlap:]
    return window


# Loops run over slices from 0 on: of any other index Numba asks whether it is negative, and the
# compiler makes no vectors of such loops.
_lanes: Any = numba.njit(fastmath=True, nogil=True)


@_lanes
def _fold_together(row, window, at, half, folded):  # type: ignore[no-untyped-def]
    """The fold of the overlapped halves, at places side by side."""
    size = 2 * half
    for n in range(half):
        w1 = window[3 * half - 1 - n]
        w2 = window[3 * half + n]
        w3 = window[n]
        w4 = window[size - 1 - n]
        r1 = row[at + 3 * half - 1 - n : at + 3 * half + 7 - n]
        r2 = row[at + 3 * half + n : at + 3 * half + n + 8]
        r3 = row[at + n : at + n + 8]
        r4 = row[at + size - 1 - n : at + size + 7 - n]
        upper = folded[8 * n : 8 * n + 8]
        lower = folded[8 * (half + n) : 8 * (half + n) + 8]
        for b in range(8):
            upper[b] = -r1[b] * w1 - r2[b] * w2
            lower[b] = r3[b] * w3 - r4[b] * w4


@_lanes
def _fold_apart(row, window, place, half, folded):  # type: ignore[no-untyped-def]
    """The same at places anywhere."""
    size = 2 * half
    for b in range(8):
        at = place[b]
        for n in range(half):
            folded[n * 8 + b] = (
                -row[at + 3 * half - 1 - n] * window[3 * half - 1 - n]
                - row[at + 3 * half + n] * window[3 * half + n]
            )
            folded[(half + n) * 8 + b] = (
                row[at + n] * window[n] - row[at + size - 1 - n] * window[size - 1 - n]
            )


@_lanes
def _turn_in(folded, twist, half, real, imag):  # type: ignore[no-untyped-def]
    """A cosine transform of type four becomes a complex one of half the size."""
    for n in range(half):
        cos = twist[n, 0]
        sin = twist[n, 1]
        odd_at = (2 * half - 1 - 2 * n) * 8
        even = folded[16 * n : 16 * n + 8]
        odd = folded[odd_at : odd_at + 8]
        re = real[8 * n : 8 * n + 8]
        im = imag[8 * n : 8 * n + 8]
        for b in range(8):
            re[b] = even[b] * cos - odd[b] * sin
            im[b] = even[b] * sin + odd[b] * cos


@_lanes
def _turn_out(real, imag, twist, half, scale, out):  # type: ignore[no-untyped-def]
    """The coefficients out of the complex transform."""
    for n in range(half):
        cos = twist[n, 0] * scale
        sin = twist[n, 1] * scale
        odd_at = (2 * half - 1 - 2 * n) * 8
        re = real[8 * n : 8 * n + 8]
        im = imag[8 * n : 8 * n + 8]
        even = out[16 * n : 16 * n + 8]
        odd = out[odd_at : odd_at + 8]
        for b in range(8):
            even[b] = re[b] * cos - im[b] * sin
            odd[b] = -(re[b] * sin + im[b] * cos)


@_lanes
def _power(left, right, sign, least, out):  # type: ignore[no-untyped-def]
    """Of a channel (sign 0), or of the sum or difference of two."""
    if sign == 0.0:
        for i in range(out.shape[0]):
            out[i] = left[i] * left[i] + least
    else:
        for i in range(out.shape[0]):
            v = left[i] + sign * right[i]
            out[i] = np.float32(0.5) * v * v + least


@_lanes
def _sum_bits(bits, total):  # type: ignore[no-untyped-def]
    """The bits of a float, read as an integer, are its logarithm to within 6 %."""
    for b in range(8):
        total[b] = 0.0
    for k in range(bits.shape[0] // 8):
        row = bits[8 * k : 8 * k + 8]
        for b in range(8):
            total[b] += np.float32(row[b]) * np.float32(2.0**-23)


@_lanes
def _two(ar, ai, br, bi, y0, z0, y1, z1, c1, s1):  # type: ignore[no-untyped-def]
    for q in range(ar.shape[0]):
        er = ar[q] - br[q]
        ei = ai[q] - bi[q]
        y0[q] = ar[q] + br[q]
        z0[q] = ai[q] + bi[q]
        y1[q] = er * c1 - ei * s1
        z1[q] = er * s1 + ei * c1


@_lanes
def _pass_two(xr, xi, roots, used, part, width, yr, yi):  # type: ignore[no-untyped-def]
    w = width
    for j in range(part):
        a = j * w
        b = a + part * w
        t = 2 * a
        _two(
            xr[a : a + w], xi[a : a + w], xr[b : b + w], xi[b : b + w],
            yr[t : t + w], yi[t : t + w], yr[t + w : t + 2 * w], yi[t + w : t + 2 * w],
            roots[used + j, 0], roots[used + j, 1],
        )  # fmt: skip


@_lanes
def _three(ar, ai, br, bi, cr, ci, y, z, w, roots):  # type: ignore[no-untyped-def]
    half = np.float32(0.5)
    sine = np.float32(np.sin(2.0 * np.pi / 3.0))
    c1, s1, c2, s2 = roots[0, 0], roots[0, 1], roots[1, 0], roots[1, 1]
    y0, y1, y2 = y[:w], y[w : 2 * w], y[2 * w :]
    z0, z1, z2 = z[:w], z[w : 2 * w], z[2 * w :]
    for q in range(w):
        sr = br[q] + cr[q]
        si = bi[q] + ci[q]
        ur = sine * (bi[q] - ci[q])
        ui = sine * (cr[q] - br[q])
        tr = ar[q] - half * sr
        ti = ai[q] - half * si
        y0[q] = ar[q] + sr
        z0[q] = ai[q] + si
        y1[q] = (tr + ur) * c1 - (ti + ui) * s1
        z1[q] = (tr + ur) * s1 + (ti + ui) * c1
        y2[q] = (tr - ur) * c2 - (ti - ui) * s2
        z2[q] = (tr - ur) * s2 + (ti - ui) * c2


@_lanes
def _pass_three(xr, xi, roots, used, part, width, yr, yi):  # type: ignore[no-untyped-def]
    w = width
    for j in range(part):
        a = j * w
        b = a + part * w
        c = b + part * w
        t = 3 * a
        _three(
            xr[a : a + w], xi[a : a + w], xr[b : b + w], xi[b : b + w], xr[c : c + w],
            xi[c : c + w], yr[t : t + 3 * w], yi[t : t + 3 * w], w,
            roots[used + 2 * j : used + 2 * j + 2],
        )  # fmt: skip


@_lanes
def _four(ar, ai, br, bi, cr, ci, dr, di, y, z, w, roots):  # type: ignore[no-untyped-def]
    c1, s1, c2, s2 = roots[0, 0], roots[0, 1], roots[1, 0], roots[1, 1]
    c3, s3 = roots[2, 0], roots[2, 1]
    y0, y1, y2, y3 = y[:w], y[w : 2 * w], y[2 * w : 3 * w], y[3 * w :]
    z0, z1, z2, z3 = z[:w], z[w : 2 * w], z[2 * w : 3 * w], z[3 * w :]
    for q in range(w):
        sr = ar[q] + cr[q]
        si = ai[q] + ci[q]
        tr = ar[q] - cr[q]
        ti = ai[q] - ci[q]
        ur = br[q] + dr[q]
        ui = bi[q] + di[q]
        vr = bi[q] - di[q]
        vi = dr[q] - br[q]
        y0[q] = sr + ur
        z0[q] = si + ui
        y1[q] = (tr + vr) * c1 - (ti + vi) * s1
        z1[q] = (tr + vr) * s1 + (ti + vi) * c1
        y2[q] = (sr - ur) * c2 - (si - ui) * s2
        z2[q] = (sr - ur) * s2 + (si - ui) * c2
        y3[q] = (tr - vr) * c3 - (ti - vi) * s3
        z3[q] = (tr - vr) * s3 + (ti - vi) * c3


@_lanes
def _pass_four(xr, xi, roots, used, part, width, yr, yi):  # type: ignore[no-untyped-def]
    w = width
    for j in range(part):
        a = j * w
        b = a + part * w
        c = b + part * w
        d = c + part * w
        t = 4 * a
        _four(
            xr[a : a + w], xi[a : a + w], xr[b : b + w], xi[b : b + w], xr[c : c + w],
            xi[c : c + w], xr[d : d + w], xi[d : d + w], yr[t : t + 4 * w], yi[t : t + 4 * w], w,
            roots[used + 3 * j : used + 3 * j + 3],
        )  # fmt: skip


@_lanes
def _five(x0, i0, x1, i1, x2, i2, x3, i3, x4, i4, y, z, w, roots):  # type: ignore[no-untyped-def]
    cos_a = np.float32(np.cos(2.0 * np.pi / 5.0))
    cos_b = np.float32(np.cos(4.0 * np.pi / 5.0))
    sin_a = np.float32(np.sin(2.0 * np.pi / 5.0))
    sin_b = np.float32(np.sin(4.0 * np.pi / 5.0))
    c1, s1, c2, s2 = roots[0, 0], roots[0, 1], roots[1, 0], roots[1, 1]
    c3, s3, c4, s4 = roots[2, 0], roots[2, 1], roots[3, 0], roots[3, 1]
    y0, y1, y2, y3, y4 = y[:w], y[w : 2 * w], y[2 * w : 3 * w], y[3 * w : 4 * w], y[4 * w :]
    z0, z1, z2, z3, z4 = z[:w], z[w : 2 * w], z[2 * w : 3 * w], z[3 * w : 4 * w], z[4 * w :]
    for q in range(w):
        sr = x1[q] + x4[q]
        si = i1[q] + i4[q]
        tr = x1[q] - x4[q]
        ti = i1[q] - i4[q]
        ur = x2[q] + x3[q]
        ui = i2[q] + i3[q]
        vr = x2[q] - x3[q]
        vi = i2[q] - i3[q]
        y0[q] = x0[q] + sr + ur
        z0[q] = i0[q] + si + ui
        br = x0[q] + cos_a * sr + cos_b * ur
        bi = i0[q] + cos_a * si + cos_b * ui
        cr = x0[q] + cos_b * sr + cos_a * ur
        ci = i0[q] + cos_b * si + cos_a * ui
        dr = sin_a * ti + sin_b * vi
        di = -sin_a * tr - sin_b * vr
        fr = sin_b * ti - sin_a * vi
        fi = -sin_b * tr + sin_a * vr
        y1[q] = (br + dr) * c1 - (bi + di) * s1
        z1[q] = (br + dr) * s1 + (bi + di) * c1
        y2[q] = (cr + fr) * c2 - (ci + fi) * s2
        z2[q] = (cr + fr) * s2 + (ci + fi) * c2
        y3[q] = (cr - fr) * c3 - (ci - fi) * s3
        z3[q] = (cr - fr) * s3 + (ci - fi) * c3
        y4[q] = (br - dr) * c4 - (bi - di) * s4
        z4[q] = (br - dr) * s4 + (bi - di) * c4


@_lanes
def _pass_five(xr, xi, roots, used, part, width, yr, yi):  # type: ignore[no-untyped-def]
    w = width
    for j in range(part):
        a = j * w
        b = a + part * w
        c = b + part * w
        d = c + part * w
        e = d + part * w
        t = 5 * a
        _five(
            xr[a : a + w], xi[a : a + w], xr[b : b + w], xi[b : b + w], xr[c : c + w],
            xi[c : c + w], xr[d : d + w], xi[d : d + w], xr[e : e + w], xi[e : e + w],
            yr[t : t + 5 * w], yi[t : t + 5 * w], w, roots[used + 4 * j : used + 4 * j + 4],
        )  # fmt: skip


def _log_power(
    x: Array,
    starts: NDArray[np.int64],
    window: Array,
    factors: NDArray[np.int64],
    roots: NDArray[np.float32],
    twist: NDArray[np.float32],
    edges: NDArray[np.int64],
    floor: float,
    out: NDArray[np.float32],
) -> None:
    channels = x.shape[0]
    half = window.shape[0] // 4
    size = 2 * half
    zones = edges.shape[0] - 1
    coefficients = np.empty((channels, size * 8), np.float32)
    folded = np.empty(size * 8, np.float32)
    real_a = np.empty(half * 8, np.float32)
    real_b = np.empty(half * 8, np.float32)
    imag_a = np.empty(half * 8, np.float32)
    imag_b = np.empty(half * 8, np.float32)
    power = np.empty(size * 8, np.float32)
    bits = power.view(np.int32)
    place = np.empty(8, np.int64)
    total = np.empty(8, np.float32)
    scale = np.float32(np.sqrt(1.0 / half))
    least = np.float32(floor)
    count = starts.shape[0]
    for first in range(0, count, 8):
        together = True
        for b in range(8):
            place[b] = starts[min(first + b, count - 1)]
            if place[b] != place[0] + b:
                together = False
        for c in range(channels):
            if together:
                _fold_together(x[c], window, place[0], half, folded)
            else:
                _fold_apart(x[c], window, place, half, folded)
            _turn_in(folded, twist, half, real_a, imag_a)
            length = half
            width = 8
            used = 0
            for f in range(factors.shape[0]):
                p = factors[f]
                part = length // p
                if p == 4:
                    _pass_four(real_a, imag_a, roots, used, part, width, real_b, imag_b)
                elif p == 2:
                    _pass_two(real_a, imag_a, roots, used, part, width, real_b, imag_b)
                elif p == 3:
                    _pass_three(real_a, imag_a, roots, used, part, width, real_b, imag_b)
                else:
                    _pass_five(real_a, imag_a, roots, used, part, width, real_b, imag_b)
                used += (p - 1) * part
                length = part
                width *= p
                real_a, real_b = real_b, real_a
                imag_a, imag_b = imag_b, imag_a
            _turn_out(real_a, imag_a, twist, half, scale, coefficients[c])
        signals = 1 if channels == 1 else 4
        for s in range(signals):
            sign = np.float32(0.0 if s < 2 else 1.0 if s == 2 else -1.0)
            mine = coefficients[s] if s < 2 else coefficients[0]
            other = coefficients[channels - 1]
            begin = edges[0] * 8
            end = edges[zones] * 8
            _power(mine[begin:end], other[begin:end], sign, least, power[begin:end])
            for z in range(zones):
                _sum_bits(bits[edges[z] * 8 : edges[z + 1] * 8], total)
                for b in range(min(8, count - first)):
                    out[first + b, s, z] = total[b]


_kernel = compiled(
    "void(float32[:, ::1], int64[::1], float32[::1], int64[::1], float32[:, ::1], float32[:, ::1], "
    "int64[::1], float64, float32[:, :, ::1])",
    _log_power,
    fastmath=True,
)


@lru_cache(maxsize=16)
def _plan(half: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Factors of a complex transform and the twiddle factors of each of its passes."""
    factors, rest = [], half
    for p in (5, 3):
        while rest % p == 0:
            factors.append(p)
            rest //= p
    while rest % 4 == 0:
        factors.append(4)
        rest //= 4
    if rest == 2:
        factors.append(2)
    roots, length = [], half
    for p in factors:
        turns = np.outer(np.arange(length // p), np.arange(1, p)).ravel()
        roots.append(np.exp(-2j * np.pi * turns / length))
        length //= p
    flat = np.concatenate(roots)
    pairs = np.stack([flat.real, flat.imag], axis=1).astype(np.float32)
    return np.array(factors, np.int64), np.ascontiguousarray(pairs)


@dataclass(frozen=True)
class Mdct:
    """A lapped cosine transform with `hop` coefficients and a window of twice as many samples.

    Attributes
    ----------
    window : ndarray [shape=(2 * hop,)]
        Power-complementary: the transform is orthonormal.
    """

    window: Array
    twist: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        turn = -np.pi * (4 * np.arange(self.hop // 2) + 1) / (4 * self.hop)
        pairs = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
        object.__setattr__(self, "twist", np.ascontiguousarray(pairs))

    @property
    def hop(self) -> int:
        """Coefficients of a frame, and samples from one frame to the next."""
        return int(self.window.shape[0]) // 2

    @property
    def reach(self) -> int:
        """Samples that a frame at a place needs from there on."""
        # A lane beside the last place reads a little more.
        return 2 * self.hop + LANES

    def log_power(
        self, x: Array, starts: NDArray[np.int64], edges: NDArray[np.int64], floor: float
    ) -> NDArray[np.float32]:
        """Sums of ``log2(coefficient ** 2 + floor)`` over zones of the spectrum.

        Parameters
        ----------
        x : ndarray [shape=(1 or 2, n)], float32
        starts : ndarray [shape=(places,)]
            Where frames begin: 0 to ``n - reach``.
        edges : ndarray [shape=(zones + 1,)]
            Coefficients at which zones begin, ascending, at most `hop`.
        floor : float
            Power of what is taken for nothing.

        Returns
        -------
        ndarray [shape=(places, signals, zones)], float32
            Signals are left, right, mid and side of stereo, ``(L +- R) / sqrt(2)``; one of mono.
        """
        factors, roots = _plan(self.hop // 2)
        signals = 1 if x.shape[0] == 1 else 4
        out = np.empty((starts.shape[0], signals, edges.shape[0] - 1), np.float32)
        _kernel(x, starts, self.window, factors, roots, self.twist, edges, floor, out)
        return out
