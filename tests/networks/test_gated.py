"""The gate of the live engine: what it hears of the past, and what becomes of the delta."""

import numpy as np
import pytest
import torch

from uncodec.errors import InvalidValue, ModelError
from uncodec.networks import GeneratorConfig, load_model, save_weights
from uncodec.networks.gate import GateConfig, GateNetwork
from uncodec.networks.gate_step import GateStep
from uncodec.networks.gated import GatedGenerator, LatelyOpened, lately_opening
from uncodec.networks.generator import Generator
from uncodec.networks.hop_step import HopStep
from uncodec.networks.level_step import LevelStep
from uncodec.networks.levelled import LevelledGenerator
from uncodec.networks.levels import LevelConfig, LevelNetwork

ONE_WAY = {"width": 16, "inner": 8, "layers": 2, "both": False, "window": 1024}


def halved(network):
    """As it comes from a weights file that keeps half precision."""
    for tensor in network.parameters():
        tensor.data = tensor.data.half().float()
    return network.eval()


def gate_of(odds=None, **changed):
    torch.manual_seed(3)
    gate = GateNetwork(GateConfig(**ONE_WAY | changed))
    if odds is not None:
        torch.nn.init.zeros_(gate.leave.weight)
        torch.nn.init.constant_(gate.leave.bias, odds)
    else:
        gate.leave.bias.data += 1.5
    return halved(gate)


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(1)
    generator = Generator(GeneratorConfig(encoder=16, hidden=16, local=8)).eval()
    return generator, halved(LevelNetwork(LevelConfig(width=16, inner=8, layers=1)))


def spectra(frames=60, seed=0):
    torch.manual_seed(seed)
    made = torch.randn(1, 6, frames, 513, 2) * torch.logspace(1, -3, 513)[:, None]
    made[:, :, 20:24] = 0.0
    return made


def begun(parts, gate):
    generator, levels = parts
    network = GatedGenerator(LevelledGenerator(generator, levels), gate).eval()
    shapes = (generator.config, levels.config, gate.config)
    return network, sum((shape.initial_state(1) for shape in shapes), ())


