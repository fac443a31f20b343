"""Effects to call like pedalboard's, and a board that takes both kinds."""

from uncodec.effects.artefact_repair import ArtefactRepair
from uncodec.effects.base import Effect
from uncodec.effects.board import Board
from uncodec.effects.diffusion_restorer import DiffusionRestorer
from uncodec.effects.gan_restorer import GANRestorer
from uncodec.effects.makeup_gain import MakeupGain
from uncodec.effects.phase_aligner import PhaseAligner
from uncodec.effects.stereo_repair import StereoRepair
from uncodec.effects.transient_repair import TransientRepair

__all__ = [
    "ArtefactRepair",
    "Board",
    "DiffusionRestorer",
    "Effect",
    "GANRestorer",
    "MakeupGain",
    "PhaseAligner",
    "StereoRepair",
    "TransientRepair",
]
