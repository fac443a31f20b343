"""The process that leads from a coded signal to a restored one, in the companded spectral domain.

It is a conditional flow (Lipman et al., "Flow matching for generative modeling", ICLR 2023) between
two ends: the coded signal with its empty parts filled by noise, and the clean one. On the way, at
time t, the companded spectrum is ``(1 - t) * start + t * end``. The network predicts the end from
there (data prediction), and a step goes towards what it predicts.
"""

from __future__ import annotations

from torch import Tensor

from uncodec.networks.diffusion_scene import Scene, compand, expand

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
        What was added there, see `start_from`.
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
    fresh: Tensor | None = None,
    churn: float = 0.0,
) -> Tensor:
    """Go on from `time` to `later`, towards what the network predicts.

    Without `fresh` this is a step of Euler's method along the flow (deterministic). With it, a part
    of the start that the state still holds is replaced by the start made of other noise, which
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
    fresh : Tensor [shape=(batch, 2, frames, bins)], complex, optional
        From `start_from`, of other noise.
    churn : float
        Share of the amplitude that is replaced, 0 to 1.
    """
    if later >= 1.0:
        return delta
    now = compand(scene.coded + missing, scene.scale)
    end = compand(scene.coded + delta, scene.scale)
    start = (now - time * end) / (1.0 - time)
    if fresh is not None and churn > 0.0:
        base = compand(scene.coded, scene.scale)
        other = compand(scene.coded + fresh, scene.scale)
        start = base + (1.0 - churn**2) ** 0.5 * (start - base) + churn * (other - base)
    return expand(start + later * (end - start), scene.scale) - scene.coded
