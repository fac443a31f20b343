"""Networks and their released weights."""

from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.networks.store import LoadedModel, find_model, list_models, load_model, save_weights

__all__ = [
    "Generator",
    "GeneratorConfig",
    "LoadedModel",
    "find_model",
    "list_models",
    "load_model",
    "save_weights",
]
