"""What the tests of training are made with."""

import json

import numpy as np
import torch

from uncodec.training.pairs import PairSet


def low_passed(audio, share):
    """Without the upper part of the spectrum."""
    spectrum = np.fft.rfft(audio)
    spectrum[..., round(share * spectrum.shape[-1]) :] = 0
    return np.fft.irfft(spectrum, n=audio.shape[-1]).astype(np.float32)


def write_pairs(folder, codings, samples=33075, tones=False):
    """White noise and its low-passed twin for each (codec, kbps, share of the spectrum kept).

    With `tones` there is a loud one in each, so that there is something to foretell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for index, (codec, kbps, share) in enumerate(codings):
        clean = (0.1 * rng.standard_normal((2, samples))).astype(np.float32)
        if tones:
            clean += np.sin(np.arange(samples) * 0.05 * (index + 1)).astype(np.float32)
        coded = clean if share == 1 else low_passed(clean, share)
        np.save(folder / f"{index:06d}.npy", np.stack([clean, coded]))
        note = {"index": index, "rate": 44100, "codec": codec, "kbps": kbps}
        (folder / f"{index:06d}.json").write_text(json.dumps(note))
    return PairSet(folder)


def weights(network):
    """All weights of a network."""
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def rows(folder):
    """Rows of the log of a run."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
