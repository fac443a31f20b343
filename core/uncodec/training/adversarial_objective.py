"""An adversary beside another objective of the live generator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uncodec.errors import InvalidValue
from uncodec.networks.codec_net import CodecNet
from uncodec.networks.discriminators import ProjectedDiscriminator, SpectralDiscriminator
from uncodec.networks.generator import Generator
from uncodec.training.feed import device_of
from uncodec.training.loop import Objective
from uncodec.training.pair_objective import Crops
from uncodec.training.restoration_objective import RestorationObjective

__all__ = ["ADVERSARIES", "AdversarialObjective", "Adversary", "AdversarySettings"]

ADVERSARIES = ("none", "spectral", "projected", "both")


class Adversary:
    """Discriminators with their own optimiser.

    Hinge losses (J. H. Lim and J. C. Ye, "Geometric GAN", 2017) and feature matching (A. B. L.
    Larsen et al., 2016), each averaged over the maps of a discriminator.

    Parameters
    ----------
    kind : str
        "spectral", "projected" or "both".
    features : CodecNet or None
        The feature network of the projected kind.
    seed : int
    learning_rate : float
    device : str

    Raises
    ------
    InvalidValue
        Unknown kind, or no feature network where one is needed.
    """

    def __init__(
        self,
        kind: str,
        features: CodecNet | None,
        *,
        seed: int,
        learning_rate: float,
        device: str = "cpu",
    ) -> None:
        if kind not in ADVERSARIES[1:]:
            raise InvalidValue(f"adversary={kind!r}: must be one of {', '.join(ADVERSARIES)}")
        self.judges = nn.ModuleDict()
        torch.manual_seed(seed)
        if kind in ("spectral", "both"):
            self.judges["spectral"] = SpectralDiscriminator()
        if kind in ("projected", "both"):
            if features is None:
                raise InvalidValue(f"adversary={kind!r}: needs a trained codec network")
            self.judges["projected"] = ProjectedDiscriminator(features, seed=seed)
        self.judges.to(device)
        trained = [p for p in self.judges.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(trained, lr=learning_rate, betas=(0.5, 0.99))

    @staticmethod
    def _level(clean: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        # Judged at one level, so that quiet recordings teach as much as loud ones.
        scale = 0.1 / (clean.square().mean((1, 2), keepdim=True).sqrt() + 1e-4)
        return clean * scale, other * scale

    def learn(self, clean: Tensor, restored: Tensor) -> float:
        """One step of the discriminators.

        Parameters
        ----------
        clean, restored : Tensor [shape=(batch, 2, samples)]

        Returns
        -------
        float
            Mean hinge loss; 2 when they cannot tell the two apart, 0 when they always can.
        """
        clean, restored = self._level(clean, restored.detach())
        losses = []
        with torch.autocast(clean.device.type, torch.bfloat16):
            for judge in self.judges.values():
                real, _ = judge(clean)
                fake, _ = judge(restored)
                losses += [
                    torch.relu(1 - r.float()).mean() + torch.relu(1 + f.float()).mean()
                    for r, f in zip(real, fake, strict=True)
                ]
        total = torch.stack(losses).mean()
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        self.optimiser.step()
        return float(total.detach())

    def judge(self, clean: Tensor, restored: Tensor) -> tuple[Tensor, Tensor]:
        """What the generator is told.

        Returns
        -------
        verdict : Tensor, scalar
            Mean negative verdict.
        matching : Tensor, scalar
            Mean absolute difference of the features, relative to the clean ones' mean.
        """
        clean, restored = self._level(clean, restored)
        verdicts, matching = [], []
        self.judges.requires_grad_(False)
        with torch.autocast(clean.device.type, torch.bfloat16):
            for judge in self.judges.values():
                with torch.no_grad():
                    _, wanted = judge(clean)
                found, got = judge(restored)
                verdicts += [-verdict.float().mean() for verdict in found]
                matching += [
                    (g - w).abs().float().mean() / (w.abs().float().mean() + 1e-6)
                    for w, g in zip(wanted, got, strict=True)
                ]
        for group in self.optimiser.param_groups:
            for parameter in group["params"]:
                parameter.requires_grad_(True)
        return torch.stack(verdicts).mean(), torch.stack(matching).mean()

    def state_dict(self) -> dict[str, Any]:
        """State of discriminators and optimiser."""
        return {"judges": self.judges.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.judges.load_state_dict(state["judges"])
        self.optimiser.load_state_dict(state["optimiser"])


@dataclass(frozen=True)
class AdversarySettings:
    """The adversary and its weights.

    Attributes
    ----------
    adversary : str
        "none", "spectral", "projected" or "both".
    adversary_after : int
        Step from which on the adversary counts.
    verdict, matching : float
        Weights of the adversary's verdict and of the distance between its features.
    learning_rate : float
        Of the discriminators.
    """

    adversary: str = "none"
    adversary_after: int = 0
    verdict: float = 0.5
    matching: float = 1.0
    learning_rate: float = 1.5e-3

    def __post_init__(self) -> None:
        if self.adversary not in ADVERSARIES:
            rule = f"must be one of {', '.join(ADVERSARIES)}"
            raise InvalidValue(f"adversary={self.adversary!r}: {rule}")


class AdversarialObjective(Objective[Generator, Crops]):
    """Discriminators learn to tell restored from clean, and the generator to deceive them.

    Parameters
    ----------
    base : RestorationObjective
        What is lowered besides.
    settings : AdversarySettings
    features : CodecNet, optional
        Feature network of a projected adversary.
    """

    SETTINGS = AdversarySettings

    def __init__(
        self,
        base: RestorationObjective,
        settings: AdversarySettings,
        features: CodecNet | None = None,
    ) -> None:
        self.base, self.settings, self.network = base, settings, base.network
        self.adversary = Adversary(
            settings.adversary,
            features,
            seed=base.settings.seed,
            learning_rate=settings.learning_rate,
            device=str(device_of(base.network)),
        )

    def describe(self) -> dict[str, Any]:
        return self.base.describe() | asdict(self.settings)

    def batches(self, first: int, stop: int) -> Iterator[Crops]:
        return self.base.batches(first, stop)

    def losses(self, batch: Crops, step: int) -> dict[str, Tensor]:
        heard = self.base.hear(batch, step)
        parts = self.base.sound(heard, step)
        if step >= self.settings.adversary_after:
            hinge = self.adversary.learn(heard.clean, heard.restored)
            verdict, matching = self.adversary.judge(heard.clean, heard.restored)
            parts["verdict"] = self.settings.verdict * verdict
            parts["matching"] = self.settings.matching * matching
            parts["hinge"] = torch.tensor(hinge)
        return parts | self.base.care(heard)

    def validate(self, network: Generator) -> Mapping[str, Any] | None:
        return self.base.validate(network)

    def state_dict(self) -> dict[str, Any]:
        return self.adversary.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.adversary.load_state_dict(state)
