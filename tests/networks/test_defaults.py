"""What a program made torch's default device or precision is no concern of the engines."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from uncodec.networks import Generator, GeneratorConfig, save_weights
from uncodec.networks.study import MEMBERS, StudyConfig, StudyNetwork

SCRIPT = """
import sys
import numpy as np
import torch

default, live, offline, *members, target = sys.argv[1:]
if default == "double":
    torch.set_default_dtype(torch.float64)
elif default != "none":
    torch.set_default_device(default)

from uncodec import DiffusionRestorer, GANRestorer
from uncodec.live import LiveSession
from uncodec.diffusion.study import StudyRestorer

audio = (0.1 * np.random.default_rng(0).standard_normal((2, 9000))).astype(np.float32)
found = {
    "live": GANRestorer(model=live)(audio, 44100),
    "resampled": GANRestorer(model=live)(audio, 32000),
    "ode": DiffusionRestorer(steps=2, model=offline)(audio, 44100),
    "sde": DiffusionRestorer(steps=2, sampler="sde", model=offline)(audio, 44100),
}
with LiveSession(live, sample_rate=44100, channels=2, block=500, realtime=False) as session:
    blocks = [session.callback(audio[:, first : first + 500]) for first in range(0, 9000, 500)]
    found["session"] = np.concatenate(blocks, axis=1)
for number, member in enumerate(members):
    found[f"study {number}"] = StudyRestorer(member, steps=2)(audio, 44100)
np.savez(target, **found)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory, diffusion_folder):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    shape = GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2)
    save_weights(folder / "live", Generator(shape), name="live", version="1")
    for member in MEMBERS:
        network = StudyNetwork(StudyConfig(member, (8, 8)))
        save_weights(folder / member, network, name=member, version="1")
    return [folder / "live", diffusion_folder, *(folder / member for member in MEMBERS)]


def run(default, models, target):
    command = [sys.executable, "-c", SCRIPT, default, *map(str, models), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    with np.load(target) as found:
        return dict(found)


@pytest.fixture(scope="module")
def plain(models, tmp_path_factory):
    """What comes out where nobody changed anything, as in this process."""
    target = tmp_path_factory.mktemp("plain") / "found.npz"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["-c", "none", *map(str, models), str(target)])
        exec(SCRIPT, {})
    with np.load(target) as found:
        return dict(found)


@pytest.mark.parametrize("default", ["meta", "double"])
def test_defaults_change_nothing(default, models, plain, tmp_path):
    found = run(default, models, tmp_path / "found.npz")
    assert found.keys() == plain.keys()
    for name, audio in found.items():
        assert np.abs(audio).max() > 1e-3
        np.testing.assert_array_equal(audio, plain[name], name)
