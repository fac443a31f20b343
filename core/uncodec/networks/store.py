"""Released models on disk: weights with their configuration in the header, checked by SHA-256.

A model is a folder with ``weights.safetensors``, see `uncodec.model_folders`. Its header holds the
configuration needed to build the network and a digest over configuration and tensors, so that a
damaged or edited file is refused instead of sounding wrong. A generator's folder may also hold
``levels.safetensors``, a level network, which says how loud its delta should be, and beside it
``gate.safetensors``, a network that says whether anything was coded at all. A diffusion model's may
hold a second level network as well, ``second-levels.safetensors``.

Where this module was imported, forked children compute with one thread each.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from uncodec.errors import ModelError
from uncodec.model_folders import (
    GATE,
    LEVELS,
    SECOND_LEVELS,
    WEIGHTS,
    find_model,
    list_models,
    weight_files,
)
from uncodec.networks.codec_net import CodecNet, CodecNetConfig
from uncodec.networks.diffusion import DiffusionConfig, DiffusionNetwork
from uncodec.networks.gate import WINDOW as GATE_WINDOW
from uncodec.networks.gate import GateConfig, GateNetwork
from uncodec.networks.gate_step import GateStep
from uncodec.networks.gated import GatedGenerator
from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.networks.hop_step import HopStep
from uncodec.networks.level_features import HOP, WINDOW
from uncodec.networks.level_step import LevelStep
from uncodec.networks.levelled import LevelledGenerator
from uncodec.networks.levels import LevelConfig, LevelNetwork
from uncodec.networks.study import StudyConfig, StudyNetwork
from uncodec.whole_files import write_whole

__all__ = [
    "LoadedDiffusion",
    "LoadedModel",
    "find_model",
    "list_models",
    "load_codec_net",
    "load_diffusion",
    "load_gate",
    "load_generator",
    "load_levels",
    "load_model",
    "load_study",
    "save_weights",
    "verify_weights",
    "weight_files",
]

FORMAT = "1"
# What the header calls a network: how to build it, and the precision its weights are kept in. A
# diffusion network has many and needs no more than half.
KINDS: dict[str, tuple[type[Any], type[Any], torch.dtype]] = {
    "generator": (GeneratorConfig, Generator, torch.float32),
    "diffusion": (DiffusionConfig, DiffusionNetwork, torch.float16),
    "codec-net": (CodecNetConfig, CodecNet, torch.float32),
    "study": (StudyConfig, StudyNetwork, torch.float16),
    "levels": (LevelConfig, LevelNetwork, torch.float16),
    "gate": (GateConfig, GateNetwork, torch.float16),
}
# Log odds that make a generator take everything for damaged.
SURELY = 30.0
# Networks that go beside the weights of another, and where.
BESIDE: tuple[tuple[type[nn.Module], str], ...] = ((LevelNetwork, LEVELS), (GateNetwork, GATE))


@dataclass(frozen=True)
class LoadedModel:
    """A generator ready to run.

    Attributes
    ----------
    name, version : str
    config : GeneratorConfig
    network : Generator, LevelledGenerator or GatedGenerator
        In evaluation mode.
    device : str
    hops : HopStep or None
        The same generator frame by frame, before its first frame: clone it to use it. On the CPU
        only; other devices are better off with runs of frames.
    levels : LevelConfig or None
        Of the level network that sets the levels of the delta, if there is one.
    gate : GateConfig or None
        Of the gate that the delta passes, if there is one.
    """

    name: str
    version: str
    config: GeneratorConfig
    network: nn.Module
    device: str
    hops: HopStep | None = None
    levels: LevelConfig | None = None
    gate: GateConfig | None = None

    @cached_property
    def step(self) -> Any:
        """Frozen TorchScript of the network.

        It takes 0.3 s to make and the CPU does without, so there it is made when it is asked for.
        """
        return _compile(self.network)

    def initial_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Fresh state: that of the generator, then of the level network, then of the gate."""
        state: tuple[Tensor, ...] = self.config.initial_state(batch, self.device)
        for part in (self.levels, self.gate):
            if part is not None:
                state += part.initial_state(batch, self.device)
        return state


