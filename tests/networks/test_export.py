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
from uncodec.networks import Generator, GeneratorConfig, load_model, save_weights
from uncodec.networks.export import export_model
from uncodec.networks.generator import CHANNELS


@pytest.fixture
def folder(tmp_path_factory):
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(encoder=16, hidden=16, local=8))
    torch.nn.init.constant_(generator.gate.bias, 4.0)
    folder = tmp_path_factory.mktemp("model")
    save_weights(folder, generator, name="small", version="3.1")
    return folder


HOST = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np, torch
extra = {"uncodec.json": ""}
step = torch.jit.load(sys.argv[1], _extra_files=extra)
text = extra["uncodec.json"]
text = text.decode() if isinstance(text, bytes) else text
state = tuple(torch.full(s["shape"], s["value"]) for s in json.loads(text)["state"])
out = []
with torch.inference_mode():
    for frame in torch.from_numpy(np.load(sys.argv[2])).split(1, dim=2):
        delta, _, state = step(frame, state)
        out.append(delta)
np.save(sys.argv[3], torch.cat(out, dim=2).numpy())
assert not any(name.split(".")[0] == "uncodec" for name in sys.modules)
print(text)
"""


def test_a_host_without_the_package_computes_the_same_frame_by_frame(folder, tmp_path):
    model = load_model(folder)
    archive = export_model(model, tmp_path / "model.ts")
    shape = (1, CHANNELS, 24, model.config.bins, 2)
    spectra = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    spectra[..., model.config.bins // 2 :, :][:, 0:2] = 0
    np.save(tmp_path / "in.npy", spectra.numpy())
    files = map(str, (archive, tmp_path / "in.npy", tmp_path / "out.npy"))
    command = [sys.executable, "-I", "-c", HOST, *files]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    with torch.inference_mode():
        state, wanted = model.initial_state(), []
        for frame in spectra.split(1, dim=2):
            delta, _, state = model.step(frame, state)
            wanted.append(delta)
    expected = torch.cat(wanted, dim=2).numpy()
    assert np.abs(expected).max() > 1e-3
    assert np.abs(np.load(tmp_path / "out.npy") - expected).max() < 1e-5 * np.abs(expected).max()
    described = json.loads(told.stdout)
    assert described["name"] == model.name
    assert (described["window"], described["hop"]) == (model.config.window, model.config.hop)
    assert described["channels"] == CHANNELS


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
