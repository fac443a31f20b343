"""What the diffusion network knows before it starts: the coded signal's spectrum and its outline.

Levels are decades of power (log10). The outline follows the peaks of the spectrum and is carried on
beyond the last part with content, so that whether a recording is dark or bright is seen at the edge
of what the codec left. Everything later is measured relative to it: the companded spectra and the
network's features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d, max_pool2d, pad

__all__ = [
    "CELLS",
    "SCENE_REACH",
    "Scene",
    "compand",
    "expand",
    "look_at",
    "weigh",
]

CELLS = 128
"""Parts of equal width that the outline divides the spectrum into."""

SCENE_REACH = 16
"""Frames to either side that a frame of the scene depends on."""

# log10 of power below which a bin counts as empty: near the rounding noise of a 16-bit file.
FLOOR = 1e-8
# log10 of mean power of a frame up to which it counts as silent.
SILENCE = -7.9
# Decades per frame by which a peak's hold falls, after it and (an attack must not be taken for what
# came before it) ahead of it.
FALL, RISE = 0.16, 0.5
# Softens the root at zero, in power relative to the outline.
SOFT = 1e-6


class Scene(NamedTuple):
    """The coded signal as the network sees it.

    Attributes
    ----------
    coded : Tensor [shape=(batch, 2, frames, bins)], complex
        Mid and side.
    level, outline : Tensor [shape=(batch, 2, frames, bins)]
        Decades of power, of the signal itself and of its outline.
    content : Tensor [shape=(batch, 2, frames, bins)]
        1 where the codec left content, 0 elsewhere.
    scale : Tensor [shape=(batch, 2, frames, bins)]
        Amplitude of a noise that runs along the outline.
    reference : Tensor [shape=(batch, frames)]
        Level of the loudest frame around, decades.
    sounding : Tensor [shape=(batch, frames)]
        0 where the signal is silent, else 1.
    """

    coded: Tensor
    level: Tensor
    outline: Tensor
    content: Tensor
    scale: Tensor
    reference: Tensor
    sounding: Tensor


def weigh(spectrum: Tensor, gain: Tensor) -> Tensor:
    """Multiply a complex spectrum by a real gain, three times faster than torch's own product."""
    return torch.complex(spectrum.real * gain, spectrum.imag * gain)


def compand(spectrum: Tensor, scale: Tensor) -> Tensor:
    """Divide a spectrum by `scale` and take the root of its magnitudes, phases kept."""
    power = spectrum.real.square() + spectrum.imag.square()
    relative = power / scale.square() + SOFT
    return weigh(spectrum, relative.sqrt().rsqrt() / scale)


def expand(companded: Tensor, scale: Tensor) -> Tensor:
    """Undo `compand`."""
    power = companded.real.square() + companded.imag.square()
    return weigh(companded, power.sqrt() * scale)


def look_at(coded: Tensor) -> Scene:
    """Measure the coded signal.

    Parameters
    ----------
    coded : Tensor [shape=(batch, 2, frames, bins)], complex
        Un-normalised spectra of mid and side.
    """
    power = coded.real.square() + coded.imag.square()
    level = torch.log10(power + FLOOR)
    energy = torch.log10(power.mean(dim=(1, 3)) + FLOOR)
    reference = max_pool1d(energy[:, None], 33, stride=1, padding=16)[:, 0]
    outline, content = _outline(level)
    return Scene(
        coded=coded,
        level=level,
        outline=outline,
        content=content,
        # Peaks stand about a decade above the mean of a noise.
        scale=torch.exp(1.151292546 * (outline - 1.0)),
        reference=reference,
        sounding=(energy > SILENCE).to(level.dtype),
    )


def _outline(level: Tensor) -> tuple[Tensor, Tensor]:
    """Outline and content, see `Scene`.

    A cell has content when it or a neighbour lies within a decade of an envelope that falls by 0.08
    decades a cell (the edge of a low-pass is far steeper), and above the rounding noise of a 16-bit
    file. A cell without gets the level of the last one below that has some, less 0.024 decades a
    cell.
    """
    bins = level.shape[3]
    width = (bins - 1) // CELLS
    peaks = max_pool2d(level[..., : CELLS * width], (1, width), stride=(1, width))
    for shift in (1, 2, 4, 8):  # holds of up to 15 frames, by doubling
        after = pad(peaks[:, :, :-shift], (0, 0, shift, 0), value=-8.0) - FALL * shift
        ahead = pad(peaks[:, :, shift:], (0, 0, 0, shift), value=-8.0) - RISE * shift
        peaks = torch.maximum(peaks, torch.maximum(after, ahead))
    around = max_pool2d(peaks, (1, 3), stride=1, padding=(0, 1))
    place = torch.arange(CELLS, device=level.device, dtype=level.dtype)
    slope = 0.08 * place
    envelope = torch.cummax(around + slope, dim=3)[0] - slope
    content = (around > (envelope - 1.0).clamp(min=-6.5)).to(level.dtype)
    last = torch.cummax(content * place, dim=3)[0]
    carried = torch.gather(around, 3, last.long()) - 0.024 * (place - last)
    return _to_bins(carried, width), _to_bins(content, width)


def _to_bins(cells: Tensor, width: int) -> Tensor:
    """Repeat cells over their bins; the bin at half the rate continues the last."""
    wide = cells.repeat_interleave(width, dim=3)
    return torch.cat([wide, wide[..., -1:]], dim=3)