@dataclass(frozen=True)
class LoadedDiffusion:
    """A diffusion network ready to run.

    Attributes
    ----------
    name, version : str
    config : DiffusionConfig
    network : DiffusionNetwork
        In evaluation mode.
    live : LoadedModel
        The generator whose restoration it starts from.
    device : str
    digest : str
        SHA-256 over configuration and weights, the level networks' and the gate's too.
    levels : tuple of LevelNetwork
        Set the levels of what was added to the mean of what they say, in evaluation mode; may be
        none.
    gate : GateNetwork or None
        Says whether anything was coded at all, in evaluation mode. It needs level networks.
    """

    name: str
    version: str
    config: DiffusionConfig
    network: DiffusionNetwork
    live: LoadedModel
    device: str
    digest: str
    levels: tuple[LevelNetwork, ...] = ()
    gate: GateNetwork | None = None


def verify_weights(path: Path) -> dict[str, str]:
    """Header of a file of weights of any kind, once its contents fit the digest in it.

    Raises
    ------
    ModelError
        It cannot be read, or was altered.
    """
    try:
        with safe_open(path, framework="np") as file:
            kind = (file.metadata() or {}).get("kind", "")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read as safetensors ({error})") from error
    return _read(str(path), kind)[0]


def save_weights(
    folder: str | os.PathLike[str],
    network: Generator | DiffusionNetwork | CodecNet | StudyNetwork | LevelNetwork | GateNetwork,
    *,
    name: str,
    version: str,
) -> Path:
    """Write the weights of `network` into `folder`, whole or not at all.

    A level network becomes ``levels.safetensors``, which goes beside a generator's weights, and a
    gate network ``gate.safetensors``.

    Returns
    -------
    Path
        The weights file.
    """
    file = next((name for shape, name in BESIDE if isinstance(network, shape)), WEIGHTS)
    target = Path(folder) / file
    target.parent.mkdir(parents=True, exist_ok=True)
    kind, precision = next(
        (kind, kept) for kind, (_, shape, kept) in KINDS.items() if isinstance(network, shape)
    )
    tensors = {
        key: value.detach().to(precision).contiguous().cpu()
        for key, value in network.state_dict().items()
    }
    header = {
        "format": FORMAT,
        "kind": kind,
        "name": name,
        "version": version,
        "config": json.dumps(network.describe(), sort_keys=True),
    }
    header["sha256"] = _digest(header, tensors)
    write_whole(target, save(tensors, metadata=header))
    return target


