"""Misspelt parameters are told, and subclasses still set what they like."""

import copy
import dataclasses
import inspect

import numpy as np
import pytest

from uncodec import (
    ArtefactRepair,
    Board,
    DiffusionRestorer,
    Effect,
    GANRestorer,
    MakeupGain,
    PhaseAligner,
    StereoRepair,
    TransientRepair,
)
from uncodec.errors import UncodecError

AMOUNTS = [ArtefactRepair, DiffusionRestorer, GANRestorer, PhaseAligner, StereoRepair]


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        *((kind, "amout", "amount") for kind in AMOUNTS),
        (TransientRepair, "treshold_db", "threshold_db"),
        (MakeupGain, "target_lusf", "target_lufs"),
        (GANRestorer, "Seed", "seed"),
        (Board, "chanel_layout", "channel_layout"),
    ],
)
def test_a_misspelt_attribute_is_refused_with_the_nearest_name(kind, wrong, right):
    effect = kind()
    with pytest.raises(AttributeError, match=rf"{wrong}: {kind.__name__} has no .*mean {right}\?"):
        setattr(effect, wrong, 0.5)
    assert not hasattr(effect, wrong)


def test_where_no_name_is_near_all_are_named():
    names = "amount, brightness_db, channel_layout, device, like, like_amount, model, seed"
    with pytest.raises(UncodecError, match=f"it has {names}"):
        GANRestorer().wet = 0.5


def test_copies_are_as_strict_and_parameters_can_be_set():
    for effect in (GANRestorer(), copy.deepcopy(GANRestorer()), copy.copy(PhaseAligner())):
        effect.amount = 0.25
        assert effect.amount == 0.25
        with pytest.raises(AttributeError, match="did you mean amount"):
            effect.amunt = 0.5


def test_read_only_attributes_stay_read_only():
    with pytest.raises(AttributeError):
        GANRestorer().latency_samples = 3


class Own(Effect):
    """Sets attributes before and after the base class, as subclasses may."""

    declared: float

    def __init__(self, gain=1.0):
        self.gain = gain
        super().__init__()
        self.streams = 0

    def _open(self, sample_rate, channels):
        self.streams += 1
        self.declared = sample_rate
        self._private = channels
        raise NotImplementedError


class Grandchild(Own):
    def __init__(self, gain=1.0, other=2):
        super().__init__(gain)
        self.other = other


class Heir(Own):
    """Has no __init__ of its own."""


@pytest.mark.parametrize("kind", [Own, Grandchild, Heir])
def test_subclasses_set_their_own_attributes(kind):
    effect = kind(0.5)
    effect.gain = 0.25
    with pytest.raises(NotImplementedError):
        effect(np.zeros(5), 44100)
    assert (effect.gain, effect.streams, effect.declared, effect._private) == (0.25, 1, 44100, 1)
    with pytest.raises(AttributeError, match=r"gian: .* did you mean gain"):
        effect.gian = 1.0
    assert next(iter(inspect.signature(kind).parameters)) == "gain"
    assert copy.copy(effect).gain == 0.25


def test_subclasses_may_be_dataclasses():
    @dataclasses.dataclass
    class Gain(Effect):
        gain: float = 1.0

        def __post_init__(self):
            super().__init__()
            self.later = 3

        def _open(self, sample_rate, channels):
            raise NotImplementedError

    effect = Gain(0.5)
    effect.gain = 2.0
    assert (effect.gain, effect.later) == (2.0, 3)
