"""Discriminators: what is trained in them, what is frozen, what they can tell apart."""

import pytest
import torch

from uncodec.networks.codec_net import CodecNet, CodecNetConfig
from uncodec.networks.discriminators import ProjectedDiscriminator, SpectralDiscriminator


def noise(seed=1):
    return 0.1 * torch.randn(2, 2, 22050, generator=torch.Generator().manual_seed(seed))


def features():
    torch.manual_seed(0)
    return CodecNet(CodecNetConfig(widths=(4, 4, 8, 8), hidden=8))


@pytest.mark.parametrize(
    ("judge", "maps"),
    [
        (SpectralDiscriminator(width=4), 3),
        (ProjectedDiscriminator(features(), width=8), 4),
    ],
    ids=["spectral", "projected"],
)
def test_each_view_gives_its_own_verdicts_and_a_gradient(judge, maps):
    audio = noise().requires_grad_()
    verdicts, inner = judge(audio)
    assert len(verdicts) == maps
    assert all(v.shape[:2] == (2, 1) for v in verdicts)
    assert len(inner) >= maps
    torch.autograd.backward(torch.stack([v.mean() for v in verdicts]).sum())
    assert audio.grad.abs().max() > 0


def test_only_the_small_judges_of_the_projected_kind_are_trained():
    judge = ProjectedDiscriminator(features(), width=8)
    trained = {name.split(".")[0] for name, p in judge.named_parameters() if p.requires_grad}
    assert trained == {"judges"}


def test_mixtures_depend_on_their_seed_alone():
    def weight(seed):
        torch.manual_seed(seed + 100)
        return ProjectedDiscriminator(features(), width=8, seed=seed).channels[0].weight

    assert torch.equal(weight(3), weight(3))
    assert not torch.equal(weight(3), weight(4))


def test_a_coarse_scale_reaches_the_finest_verdict():
    judge = ProjectedDiscriminator(features(), width=8).eval()
    before = judge(noise())[0][-1]
    with torch.no_grad():
        judge.channels[3].weight.zero_()
    assert not torch.equal(judge(noise())[0][-1], before)


def test_the_spectral_kind_sees_phase():
    # Two clicks and their time reversal have the same magnitudes.
    judge = SpectralDiscriminator(width=4, windows=(512,)).eval()
    sound = noise()
    assert not torch.allclose(judge(sound)[0][0], judge(-sound)[0][0])