def _digest(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(set(header) - {"sha256"}):
        digest.update(f"{key}={header[key]}\n".encode())
    for key in sorted(tensors):
        value = tensors[key]
        digest.update(f"{key} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def load_model(model: str | os.PathLike[str] = "live-gan", device: str = "cpu") -> LoadedModel:
    """Load, check and compile a model; the second call for the same file is free.

    Parameters
    ----------
    model : str or path
        Name of a released model, or a folder.
    device : str
        "cpu", or what torch names its other devices.

    Raises
    ------
    ModelError
        Unknown model, unreadable or altered file, format of another release, or absent device.
    """
    return _load_generator(*_locate(model, device), device)


def load_generator(model: str | os.PathLike[str] = "live-gan") -> Generator:
    """Load and check a generator to train with, not compiled; errors as `load_model`."""
    return cast(Generator, _build(_locate(model, "cpu")[0], "generator", "cpu")[0])


def load_diffusion(
    model: str | os.PathLike[str] = "diffusion", device: str = "cpu"
) -> LoadedDiffusion:
    """Load and check a model of the offline path; parameters and errors as `load_model`."""
    return _load_diffusion(*_locate(model, device), device)


def load_codec_net(model: str | os.PathLike[str] = "codec-net", device: str = "cpu") -> CodecNet:
    """Load and check a codec classifier; parameters and errors as `load_model`."""
    path, _ = _locate(model, device)
    return cast(CodecNet, _build(path, "codec-net", device)[0])


def load_study(model: str | os.PathLike[str]) -> StudyNetwork:
    """Load and check a member of the diffusion study; errors as `load_model`."""
    return cast(StudyNetwork, _build(_locate(model, "cpu")[0], "study", "cpu")[0])


def load_levels(model: str | os.PathLike[str], device: str = "cpu") -> LevelNetwork:
    """Load and check the level network of a folder; parameters and errors as `load_model`."""
    path, _ = _locate(model, device, LEVELS)
    return cast(LevelNetwork, _build(path, "levels", device)[0])


def load_gate(model: str | os.PathLike[str], device: str = "cpu") -> GateNetwork:
    """Load and check the gate network of a folder; parameters and errors as `load_model`."""
    path, _ = _locate(model, device, GATE)
    return cast(GateNetwork, _build(path, "gate", device)[0])


def _locate(model: str | os.PathLike[str], device: str, file: str = WEIGHTS) -> tuple[str, int]:
    path = find_model(model, file) / file
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"device={device!r}: must be a device of this machine ({reason})"
        ) from error
    parts = (path, *(path.with_name(name) for name in (LEVELS, SECOND_LEVELS, GATE)))
    return str(path), sum(part.stat().st_mtime_ns for part in parts if part.is_file())


@lru_cache(maxsize=4)
def _load_generator(path: str, _modified: int, device: str) -> LoadedModel:
    network, header = _build(path, "generator", device)
    levels, _ = _beside(path, "levels", LEVELS, device)
    gate, _ = _beside(path, "gate", GATE, device)
    return _ready(cast(Generator, network), levels, gate, header, path, device)


def _beside(path: str, kind: str, file: str, device: str) -> tuple[Any, str]:
    """The network of some kind beside other weights, if there is one, and its digest."""
    beside = Path(path).with_name(file)
    if not beside.is_file():
        return None, ""
    network, header = _build(str(beside), kind, device)
    return network.requires_grad_(False), header["sha256"]


def _ready(
    generator: Generator,
    levels: LevelNetwork | None,
    gate: GateNetwork | None,
    header: Mapping[str, str],
    path: str,
    device: str,
) -> LoadedModel:
    network: nn.Module = generator
    if levels is not None:
        _check_levels(levels.config, generator.config, path)
        network = LevelledGenerator(generator, levels).eval()
    if gate is not None:
        _check_gate(gate.config, levels, path)
        network = GatedGenerator(cast(LevelledGenerator, network), gate).eval()
    loaded = LoadedModel(
        name=header.get("name", Path(path).parent.name),
        version=header.get("version", "0"),
        config=generator.config,
        network=network.requires_grad_(False),
        device=device,
        hops=_hops(generator, levels, gate) if torch.device(device).type == "cpu" else None,
        levels=None if levels is None else levels.config,
        gate=None if gate is None else gate.config,
    )
    if loaded.hops is None:
        _ = loaded.step  # not in the middle of somebody's sound
    return loaded


def _hops(generator: Generator, levels: LevelNetwork | None, gate: GateNetwork | None) -> HopStep:
    return HopStep(
        generator,
        None if levels is None else LevelStep(levels),
        None if gate is None else GateStep(gate),
    )


def _check_levels(levels: LevelConfig, generator: GeneratorConfig, path: str) -> None:
    beside = Path(path).with_name(LEVELS)
    if (generator.window, generator.hop) != (WINDOW, HOP):
        rule = f"levels: must go with a window of {WINDOW} and a hop of {HOP}"
        raise ModelError(f"{beside}: {rule}, got {generator.window} and {generator.hop}")
    if levels.both:
        raise ModelError(f"{beside}: levels: must be of one direction to be used live, got both")


def _check_gate(gate: GateConfig, levels: LevelNetwork | None, path: str) -> None:
    beside = Path(path).with_name(GATE)
    if levels is None:
        raise ModelError(f"{beside}: gate: must go with a level network, got no {LEVELS} beside it")
    if gate.both or gate.window != WINDOW:
        rule = f"gate: must be of one direction and windows of {WINDOW} to be used live"
        raise ModelError(f"{beside}: {rule}, got both={gate.both} and {gate.window}")


@lru_cache(maxsize=2)
def _load_diffusion(path: str, _modified: int, device: str) -> LoadedDiffusion:
    network, header = _build(path, "diffusion", device)
    diffusion = cast(DiffusionNetwork, network)
    gate, gate_digest = _beside(path, "gate", GATE, device)
    if gate is not None:
        # It decides at the end, and no verdict before counts.
        with torch.no_grad():
            diffusion.live.gate.bias.fill_(SURELY)
    live = _ready(diffusion.live, None, None, header, path, device)
    beside = [_beside(path, "levels", file, device) for file in (LEVELS, SECOND_LEVELS)]
    levels = tuple(network for network, _ in beside if network is not None)
    if levels and diffusion.config.hop != HOP:
        rule = f"levels: must go with a hop of {HOP}"
        raise ModelError(f"{Path(path).with_name(LEVELS)}: {rule}, got {diffusion.config.hop}")
    if gate is not None and not levels:
        rule = f"gate: must go with level networks, got no {LEVELS} beside it"
        raise ModelError(f"{Path(path).with_name(GATE)}: {rule}")
    if gate is not None and gate.config.window != GATE_WINDOW:
        rule = f"gate: must have windows of {GATE_WINDOW} to be used offline"
        raise ModelError(f"{Path(path).with_name(GATE)}: {rule}, got {gate.config.window}")
    return LoadedDiffusion(
        name=live.name,
        version=live.version,
        config=diffusion.config,
        network=diffusion.requires_grad_(False),
        live=live,
        device=device,
        digest=header["sha256"] + "".join(digest for _, digest in beside) + gate_digest,
        levels=levels,
        gate=gate,
    )


def _build(path: str, kind: str, device: str) -> tuple[nn.Module, dict[str, str]]:
    """Network of a weights file, in evaluation mode, and the file's header."""
    header, tensors = _read(path, kind)
    config_type, network_type, _ = KINDS[kind]
    try:
        # Whatever device and precision the caller made torch's default.
        with torch.device("cpu"):
            network: nn.Module = network_type(config_type(**json.loads(header["config"])))
        network.to(torch.float32).load_state_dict(_renamed(tensors))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: does not describe a {kind} this release knows") from error
    return network.eval().to(device), header


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by today's names: the encoder's gain was called makeup in weights of 2026."""
    return {re.sub(r"\bmakeup\.", "encoder_gain.", key): value for key, value in tensors.items()}


def _read(path: str, kind: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a weights file, if it is whole and of that kind."""
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: cannot be read as safetensors ({error})") from error
    if header.get("format") != FORMAT or header.get("kind") != kind:
        got = f"format {header.get('format')}, kind {header.get('kind')}"
        raise ModelError(f"{path}: must be format {FORMAT}, kind {kind}, got {got}")
    if header.get("sha256") != _digest(header, tensors):
        raise ModelError(f"{path}: SHA-256 does not match its contents, the file was altered")
    return header, tensors


def _compute_alone() -> None:
    """Let a forked child compute with one thread.

    The threads that torch shares work with are not forked, and waiting for them would never end.
    """
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_compute_alone)


def _compile(network: nn.Module) -> Any:
    """Script and freeze; the one place that knows TorchScript.

    TorchScript is deprecated upstream and will go. It stays for now because its archives run in C++
    hosts. Here it serves devices other than the CPU, which has `HopStep`.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\..*", category=Warning)
        with torch.device("cpu"):
            return torch.jit.freeze(torch.jit.script(network))
