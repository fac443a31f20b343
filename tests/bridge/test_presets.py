"""Presets with a reference: what the command writes, hosts load."""

import os
import struct
from pathlib import Path

import numpy as np
import pedalboard
import pytest
from typer.testing import CliRunner

from uncodec import cli, plugin_status
from uncodec._native import PluginHost
from uncodec.balance import Balance, Like
from uncodec.bridge.bundle import FORMATS, find_bundle, find_library
from uncodec.bridge.plugin import core_at, new_state, read_status
from uncodec.bridge.preset import CLASS_ID, vst3_preset, write_preset
from uncodec.effects.reference import as_balance
from uncodec.errors import CoreError, InvalidValue, UncodecError
from uncodec.io import write_audio

LIKE = Like(Balance("song.flac", (450.0, 1250.0), (0.5, -3.0), 20_000.0), 0.5)
SETTINGS = slice(0, 192)
REFERENCE = slice(512, 1112)


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No core, and a home of its own."""
    monkeypatch.setenv("UNCODEC_CORE_SOCKET", str(tmp_path / "core.sock"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def state_of(plugin):
    preset = plugin.preset_data
    return preset[preset.index(b"UNCODECS") :]


def invoke(*arguments):
    return CliRunner().invoke(cli.app, ["plugin", "reference", *map(str, arguments)])


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "a song.wav"
    audio = np.random.default_rng(3).normal(0, 0.1, (2, 60_000)).astype(np.float32)
    write_audio(path, audio, 44100)
    return path


def test_a_new_state_is_the_plugin_s_own():
    plugin = pedalboard.load_plugin(os.fspath(find_bundle()))
    assert new_state()[SETTINGS] == state_of(plugin)[SETTINGS]
    assert new_state()[REFERENCE] == state_of(plugin)[REFERENCE]


@pytest.mark.parametrize("plugin_format", FORMATS)
def test_a_new_state_opens_in_both_formats_and_comes_back(plugin_format):
    state = new_state(amount=0.75, brightness_db=-3.0, like=LIKE)
    plugin = PluginHost(
        find_library(find_bundle(plugin_format)),
        sample_rate=44100,
        channels=2,
        max_block=64,
        settings=lambda _: state,
    )
    assert plugin.state()[SETTINGS] == state[SETTINGS]
    assert plugin.state()[REFERENCE] == state[REFERENCE]
    assert read_status(plugin.state()).reference == "song.flac"


@pytest.mark.parametrize("plugin_format", FORMATS)
@pytest.mark.parametrize(
    "damage", [(8, b"\x04"), (184, b"\xff" * 8), (512, b"\x81"), (516, b"\x41"), (600, b"\xff" * 4)]
)
def test_a_damaged_state_is_refused_in_both_formats(plugin_format, damage, capfd):
    place, value = damage
    state = bytearray(new_state(like=LIKE))
    state[place : place + len(value)] = value
    with pytest.raises(CoreError, match="state: the plugin answered"):
        PluginHost(
            find_library(find_bundle(plugin_format)),
            sample_rate=44100,
            channels=2,
            max_block=64,
            settings=lambda _: bytes(state),
        )
    if plugin_format == "vst3":
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("uncodec: state: ")


def test_a_preset_is_laid_out_as_hosts_want_it():
    state = new_state(like=LIKE)
    preset = vst3_preset(state)
    magic, version, class_id, chunks = struct.unpack_from("<4si32sq", preset)
    assert (magic, version, class_id.decode()) == (b"VST3", 1, CLASS_ID)
    assert struct.unpack_from("<4si", preset, chunks) == (b"List", 1)
    name, start, length = struct.unpack_from("<4sqq", preset, chunks + 8)
    assert (name, preset[start : start + length]) == (b"Comp", state)
    assert chunks + 8 + 20 == len(preset)
    source = Path(__file__).parents[2] / "plugin_bridge/vst3/src/component.rs"
    parts = [CLASS_ID[place : place + 4] for place in range(0, 32, 4)]
    words = [f"0x{first}_{second}" for first, second in zip(parts[::2], parts[1::2], strict=True)]
    assert f"uid({', '.join(words)})" in source.read_text()


def test_pedalboard_loads_the_preset_that_the_command_writes(song, tmp_path):
    path = tmp_path / "mine.vstpreset"
    done = invoke(
        song, "-o", path, "--like-amount", "0.25", "--amount", "0.5", "--brightness", "-2"
    )
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [str(path)]
    plugin = pedalboard.load_plugin(os.fspath(find_bundle()))
    assert plugin_status(plugin).reference is None
    plugin.load_preset(str(path))
    assert (plugin.amount, plugin.likeness) == (50.0, 25.0)
    assert plugin.brightness_db == pytest.approx(-2.0)
    assert plugin.reference == plugin_status(plugin).reference == "a song.wav"
    # It goes on into the projects of hosts.
    other = pedalboard.load_plugin(os.fspath(find_bundle()))
    other.preset_data = plugin.preset_data
    assert state_of(other)[REFERENCE] == state_of(plugin)[REFERENCE]


def test_a_preset_of_another_plugin_is_refused(tmp_path):
    preset = vst3_preset(new_state(like=LIKE)).replace(CLASS_ID.encode(), b"0" * 32)
    path = tmp_path / "other.vstpreset"
    path.write_bytes(preset)
    plugin = pedalboard.load_plugin(os.fspath(find_bundle()))
    with pytest.raises(Exception, match="preset"):
        plugin.load_preset(str(path))
    assert plugin_status(plugin).reference is None


def test_without_an_output_it_goes_where_hosts_look(song, tmp_path):
    folder = tmp_path / "home/.vst3/presets/Uncodec/Uncodec"
    for reference, name in [(song, "Like a song"), (song.parent, f"Like {song.parent.name}")]:
        done = invoke(reference)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.splitlines() == [str(folder / f"{name}.vstpreset")]
    assert len(list(folder.iterdir())) == 2


def test_a_state_alone_has_the_measured_balance(song, tmp_path):
    path = tmp_path / "mine.state"
    assert invoke(song, "-o", path).exit_code == 0
    like = Like(Balance(song.name, *balance_of(song)))
    assert path.read_bytes() == new_state(like=like)


def balance_of(song):
    balance = as_balance(song)
    return balance.frequencies, balance.levels_db, balance.cutoff_hz


def references(tmp_path):
    rng = np.random.default_rng(0)
    write_audio(tmp_path / "silence.wav", np.zeros((2, 50_000), np.float32), 44100)
    write_audio(tmp_path / "nothing.wav", np.zeros((2, 0), np.float32), 44100)
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "empty").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/cover.jpg").write_bytes(rng.bytes(500))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("silence.wav", "must hold sound between 300 and 3000 Hz"),
        ("nothing.wav", "holds no audio"),
        ("text.wav", "text.wav"),
        ("missing.wav", "missing.wav"),
        ("empty", "must hold audio files that can be read, has none"),
        ("pictures", "must hold audio files that can be read, has none"),
    ],
)
def test_what_is_no_reference_is_told_in_one_line_and_nothing_is_written(tmp_path, name, rule):
    references(tmp_path)
    done = invoke(tmp_path / name, "-o", tmp_path / "out.vstpreset")
    assert done.exit_code != 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("uncodec: error: ")
    assert rule in line
    assert not (tmp_path / "out.vstpreset").exists()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--like-amount", "1.5"], "like_amount=1.5"),
        (["--amount", "-1"], "amount=-1"),
        (["--brightness", "13"], "brightness_db=13"),
        (["-o", "out.fxp"], "output=out.fxp: must end in .vstpreset or .state"),
    ],
)
def test_options_out_of_range_are_told(song, options, rule):
    done = invoke(song, *options)
    assert done.exit_code == 2
    assert rule in done.stderr


def test_where_nothing_can_be_written_it_is_told(tmp_path):
    with pytest.raises(UncodecError, match="cannot be written: the folder does not exist"):
        write_preset(tmp_path / "none/out.vstpreset", LIKE)
    with pytest.raises(InvalidValue, match=r"must end in \.vstpreset or \.state"):
        write_preset(tmp_path / "out", LIKE)
    with core_at(tmp_path / "core.sock"):
        assert not (tmp_path / "out").exists()