def test_runs_of_any_length_say_what_a_whole_one_says(parts):
    network, state = begun(parts, gate_of())
    frames = spectra()
    with torch.inference_mode():
        whole, _, after = network(frames, state)
        deltas = []
        for run in torch.split(frames, [1, 21, 38], dim=2):
            delta, _, state = network(run, state)
            deltas.append(delta)
    assert torch.allclose(torch.cat(deltas, 2), whole, atol=1e-4)
    for one, other in zip(state, after, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_frame_by_frame_is_the_same_and_goes_on_from_a_copy(parts):
    generator, levels = parts
    gate = gate_of()
    network, state = begun(parts, gate)
    frames = spectra()
    with torch.inference_mode():
        whole = torch.view_as_complex(network(frames, state)[0])[0].numpy()
    step = HopStep(generator, LevelStep(levels), GateStep(gate))
    heard = torch.view_as_complex(frames)[0].permute(1, 0, 2).contiguous().numpy()
    delta = np.zeros((2, 513), np.complex64)
    openings = set()
    for number, frame in enumerate(heard):
        if number == 30:
            twin = step.clone()
            step.step_into(heard[0], delta)  # the other one goes astray
            step = twin
        step.step_into(frame, delta)
        np.testing.assert_allclose(delta, whole[:, number], atol=1e-4 * np.abs(whole).max())
        openings.add(round(LatelyOpened.opening_of(*step.state()[9][0].tolist()), 2))
    assert len(openings) > 3  # or nothing was compared


def test_what_was_never_coded_gets_nothing_and_what_was_gets_everything(parts):
    frames = spectra()
    deltas = {}
    for odds in (-9.0, 9.0):
        network, state = begun(parts, gate_of(odds))
        with torch.inference_mode():
            deltas[odds] = network(frames, state)[0]
    with torch.inference_mode():
        plain = network.network(frames, state[:7])[0]
    assert torch.equal(deltas[9.0][:, :, 5:], plain[:, :, 5:])
    assert plain[:, :, 50:].any()
    assert not deltas[-9.0][:, :, 50:].any()


def test_a_verdict_takes_its_time_and_changes_with_what_is_heard():
    odds = torch.cat([torch.full((1, 2000), -4.0), torch.full((1, 2000), 4.0)], dim=1)
    opening = lately_opening(odds)[0]
    closed = int(torch.nonzero(opening == 0.0)[0])
    opened = int(torch.nonzero(opening[2000:] == 1.0)[0])
    # A frame is 12 ms long.
    assert closed < 10
    assert 40 < opened < 400
    assert not opening[closed:2000].any()
    assert (opening[2000 + opened :] == 1.0).all()


def test_the_generator_is_heard_as_well_and_cannot_decide_alone():
    rule, sounds, state = LatelyOpened(), torch.ones(1, 50), torch.zeros(1, 2)
    gate, damage = torch.full((1, 50), -4.0), torch.full((1, 50), 7.0)
    assert rule(gate, damage, sounds, state)[0][0, -1] == 1.0
    assert not rule(gate, -damage, sounds, state)[0].any()
    # However sure it is.
    assert not rule(torch.full((1, 50), -8.0), 9.0 * damage, sounds, state)[0].any()


def test_silence_says_nothing():
    rule, odds = LatelyOpened(), torch.full((1, 300), -4.0)
    state = rule(odds, odds, torch.ones_like(odds), torch.zeros(1, 2))[1]
    loud = torch.full((1, 900), 9.0)
    opening, after = rule(loud, loud, torch.zeros(1, 900), state)
    assert not opening.any()
    assert torch.equal(after, state)


def test_nothing_of_what_comes_is_heard():
    gate, traces = gate_of(), torch.randn(1, 40, 2, 192)
    changed = traces.clone()
    changed[:, 30:] += 1.0
    with torch.inference_mode():
        odds, others = gate(traces), gate(changed)
    assert torch.equal(odds[:, :30], others[:, :30])
    assert not torch.equal(odds[:, 30:], others[:, 30:])


@pytest.mark.parametrize("changed", [{"both": True}, {"window": 2048}])
def test_other_gates_cannot_go_frame_by_frame(changed):
    with pytest.raises(InvalidValue, match="gate: must be of one direction and windows of 1024"):
        GateStep(gate_of(**changed))


@pytest.fixture
def folder(parts, tmp_path):
    for part in parts:
        save_weights(tmp_path, part, name="small", version="1")
    return tmp_path


def test_a_model_is_loaded_with_the_gate_beside_it(folder):
    assert load_model(folder).gate is None
    gate = gate_of()
    save_weights(folder, gate, name="gate", version="1")
    model = load_model(folder)
    assert model.gate == gate.config
    assert len(model.initial_state()) == 10
    frames = spectra()
    with torch.inference_mode():
        delta = model.step(frames, model.initial_state())[0]
    heard = torch.view_as_complex(frames)[0].permute(1, 0, 2).contiguous().numpy()
    step, own = model.hops.clone(), np.zeros((2, 513), np.complex64)
    for frame in heard:
        step.step_into(frame, own)
    last = torch.view_as_complex(delta)[0, :, -1].numpy()
    np.testing.assert_allclose(own, last, atol=1e-4 * np.abs(last).max())


@pytest.mark.parametrize("changed", [{"both": True}, {"window": 2048}])
def test_a_model_with_a_gate_of_the_offline_engine_is_refused(folder, changed):
    save_weights(folder, gate_of(**changed), name="gate", version="1")
    with pytest.raises(ModelError, match="gate: must be of one direction and windows of 1024"):
        load_model(folder)


def test_a_gate_without_a_level_network_is_refused(folder):
    save_weights(folder, gate_of(), name="gate", version="1")
    (folder / "levels.safetensors").unlink()
    with pytest.raises(ModelError, match="gate: must go with a level network"):
        load_model(folder)
