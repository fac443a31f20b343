"""Weights on disk: what is saved is loaded, what was altered is refused."""

import warnings

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from uncodec.errors import ModelError
from uncodec.networks import (
    CHANNELS,
    Generator,
    GeneratorConfig,
    find_model,
    load_codec_net,
    load_model,
    save_weights,
)
from uncodec.networks.codec_net import CodecNet, CodecNetConfig

SMALL = GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_weights(tmp_path, Generator(SMALL), name="small", version="3.1")
    return tmp_path


def rewrite(folder, change_tensors=None, change_header=None):
    path = folder / "weights.safetensors"
    with safe_open(path, framework="pt") as file:
        header = dict(file.metadata())
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if change_tensors:
        change_tensors(tensors)
    header.update(change_header or {})
    save_file(tensors, path, metadata=header)


@torch.inference_mode()
def test_the_scripted_step_equals_the_network(folder):
    model = load_model(folder)
    assert (model.name, model.version, model.config) == ("small", "3.1", SMALL)
    torch.manual_seed(0)
    generator = Generator(SMALL).eval()
    inputs = torch.randn(1, CHANNELS, 4, SMALL.bins, 2)
    expected = generator(inputs, generator.initial_state(1))
    got = model.step(inputs, model.initial_state())
    assert torch.allclose(got[0], expected[0], atol=1e-6)
    assert torch.allclose(got[2][0], expected[2][0], atol=1e-6)


def test_a_model_is_loaded_once(folder):
    assert load_model(folder) is load_model(folder)


def test_one_changed_weight_is_noticed(folder):
    rewrite(folder, lambda tensors: tensors["gate.bias"].add_(1e-6))
    with pytest.raises(ModelError, match="SHA-256 does not match"):
        load_model(folder)


def test_a_changed_configuration_is_noticed(folder):
    rewrite(folder, change_header={"config": '{"hop": 32}'})
    with pytest.raises(ModelError, match="SHA-256 does not match"):
        load_model(folder)


def test_another_format_is_refused(folder):
    rewrite(folder, change_header={"format": "9"})
    with pytest.raises(ModelError, match="must be format 1, kind generator, got format 9"):
        load_model(folder)


def test_rubbish_and_truncation_are_refused(folder):
    path = folder / "weights.safetensors"
    data = path.read_bytes()
    for damaged in (b"", b"not a model", data[: len(data) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="cannot be read as safetensors"):
            load_model(folder)


def test_missing_models_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"or a folder with weights\.safetensors"):
        find_model(tmp_path)
    with pytest.raises(ModelError, match=r"model='\.\./live-gan': must be"):
        find_model("../live-gan")


def test_no_deprecation_reaches_the_user(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load_model(folder)
    assert loaded.name == "small"


def test_a_codec_net_is_kept_and_is_no_generator(tmp_path):
    torch.manual_seed(0)
    network = CodecNet(CodecNetConfig(widths=(4, 4, 8, 8), hidden=8))
    save_weights(tmp_path, network, name="ears", version="1")
    kept = load_codec_net(tmp_path)
    assert kept.config == network.config
    assert not kept.training
    for key, value in network.state_dict().items():
        assert torch.equal(kept.state_dict()[key], value)
    with pytest.raises(ModelError, match="kind generator, got format 1, kind codec-net"):
        load_model(tmp_path)
