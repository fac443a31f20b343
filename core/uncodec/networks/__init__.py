"""Networks and their released weights."""

from uncodec.networks.diffusion import DiffusionConfig, DiffusionNetwork
from uncodec.networks.generator import CHANNELS, Generator, GeneratorConfig
from uncodec.networks.store import (
    LoadedDiffusion,
    LoadedModel,
    find_model,
    list_models,
    load_codec_net,
    load_diffusion,
    load_model,
    save_weights,
)

__all__ = [
    "CHANNELS",
    "DiffusionConfig",
    "DiffusionNetwork",
    "Generator",
    "GeneratorConfig",
    "LoadedDiffusion",
    "LoadedModel",
    "find_model",
    "list_models",
    "load_codec_net",
    "load_diffusion",
    "load_model",
    "save_weights",
]
