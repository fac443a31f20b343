"""Archives for other hosts."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from uncodec.cli import app
from uncodec.errors import InvalidValue
from uncodec.live.engine import DeltaEngine
from uncodec.networks import Generator, GeneratorConfig, load_model, save_weights
from uncodec.networks.export import export_model
from uncodec.networks.generator import CHANNELS
from uncodec.streams.noise import HopNoise


@pytest.fixture
def folder(tmp_path_factory):
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(encoder=16, hidden=16, local=8))
    torch.nn.init.constant_(generator.gate.bias, 4.0)
    folder = tmp_path_factory.mktemp("model")
    save_weights(folder, generator, name="small", version="3.1")
    return folder


# All that docs/export.md says, and nothing of the package.
HOST = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np, torch
extra = {"uncodec.json": ""}
step = torch.jit.load(sys.argv[1], _extra_files=extra)
text = extra["uncodec.json"]
text = text.decode() if isinstance(text, bytes) else text
about = json.loads(text)
window, hop = about["window"], about["hop"]
with np.load(sys.argv[2]) as given:
    image = np.stack([given["audio"].sum(0), given["audio"][0] - given["audio"][1]]) / 2
    noise = given["noise"]
rise = np.abs(np.diff(image, prepend=0.0))
together = rise.sum(0)
swell = np.array([together[max(0, n - 47) : n + 1].sum() / 48 for n in range(len(together))])
inputs = np.concatenate([image, noise * swell, np.diff(rise, prepend=0.0)])
inputs = np.pad(inputs, ((0, 0), (window - hop, 0))).astype(np.float32)
shape = np.sin(np.pi * np.arange(window) / window)
state = tuple(torch.full(s["shape"], s["value"]) for s in about["state"])
out = np.zeros((2, inputs.shape[1]))

def power(frames):
    return (np.diff(np.pad(frames, ((0, 0), (2, 0))), 2) ** 2).sum(0)

def smooth(steep):
    return np.lib.stride_tricks.sliding_window_view(np.pad(steep, (16, 15)), 32).mean(1)

with torch.inference_mode():
    for start in range(0, inputs.shape[1] - window + 1, hop):
        cut = inputs[:, start : start + window] * shape
        spectrum = np.fft.rfft(cut).astype(np.complex64)
        spectra = torch.view_as_real(torch.from_numpy(spectrum))[None, :, None].contiguous()
        delta, damage, state = step(spectra, state)
        delta = torch.view_as_complex(delta)[0, :, 0].numpy()
        frame = np.fft.irfft(delta, window)
        whole = power(frame)
        is_, may = smooth(whole), smooth(power(cut[:2]))
        may = may / max(may.max(), 1e-12)
        may = may * np.minimum(1, may / np.maximum(0.1 * shape**2, 1e-6))
        gain = np.minimum(1, np.sqrt(may * is_.max() / np.maximum(is_, 1e-14)))
        again = np.sqrt(whole.sum() / max((whole * gain**2).sum(), 1e-14))
        share = np.clip(about["returned"][0] * float(damage) + about["returned"][1], 0, 1)
        frame = frame * gain * (1 + share * (np.clip(again, 1, 2) - 1))
        out[:, start : start + window] += frame * shape * (2 * hop / window)
delta = out[:, : image.shape[1]]
np.save(sys.argv[3], np.stack([delta[0] + delta[1], delta[0] - delta[1]]))
assert not any(name.split(".")[0] == "uncodec" for name in sys.modules)
print(text)
"""


@pytest.mark.parametrize("released", [False, True], ids=["small", "live-gan"])
def test_a_host_without_the_package_makes_the_same_sound(folder, tmp_path, released):
    model = load_model("live-gan" if released else folder)
    archive = export_model(model, tmp_path / "model.ts")
    samples = 40 * model.config.hop
    audio = 0.1 * np.random.default_rng(1).standard_normal((2, samples)).astype(np.float32)
    spectrum = np.fft.rfft(audio)
    spectrum[:, samples // 6 :] = 0  # a low-pass at a third of the band
    audio = np.fft.irfft(spectrum, samples).astype(np.float32)
    audio[:, : samples // 3] *= 0.01
    noise = np.empty((2, samples), np.float32)
    HopNoise(0, 2, model.config.hop).fill(0, noise)
    np.savez(tmp_path / "in.npz", audio=audio, noise=noise)
    files = map(str, (archive, tmp_path / "in.npz", tmp_path / "out.npy"))
    command = [sys.executable, "-I", "-c", HOST, *files]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    expected = DeltaEngine(model, 2, 0).push(audio)
    assert np.abs(expected).max() > 1e-4
    assert np.abs(np.load(tmp_path / "out.npy") - expected).max() < 1e-5
    described = json.loads(told.stdout)
    assert described["name"] == model.name
    assert described["delay"] == model.config.window - model.config.hop
    assert len(described["inputs"]) == CHANNELS


def test_the_command_writes_an_archive_and_tells_wrong_use_in_one_line(folder, tmp_path):
    target = tmp_path / "model.ts"
    done = CliRunner().invoke(app, ["export", str(folder), "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert target.stat().st_size > 1000
    again = CliRunner().invoke(app, ["export", str(folder), "-o", str(target)])
    assert again.exit_code == 2
    unknown = CliRunner().invoke(app, ["export", "nothing", "-o", str(tmp_path / "other.ts")])
    assert unknown.exit_code == 2
    nowhere = CliRunner().invoke(app, ["export", str(folder), "-o", str(tmp_path / "no" / "m.ts")])
    assert nowhere.exit_code != 0
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_file_is_kept_unless_told(folder, tmp_path):
    target = tmp_path / "model.ts"
    target.write_bytes(b"mine")
    with pytest.raises(InvalidValue, match="must not exist"):
        export_model(load_model(folder), target)
    assert target.read_bytes() == b"mine"
    export_model(load_model(folder), target, overwrite=True)
    assert target.read_bytes() != b"mine"
    assert list(tmp_path.iterdir()) == [target]
