"""Uncodec gives back what lossy audio compression took away.

Public names are loaded on first use, so that ``import uncodec`` (and the command line's help) stays
fast and does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.errors import UncodecError
from uncodec.lazy import lazy_names
from uncodec.version import __version__

if TYPE_CHECKING:
    from uncodec.bridge.plugin import PluginStatus as PluginStatus
    from uncodec.bridge.plugin import plugin_status as plugin_status
    from uncodec.bridge.plugin import rendering as rendering
    from uncodec.effects import ArtefactRepair as ArtefactRepair
    from uncodec.effects import Board as Board
    from uncodec.effects import DiffusionRestorer as DiffusionRestorer
    from uncodec.effects import Effect as Effect
    from uncodec.effects import GANRestorer as GANRestorer
    from uncodec.effects import MakeupGain as MakeupGain
    from uncodec.effects import PhaseAligner as PhaseAligner
    from uncodec.effects import StereoRepair as StereoRepair
    from uncodec.effects import TransientRepair as TransientRepair
    from uncodec.inspection import Inspection as Inspection
    from uncodec.inspection import inspect as inspect

__all__ = [
    "ArtefactRepair",
    "Board",
    "DiffusionRestorer",
    "Effect",
    "GANRestorer",
    "Inspection",
    "MakeupGain",
    "PhaseAligner",
    "PluginStatus",
    "StereoRepair",
    "TransientRepair",
    "UncodecError",
    "__version__",
    "inspect",
    "plugin_status",
    "rendering",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ArtefactRepair": "uncodec.effects",
        "Board": "uncodec.effects",
        "DiffusionRestorer": "uncodec.effects",
        "Effect": "uncodec.effects",
        "GANRestorer": "uncodec.effects",
        "MakeupGain": "uncodec.effects",
        "PhaseAligner": "uncodec.effects",
        "StereoRepair": "uncodec.effects",
        "TransientRepair": "uncodec.effects",
        "Inspection": "uncodec.inspection",
        "inspect": "uncodec.inspection",
        "PluginStatus": "uncodec.bridge.plugin",
        "plugin_status": "uncodec.bridge.plugin",
        "rendering": "uncodec.bridge.plugin",
    },
)
