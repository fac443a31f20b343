"""The plugin in pedalboard, attached to a core of this process."""

import gc
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pedalboard
import pytest

from uncodec import GANRestorer, rendering
from uncodec._native import PluginHost
from uncodec.balance import Balance, Like
from uncodec.bridge import bundle as bundle_module
from uncodec.bridge.bundle import (
    FORMATS,
    find_bundle,
    find_library,
    install_bundle,
    uninstall_bundle,
)
from uncodec.bridge.launcher import PrivateCore, wait_until
from uncodec.bridge.plugin import (
    _what_was_dry,
    core_at,
    plugin_status,
    read_status,
    with_settings,
)
from uncodec.effects.reference import as_balance
from uncodec.errors import CoreError, DryRender, InvalidType, InvalidValue

MODEL = ("live-gan", "cpu")
# As loud in the treble as below: brighter than anything is.
FLAT = Balance("flat.flac", (50.0, 22000.0), (0.0, 0.0), 22000.0)


@pytest.fixture(scope="module", autouse=True)
def core():
    """Kept for all tests, so that it is started once."""
    core = PrivateCore.acquire(*MODEL)
    yield core
    gc.collect()
    pid, folder = core.status()["pid"], core.path.parent
    assert core.release(), "a plugin still holds the core"
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()


