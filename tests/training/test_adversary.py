"""The adversary: it learns to tell, it says so in the right direction, it goes on exactly."""

import pytest
import torch

from uncodec.errors import InvalidValue
from uncodec.networks.codec_net import CodecNet, CodecNetConfig
from uncodec.training.adversarial_objective import Adversary


def small_features():
    torch.manual_seed(0)
    return CodecNet(CodecNetConfig(widths=(4, 4, 8, 8), hidden=8))


def adversary(kind, seed=0):
    return Adversary(kind, small_features(), seed=seed, learning_rate=2e-3)


def clean_and_dull(step):
    source = torch.Generator().manual_seed(step)
    clean = 0.1 * torch.randn(2, 2, 12000, generator=source)
    return clean, torch.nn.functional.avg_pool1d(clean, 5, stride=1, padding=2)


@pytest.mark.parametrize("kind", ["spectral", "projected", "both"])
def test_it_learns_to_tell_dull_from_clean(kind):
    judges = adversary(kind)
    losses = [judges.learn(*clean_and_dull(step)) for step in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    clean, dull = clean_and_dull(99)
    for_dull, far = judges.judge(clean, dull)
    for_clean, near = judges.judge(clean, clean)
    assert for_clean < for_dull  # the verdict is what the generator lowers
    assert near == 0
    assert far > 0


def test_judging_moves_nothing_and_leaves_no_gradient_in_the_judges():
    judges = adversary("both")
    clean, dull = clean_and_dull(0)
    dull.requires_grad_()
    verdict, matching = judges.judge(clean, dull)
    torch.autograd.backward(verdict + matching)
    assert dull.grad.abs().max() > 0
    assert all(p.grad is None for p in judges.judges.parameters())


def test_a_quiet_pair_is_judged_like_a_loud_one():
    judges = adversary("spectral")
    clean, dull = clean_and_dull(0)
    loud = judges.judge(clean, dull)[1]
    quiet = judges.judge(0.1 * clean, 0.1 * dull)[1]
    assert quiet.item() == pytest.approx(loud.item(), rel=0.05)


def test_it_goes_on_from_its_state():
    first, second = adversary("both"), adversary("both", seed=1)
    for step in range(2):
        first.learn(*clean_and_dull(step))
    second.load_state_dict(first.state_dict())
    assert first.learn(*clean_and_dull(5)) == second.learn(*clean_and_dull(5))


def test_unknown_kinds_and_missing_features_are_refused():
    with pytest.raises(InvalidValue, match="must be one of none, spectral"):
        Adversary("kind", None, seed=0, learning_rate=1e-3)
    with pytest.raises(InvalidValue, match="needs a trained codec network"):
        Adversary("projected", None, seed=0, learning_rate=1e-3)
