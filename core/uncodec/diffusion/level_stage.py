"""The stage behind a sampler's steps: what was added gets the levels that level networks say.

A network may hear what comes as well as what was. It hears a stretch with twelve seconds on either
side, so that the levels of two stretches differ by little where they meet. From as much a gate
tells whether there was a codec at all; where there was none, nothing is added.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from uncodec.networks.gate import GateNetwork, gate_opening, trace_features
from uncodec.networks.level_features import (
    BANDS,
    FLOOR,
    HOP,
    WINDOW,
    level_features,
)
from uncodec.networks.levelled import set_levels_offline
from uncodec.networks.levels import LevelNetwork
from uncodec.networks.spectra import audio_to_frames, change_to_audio
from uncodec.signals import Array
from uncodec.streams.brightness import Brightness
from uncodec.streams.delta_bound import DeltaBound

__all__ = ["LevelStage", "hold_to_bound"]

_AROUND = 1024
"""Frames on either side of a stretch that are heard with it."""


class LevelStage:
    """Sets the levels of stretches.

    Parameters
    ----------
    networks : sequence of LevelNetwork
        Of one direction or of both, at least one. The mean of the levels that they say is played:
        two that were trained apart err less together (docs/research/2026-11-29-level-limits.md).
    sample_rate : float
        In Hz; `brightness` alone needs to know it.
    gate : GateNetwork, optional
        Shuts off what was added to a signal that was not coded.

    Attributes
    ----------
    brightness : Brightness
        Tilts what is added, behind the levels.
    margin : int
        Samples needed on either side of a stretch, a multiple of 512.
    """

    margin = _AROUND * HOP

    def __init__(
        self,
        networks: Sequence[LevelNetwork],
        sample_rate: float = 44100,
        gate: GateNetwork | None = None,
    ) -> None:
        self.brightness = Brightness(WINDOW // 2 + 1, sample_rate)
        self._networks, self._gate = tuple(networks), gate
        self._device = self._networks[0].leave.weight.device

    def step_into(self, coded: Array, missing: Array, out: Array) -> None:
        """Set the levels of a stretch.

        Parameters
        ----------
        coded, missing : ndarray [shape=(2, margin + samples + margin)], float32
            Mid and side of the coded signal and of what was added; `samples` a multiple of 512.
        out : ndarray [shape=(2, samples)], float32
            Gets what is added.
        """
        inner = slice(self.margin, self.margin + out.shape[1])
        if not (missing[:, inner].any() and coded.any()):
            out[:] = 0.0
            return
        # The frames that hold a sample of the stretch, and those around it that are heard.
        with torch.inference_mode():
            audio = self._tensor(coded)
            heard, added = (audio_to_frames(x, WINDOW, HOP) for x in (audio, self._tensor(missing)))
            # The networks learned from music, not from silence before it and behind it.
            found = torch.nonzero((heard != 0).any(2).any(0))
            sounding = slice(int(found[0]), int(found[-1]) + 1)
            span = slice(_AROUND - 1, _AROUND + out.shape[1] // HOP)
            opening = self._opening(audio, sounding)[:, span]
            if not opening.any():
                out[:] = 0.0
                return
            features = level_features(heard).transpose(0, 1)[None]
            played, loudest = (x[:, span] for x in self._said(features, sounding))
            frames = torch.view_as_real(added[None, :, span])
            share = torch.ones_like(opening)
            levels = features[:, span, :, :BANDS]
            frames = set_levels_offline(frames, levels, played, loudest, share)
            frames = frames * opening[:, None, :, None, None]
            delta = torch.view_as_complex(frames.contiguous())
            coded_frames = heard[None, :, span].contiguous()
            delta = hold_to_bound(delta, coded_frames, self.brightness)
            samples = change_to_audio(delta, coded_frames, WINDOW, HOP, share)
            out[:] = samples[0, :, HOP:-HOP].cpu().numpy()

    def _said(self, features: Tensor, sounding: slice) -> tuple[Tensor, Tensor]:
        """Levels to be played, and those not likely to have been exceeded, of frames that sound."""
        around = features[:, sounding]
        said = []
        for network in self._networks:
            level, spread, played, _ = network(around, network.initial_state(1))
            said.append(torch.stack([played, network.loudest(level, spread)]))
        both = features.new_full((2, *features.shape[:-1], BANDS), FLOOR)
        both[:, :, sounding] = torch.stack(said).mean(0)
        return both[0], both[1]

    def _opening(self, audio: Tensor, sounding: slice) -> Tensor:
        """Share of what was added that is kept, [shape=(1, frames)]."""
        opening = audio.new_ones(1, audio.shape[1] // HOP - 1)
        if self._gate is not None:
            opening[:, sounding] = gate_opening(
                self._gate(trace_features(audio[None])[:, sounding])
            )
        return opening

    def _tensor(self, audio: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(audio)).to(self._device)


def hold_to_bound(result: Tensor, coded: Tensor, brightness: Brightness) -> Tensor:
    """Tilt spectra of what is added, then hold them to `DeltaBound`.

    Spectra have the shape (1, 2, frames, bins), and are complex.
    """
    delta, heard = (x[0].transpose(0, 1).cpu().contiguous().numpy() for x in (result, coded))
    brightness.tilt_into(delta)
    DeltaBound(2, delta.shape[2]).hold_into(delta, heard)
    return torch.from_numpy(delta).transpose(0, 1)[None].to(result.device)