def cut_off(audio, rate, above_hz=7000):
    """Leave nothing above, as a codec would, so that there is something to restore."""
    spectrum = np.fft.rfft(audio)
    spectrum[:, int(above_hz / rate * audio.shape[1]) :] = 0
    return np.fft.irfft(spectrum, n=audio.shape[1]).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "channels", "buffer"),
    [(44100, 2, 8192), (44100, 1, 300), (48000, 2, 512), (96000, 2, 4096)],
)
def test_a_render_through_the_plugin_is_that_of_the_effect(noise, rate, channels, buffer):
    audio = cut_off(noise(rate // 2, channels), rate)
    restorer = GANRestorer(amount=0.87654, seed=9)
    plugin = restorer.as_plugin()
    assert isinstance(plugin, pedalboard.VST3Plugin)
    expected = restorer(audio, rate)
    with rendering(plugin):
        alone = plugin(audio, rate, buffer_size=buffer)
        on_board = pedalboard.Pedalboard([plugin])(audio, rate, buffer_size=buffer)
    assert alone.shape == audio.shape
    # -100 dBFS
    np.testing.assert_allclose(alone, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(on_board, expected, rtol=0, atol=1e-5)
    assert np.abs(expected - audio).max() > 1e-3, "the delta is to be heard"


def render(core, plugin_format, audio, rate, block, amount, like=None):
    """What the plugin gives in a host that renders, less its latency."""
    with core_at(core.path):
        plugin = PluginHost(
            find_library(find_bundle(plugin_format)),
            sample_rate=rate,
            channels=len(audio),
            max_block=block,
            settings=lambda state: with_settings(
                state, amount=amount, seed=9, brightness_db=4.0, like=like
            ),
            offline=True,
        )
    assert plugin.format == plugin_format
    assert wait_until(lambda: read_status(plugin.state()).connected, 60)
    late = plugin.latency_samples
    audio = np.pad(audio, ((0, 0), (0, late + -(audio.shape[1] + late) % block)))
    out = np.zeros_like(audio)
    for start in range(0, audio.shape[1], block):
        part = np.zeros((len(audio), block), np.float32)
        plugin.process_into(np.ascontiguousarray(audio[:, start : start + block]), part)
        out[:, start : start + block] = part
    assert read_status(plugin.state()).dry == 0
    return out[:, late:]


def test_both_formats_give_the_same_samples_and_those_of_the_effect(core, noise):
    audio = cut_off(noise(30_000), 44100)
    expected = GANRestorer(amount=0.8, seed=9, brightness_db=4.0)(audio, 44100)
    vst3, clap = (render(core, name, audio, 44100, 300, 0.8) for name in FORMATS)
    np.testing.assert_array_equal(vst3, clap)
    # -100 dBFS
    np.testing.assert_allclose(clap[:, :30_000], expected, rtol=0, atol=1e-5)
    assert np.abs(expected - audio).max() > 1e-3, "the delta is to be heard"


@pytest.mark.parametrize("channels", [1, 2])
def test_both_formats_have_the_reference_of_the_effect(core, noise, channels):
    audio = cut_off(noise(66_150, channels), 44100)
    like = Like(as_balance((noise(66_150), 44100)), 0.7)
    effect = GANRestorer(0.8, 9, brightness_db=4.0, like=like.balance, like_amount=0.7)
    expected = effect(audio, 44100)
    vst3, clap = (render(core, name, audio, 44100, 300, 0.8, like) for name in FORMATS)
    np.testing.assert_array_equal(vst3, clap)
    # -100 dBFS
    np.testing.assert_allclose(clap[:, :66_150], expected, rtol=0, atol=1e-5)
    plain = GANRestorer(amount=0.8, seed=9, brightness_db=4.0)(audio, 44100)
    assert np.abs(expected - plain).max() > 1e-3, "the reference is to be heard"


@pytest.mark.parametrize("like", [None, Like(FLAT)], ids=["alone", "with a reference"])
@pytest.mark.parametrize("plugin_format", FORMATS)
def test_without_an_amount_a_render_is_its_input_to_the_bit(core, noise, plugin_format, like):
    audio = noise(20_000)
    out = render(core, plugin_format, audio, 48000, 512, 0.0, like)
    np.testing.assert_array_equal(out[:, :20_000], audio)
    assert np.abs(out[:, 1:20_000] - audio[:, :-1]).max() > 0.1, "one off is found out"


def test_brightness_of_the_plugin_is_that_of_the_effect(noise):
    audio = cut_off(noise(30_000), 44100)
    restorer = GANRestorer(seed=9, brightness_db=-7.0)
    plugin = restorer.as_plugin()
    assert plugin.brightness_db == pytest.approx(-7.0)
    for brightness_db in (-7.0, 5.0):
        plugin.brightness_db = restorer.brightness_db = brightness_db
        with rendering(plugin):
            np.testing.assert_allclose(
                plugin(audio, 44100), restorer(audio, 44100), rtol=0, atol=1e-5
            )
    plain = GANRestorer(seed=9)(audio, 44100)
    assert np.abs(plain - restorer(audio, 44100)).max() > 1e-4


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (96000, 2)])
def test_likeness_of_the_plugin_is_that_of_the_effect(noise, rate, channels):
    audio = cut_off(noise(rate * 3 // 2, channels), rate)
    restorer = GANRestorer(seed=9, like=FLAT, like_amount=0.7)
    plugin = restorer.as_plugin()
    assert plugin_status(plugin).reference == "flat.flac"
    assert plugin.likeness == pytest.approx(70.0)
    for share in (0.7, 0.25):
        plugin.likeness, restorer.like_amount = 100 * share, share
        with rendering(plugin):
            np.testing.assert_allclose(
                plugin(audio, rate), restorer(audio, rate), rtol=0, atol=1e-5
            )
    plain = GANRestorer(seed=9)(audio, rate)
    assert np.abs(plain - restorer(audio, rate)).max() > 1e-3
    plugin.likeness = 0
    with rendering(plugin):
        np.testing.assert_allclose(plugin(audio, rate), plain, rtol=0, atol=1e-5)


def test_likeness_moves_while_the_plugin_plays_without_a_step(noise):
    audio = cut_off(noise(512 * 200), 44100)

    def play(likeness):
        plugin = GANRestorer(seed=9, like=FLAT).as_plugin()
        parts = []
        with rendering(plugin):
            for number, start in enumerate(range(0, audio.shape[1], 512)):
                plugin.likeness = likeness(number)
                part = audio[:, start : start + 512]
                parts.append(plugin(part, 44100, buffer_size=512, reset=False))
        return np.concatenate(parts, axis=1)

    none, all_of_it = play(lambda _: 0.0), play(lambda _: 100.0)
    jumps = play(lambda number: 100.0 * (number // 20 % 2))
    assert np.abs(none - all_of_it).max() > 1e-3

    def steps(out):
        # Of what is above the input's band: there a click would stand out.
        spectrum = np.fft.rfft(np.diff(out[:, 44100:]))
        spectrum[:, : spectrum.shape[1] // 3] = 0
        return np.abs(np.fft.irfft(spectrum)).max()

    assert steps(jumps) <= 1.1 * max(steps(none), steps(all_of_it))


def test_a_reference_that_comes_while_the_plugin_plays_is_heard(noise):
    audio = cut_off(noise(66_150), 44100)
    plugin = GANRestorer(seed=9).as_plugin()
    plain, liked = (GANRestorer(seed=9, like=like)(audio, 44100) for like in (None, FLAT))
    with rendering(plugin):
        np.testing.assert_allclose(plugin(audio, 44100), plain, rtol=0, atol=1e-5)
    before = plugin.preset_data
    start = before.index(b"UNCODECS")
    state = with_settings(before[start:], amount=1.0, seed=9, like=Like(FLAT))
    plugin.preset_data = before[:start] + state
    with rendering(plugin):
        np.testing.assert_allclose(plugin(audio, 44100), liked, rtol=0, atol=1e-5)
    plugin.preset_data = before
    assert plugin_status(plugin).reference is None
    with rendering(plugin):
        np.testing.assert_allclose(plugin(audio, 44100), plain, rtol=0, atol=1e-5)


def test_references_that_change_again_and_again_cost_a_moment_each(core, noise):
    audio = cut_off(noise(512 * 60), 44100)
    plugin = GANRestorer(seed=9).as_plugin()
    counted = core.dry_samples()
    plain = plugin.preset_data
    start = plain.index(b"UNCODECS")
    state = with_settings(plain[start:], amount=1.0, seed=9, like=Like(FLAT))
    for preset in (plain, plain[:start] + state, plain, plain[:start] + state):
        before = plugin_status(plugin).dry
        plugin.preset_data = preset
        for place in range(0, audio.shape[1], 512):
            plugin(audio[:, place : place + 512], 44100, buffer_size=512, reset=False)
        status = plugin_status(plugin)
        # What the network looks back on, and the fades.
        assert status.dry - before <= 8 * 512
        assert status.connected
        assert (status.reference is None) == (preset is plain)
    # Each session counts its own, and nothing is counted twice.
    assert 0 < core.dry_samples() - counted <= plugin_status(plugin).dry
    core.excused += core.dry_samples() - counted


def test_a_stream_through_the_plugin_is_the_effect_later(noise, later):
    audio = cut_off(noise(512 * 60), 44100)
    plugin = GANRestorer(amount=0.5).as_plugin()
    with rendering(plugin):
        parts = [
            plugin(audio[:, start : start + 512], 44100, buffer_size=512, reset=False)
            for start in range(0, audio.shape[1], 512)
        ]
    out = np.concatenate(parts, axis=1)
    expected = GANRestorer(amount=0.5)(audio, 44100)
    late = plugin.reported_latency_samples
    np.testing.assert_allclose(out[:, late:], later(expected, late)[:, late:], rtol=0, atol=1e-5)


def test_nothing_of_the_delta_is_the_input_bit_for_bit(noise):
    audio = noise(20000)
    plugin = GANRestorer(amount=0).as_plugin()
    with rendering(plugin):
        np.testing.assert_array_equal(plugin(audio, 44100), audio)


def test_the_parameters_of_a_plugin_are_those_of_its_effect():
    plugin = GANRestorer(amount=0.8).as_plugin()
    assert plugin.amount == 80.0
    plugin.amount = 25.0
    assert plugin.amount == 25.0


def test_plugins_of_one_process_share_a_core_which_they_leave_as_it_was(core, noise, wait):
    gc.collect()
    wait(lambda: core.status()["workers"][0]["sessions"] == [])
    (worker,) = core.status()["workers"]
    files = open_files(worker["pid"])
    plugins = [GANRestorer(seed=seed).as_plugin() for seed in (1, 2)]
    assert {plugin_status(plugin).connected for plugin in plugins} == {True}
    assert len(core.status()["workers"][0]["sessions"]) == 2
    board = pedalboard.Pedalboard(plugins)
    with rendering(*plugins):
        board(noise(8000), 44100)
    del board, plugins
    gc.collect()
    wait(lambda: core.status()["workers"][0]["sessions"] == [])
    assert core.status()["workers"][0]["pid"] == worker["pid"]
    assert open_files(worker["pid"]) == files


def open_files(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_render_that_was_not_restored_is_an_error(core, noise):
    plugin = GANRestorer().as_plugin()
    plugin.bypass = True
    audio = noise(20000)
    with pytest.raises(DryRender, match=r"of \d+ samples were not restored"), rendering(plugin):
        plugin(audio, 44100)
    plugin.bypass = False
    with rendering(plugin):
        plugin(audio, 44100)
    # Without the context it would be told when the last plugin goes.
    assert _what_was_dry(core) == f"{plugin_status(plugin).dry} samples were not restored"
    core.excused += plugin_status(plugin).dry


def test_a_rate_that_the_plugin_does_not_run_at_is_told(core, noise):
    plugin = GANRestorer().as_plugin()
    with pytest.raises(DryRender, match=r"sample_rate=4000"), rendering(plugin):
        plugin(noise(8000), 4000)
    with rendering(plugin):
        plugin(noise(8000), 44100)


@pytest.mark.parametrize("rate", [8000, 384000])
def test_the_lowest_and_the_highest_rate_are_rendered_as_by_the_effect(noise, rate):
    audio = noise(rate // 4)
    restorer = GANRestorer(amount=0.6)
    plugin = restorer.as_plugin()
    with rendering(plugin):
        np.testing.assert_allclose(plugin(audio, rate), restorer(audio, rate), rtol=0, atol=1e-5)


def test_parameters_read_what_the_plugin_was_made_with():
    plugin = GANRestorer(amount=0.8).as_plugin()
    assert plugin.amount == pytest.approx(80.0)
    plugin.amount = 30.0
    assert plugin.amount == pytest.approx(30.0)


def test_other_plugins_are_not_taken_for_ours():
    with (
        pytest.raises(InvalidType, match=r"must be a pedalboard\.VST3Plugin"),
        rendering(pedalboard.Gain()),
    ):
        pass


def test_a_model_of_other_sizes_than_the_plugin_s_is_refused(small_model):
    with pytest.raises(CoreError, match="window 256 and hop 64"):
        GANRestorer(model=small_model).as_plugin()
    assert (small_model, "cpu") not in PrivateCore._running


def test_without_a_bundle_the_error_says_how_to_make_one(monkeypatch, tmp_path):
    monkeypatch.setattr(bundle_module, "_PACKAGED", tmp_path / "a")
    monkeypatch.setattr(bundle_module, "_BUILT", tmp_path / "b")
    with pytest.raises(CoreError, match="run `make plugin`"):
        GANRestorer().as_plugin()


def contents(bundle):
    """Names and bytes of a folder's files, or of a file."""
    files = [bundle] if bundle.is_file() else [p for p in bundle.rglob("*") if p.is_file()]
    return {str(path.relative_to(bundle)): path.read_bytes() for path in files}


@pytest.mark.parametrize("plugin_format", FORMATS)
def test_installing_puts_the_bundle_in_place_of_an_older_one(tmp_path, plugin_format):
    folder = tmp_path / "plugins"
    target = install_bundle(folder, plugin_format)
    (target / "old" if target.is_dir() else target).write_text("of an earlier release")
    assert install_bundle(folder, plugin_format) == target
    assert contents(target) == contents(find_bundle(plugin_format))
    assert [p.name for p in folder.iterdir()] == [f"Uncodec.{plugin_format}"]


@pytest.mark.parametrize("plugin_format", FORMATS)
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_installing_takes_the_place_of_anything_that_has_the_name(tmp_path, plugin_format, kind):
    folder, kept = tmp_path / "plugins", tmp_path / "kept"
    folder.mkdir()
    kept.mkdir()
    target = folder / f"Uncodec.{plugin_format}"
    if kind == "file":
        target.write_text("")
    elif kind == "folder":
        (target / "inside").mkdir(parents=True)
    else:
        target.symlink_to(kept)
    assert install_bundle(folder, plugin_format) == target
    assert contents(target) == contents(find_bundle(plugin_format))
    assert kept.is_dir()
    assert uninstall_bundle(folder, plugin_format)
    assert list(folder.iterdir()) == []
    assert not uninstall_bundle(folder, plugin_format)


def test_a_format_that_is_none_is_refused(tmp_path):
    for call in (find_bundle, lambda name: install_bundle(tmp_path, name)):
        with pytest.raises(InvalidValue, match="format='vst2': must be vst3 or clap"):
            call("vst2")


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for name in FORMATS:
        with pytest.raises(CoreError, match="cannot be written"):
            install_bundle(tmp_path / "file" / "plugins", name)


def test_commands_print_where_the_bundle_is_and_install_it(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from uncodec import cli

    monkeypatch.setenv("HOME", str(tmp_path))
    shown = CliRunner().invoke(cli.app, ["plugin", "path"])
    assert shown.stdout.strip() == str(find_bundle())
    shown = CliRunner().invoke(cli.app, ["plugin", "path", "--format", "clap"])
    assert shown.stdout.strip() == str(find_bundle("clap"))
    installed = CliRunner().invoke(cli.app, ["plugin", "install"])
    targets = [tmp_path / ".vst3/Uncodec.vst3", tmp_path / ".clap/Uncodec.clap"]
    assert installed.stdout.splitlines() == list(map(str, targets))
    assert (tmp_path / ".vst3/Uncodec.vst3/Contents").is_dir()
    removed = CliRunner().invoke(cli.app, ["plugin", "uninstall", "--format", "clap"])
    assert removed.stdout.strip() == f"{targets[1]}: removed"
    assert [target.exists() for target in targets] == [True, False]
    removed = CliRunner().invoke(cli.app, ["plugin", "uninstall"])
    assert removed.stdout.splitlines() == [f"{targets[0]}: removed", f"{targets[1]}: is not there"]
    refused = CliRunner().invoke(cli.app, ["plugin", "install", "--format", "vst2"])
    assert refused.exit_code == 2
    assert "format='vst2': must be vst3 or clap" in refused.stderr


SCRIPT = """
import numpy as np, os, sys
from uncodec import GANRestorer, rendering
from uncodec.bridge.launcher import PrivateCore, wait_until
from uncodec.bridge.plugin import _what_was_dry, plugin_status
from uncodec.errors import DryRender

plugin = GANRestorer().as_plugin()
audio = np.random.default_rng(0).normal(0, 0.1, (2, 20000)).astype(np.float32)
core = next(iter(PrivateCore._running.values()))
status = core.status()
(worker,) = status["workers"]
with rendering(plugin):
    before = plugin(audio, 44100)
# In the middle of a render: what the new worker does not find in the memory it cannot restore.
try:
    with rendering(plugin):
        plugin.process(np.tile(audio, (1, 10)), 44100, reset=True)
        os.kill(worker["pid"], 9)
        wait_until(lambda: not plugin_status(plugin).connected, 30)
        plugin.process(audio, 44100, reset=False)
except DryRender as error:
    assert "samples were not restored" in str(error), error
else:
    sys.exit("a dry render was not told")
# Between two renders: the next one waits for the new worker.
os.kill(core.status()["workers"][0]["pid"], 9)
wait_until(lambda: not plugin_status(plugin).connected, 30)
with rendering(plugin):
    after = plugin(audio, 44100)
np.testing.assert_allclose(after, before, atol=1e-6)
print(status["pid"], core.status()["workers"][0]["pid"], core.path.parent)
"""


KILLED = """
import os, signal
from uncodec import GANRestorer
from uncodec.bridge.launcher import PrivateCore

plugin = GANRestorer().as_plugin()
core = next(iter(PrivateCore._running.values()))
status = core.status()
print(status["pid"], status["workers"][0]["pid"], core.path.parent, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_leaves_no_core_and_no_folder(wait, is_alive):
    done = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    *pids, folder = done.stdout.split()
    wait(lambda: not any(is_alive(pid) for pid in pids))
    assert not Path(folder).exists()


def test_a_core_that_dies_is_told_comes_back_and_ends_with_the_process():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    supervisor, worker, folder = done.stdout.split()
    for pid in (supervisor, worker):
        assert not Path(f"/proc/{pid}").exists()
    assert not Path(folder).exists()
    # Nothing is silent: the process was told at its end, too.
    assert "RuntimeWarning" in done.stderr
    assert "the core ended while it was in use" in done.stderr
