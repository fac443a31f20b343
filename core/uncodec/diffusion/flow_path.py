"""The process that leads from a coded signal to a restored one, in the companded spectral domain.

It is a conditional flow (Lipman et al., "Flow matching for generative modeling", ICLR 2023) between
two ends: what the live engine restores, noise and all, and the clean signal. To start from what a
faster network predicts and not from noise is the idea of StoRM (Lemercier et al., "StoRM: a
diffusion-based stochastic regeneration model for speech enhancement and dereverberation", IEEE/ACM
TASLP 31, 2023). On the way, at time t, the companded spectrum is ``(1 - t) * start + t * end``. The
network predicts the end from there (data prediction), and a step goes towards what it predicts.
"""

from __future__ import annotations

from torch import Tensor

from uncodec.networks.diffusion_scene import Scene, compand, expand, weigh

__all__ = ["advance", "between", "time_grid"]


def time_grid(steps: int) -> list[float]:
    """Times of the network's calls, 0 first, and 1 at the end: ``steps + 1`` numbers."""
    return [k / steps for k in range(steps)] + [1.0]


def between(scene: Scene, start: Tensor, end: Tensor, time: Tensor) -> Tensor:
    """What was added to the coded spectrum at a time between the start and the end.

    Parameters
    ----------
    scene : Scene
    start, end : Tensor [shape=(batch, 2, frames, bins)], complex
        What was added there.
    time : Tensor [shape=(batch,)]
        From 0 to 1.

    Returns
    -------
    Tensor [shape=(batch, 2, frames, bins)], complex
    """
    share = time[:, None, None, None]
    first = compand(scene.coded + start, scene.scale)
    last = compand(scene.coded + end, scene.scale)
    return expand(first + share * (last - first), scene.scale) - scene.coded


def advance(
    scene: Scene,
    missing: Tensor,
    delta: Tensor,
    time: float,
    later: float,
    noise: Tensor | None = None,
    churn: float = 0.0,
) -> Tensor:
    """Go on from `time` to `later`, towards what the network predicts.

    Without `noise` this is a step of Euler's method along the flow (deterministic). With it, a part
    of what was added at the start, and is still in the state, gets the phases of the noise and
    keeps its power: a step of the stochastic sampler.

    Parameters
    ----------
    scene : Scene
    missing : Tensor [shape=(batch, 2, frames, bins)], complex
        What was added to the coded spectrum up to `time`.
    delta : Tensor [shape=(batch, 2, frames, bins)], complex
        What the network predicts for time 1.
    time, later : float
        ``0 <= time < later <= 1``.
    noise : Tensor [shape=(batch, 2, frames, bins)], complex, optional
        Spectra of white noise.
    churn : float
        Share of the amplitude that gets other phases, 0 to 1.
    """
    if later >= 1.0:
        return delta
    now = compand(scene.coded + missing, scene.scale)
    end = compand(scene.coded + delta, scene.scale)
    start = (now - time * end) / (1.0 - time)
    if noise is not None and churn > 0.0:
        base = compand(scene.coded, scene.scale)
        added = start - base
        turned = weigh(noise, added.abs() / (noise.abs() + 1e-12))
        start = base + (1.0 - churn**2) ** 0.5 * added + churn * turned
    return expand(start + later * (end - start), scene.scale) - scene.coded
