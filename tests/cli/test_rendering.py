"""``uncodec render``: what restore does, with takes, a ceiling, and a render that can go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from uncodec.codecs import encode
from uncodec.io import open_audio


@pytest.fixture
def render(run_model, diffusion_folder):
    """Run ``uncodec render ARGUMENTS...`` in this process, with a small untrained model."""

    def render(*arguments):
        return run_model("render", *arguments, "--model", diffusion_folder, "--steps", 2)

    return render


def read(path):
    return soundfile.read(path, dtype="float32", always_2d=True)[0].T


def assert_refused(outcome, *words, code=1):
    assert outcome.code == code
    (line,) = outcome.error_lines
    assert line.startswith("uncodec: error: ")
    for word in words:
        assert word in line


def test_a_result_lies_next_to_its_source_with_its_tags(render, tmp_path, song, only_left):
    source = tmp_path / "song.mp3"
    source.write_bytes(encode(0.1 * song, 44_100, "mp3", kbps=128))
    outcome = render(source)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")
    target = tmp_path / "song.rendered.flac"
    only_left(source, target)
    assert soundfile.info(target).subtype == "PCM_24"
    # Earlier results are passed over.
    assert render(tmp_path, "-o", tmp_path / "out").code == 0
    only_left(source, target, tmp_path / "out/song.flac")


def test_brightness_reaches_the_engine_and_the_tag(render, put, tmp_path):
    source = put("song.wav")
    for name, options in (("plain.wav", ()), ("bright.wav", ("--brightness", 6))):
        assert render(source, "-o", tmp_path / name, "--bits", 32, *options).code == 0
    plain, bright = (read(tmp_path / name) for name in ("plain.wav", "bright.wav"))
    assert np.abs(plain - bright).max() > 1e-5
    with open_audio(tmp_path / "bright.wav") as reader:
        (text,) = reader.all_tags.fields["restoration"]
    assert text.endswith(", amount 1, brightness +6 dB")
    assert_refused(render(source, "--brightness", -13), "brightness_db=-13.0", code=2)


def test_takes_are_results_of_several_seeds(render, put, tmp_path, only_left):
    source = put("song.wav")
    assert render(source, "--takes", 2, "--seed", 5, "--bits", 32).code == 0
    takes = [tmp_path / f"song.rendered.take{n}.wav" for n in (1, 2)]
    only_left(source, *takes)
    first, second = map(read, takes)
    assert np.abs(first - second).max() > 1e-5
    assert render(source, "--seed", 6, "--bits", 32).code == 0
    np.testing.assert_array_equal(read(tmp_path / "song.rendered.wav"), second)
    assert_refused(render(source, "--takes", 2, "-o", "-"), "takes", code=2)
    assert_refused(render(source, "--takes", 0), "takes=0", code=2)


def test_it_reports_in_json(render, put, tmp_path):
    outcome = render(put("song.wav"), "--json")
    events = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [events[0]["event"], events[-2]["event"], events[-1]["event"]] == [
        "start",
        "done",
        "end",
    ]
    progress = [e for e in events if e["event"] == "progress"]
    assert progress
    assert all(0 < e["frames"] <= e["total_frames"] == 101_430 for e in progress)
    frames = [e["frames"] for e in progress]
    assert frames == sorted(set(frames))
    assert events[-2]["target"] == str(tmp_path / "song.rendered.flac")


def test_amount_zero_gives_the_source_back(render, put, tmp_path, song):
    source = put("song.wav", song, subtype="FLOAT")
    assert render(source, "--amount", 0, "--bits", 32).code == 0
    np.testing.assert_array_equal(read(tmp_path / "song.rendered.wav"), song)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--steps", "33"], "steps=33"),
        (["--seed", "-1"], "seed=-1"),
        (["--amount", "1.5"], "amount=1.5"),
        (["--sampler", "x"], "sampler='x'"),
        (["--ceiling-db", "3"], "ceiling_db=3"),
        (["--bits", "8"], "bits=8"),
        (["--device", "no-such-device"], "no-such-device"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--model", "live-gan"], "kind diffusion"),
    ],
)
def test_wrong_use(run_model, diffusion_folder, put, only_left, options, word):
    source = put("song.wav")
    if "--model" not in options:
        options = [*options, "--model", diffusion_folder]
    assert_refused(run_model("render", source, *options), word, code=2)
    only_left(source)


def test_what_cannot_be_read_is_told_and_the_rest_is_done(render, put, song, tmp_path, only_left):
    good = put("in/good.wav", 0.1 * song)
    bad = tmp_path / "in/bad.mp3"
    bad.write_bytes(b"no music")
    song[1, 70_000] = np.nan
    worse = put("in/worse.wav", song, subtype="FLOAT")
    outcome = render(tmp_path / "in", "-o", tmp_path / "out")
    assert outcome.code == 1
    assert len(outcome.error_lines) == 2
    assert "bad.mp3" in outcome.error_lines[0]
    assert "must be a finite number" in outcome.error_lines[1]
    only_left(good, bad, worse, tmp_path / "out/good.flac")


def test_existing_results_are_kept(render, put, tmp_path):
    source = put("song.wav")
    target = tmp_path / "song.rendered.flac"
    target.write_bytes(b"precious")
    assert_refused(render(source), "exists", "--overwrite")
    assert target.read_bytes() == b"precious"
    assert render(source, "--overwrite").code == 0


def test_a_render_killed_half_way_goes_on(run_model, tmp_path):
    """With SIGINT it says how; after SIGKILL, which nobody hears, it goes on as well."""
    import torch

    from uncodec.networks import DiffusionConfig, DiffusionNetwork, save_weights

    torch.manual_seed(0)
    # Chunks of 0.7 s: there are some soon.
    config = DiffusionConfig(window=256, hop=32, width=8, dilations=(1,), local=2)
    save_weights(tmp_path / "m", DiffusionNetwork(config), name="m", version="0")
    source = tmp_path / "song.wav"
    noise = 0.1 * np.random.default_rng(0).standard_normal((44_100 * 31 // 10, 1))
    soundfile.write(source, noise, 44_100)
    command = ["render", source, "--model", tmp_path / "m", "--steps", 2]
    store = tmp_path / ".song.rendered.flac.uncodec"

    # The process signals itself once a chunk is kept: the render cannot end before that.
    program = """
import os, sys
from uncodec.cli import main
from uncodec.files.chunks import GroupStore

number, last = map(int, sys.argv[1:3])
del sys.argv[1:3]
save = GroupStore.save


def save_and_signal(self, chunk, audio):
    save(self, chunk, audio)
    if chunk == last:
        os.kill(os.getpid(), number)


GroupStore.save = save_and_signal
main()
"""

    def stop(number, chunk, *more):
        arguments = (int(number), chunk, *command, *more)
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            stderr=subprocess.PIPE,
            text=True,
            timeout=180,
        )
        return done.returncode, done.stderr

    code, told = stop(signal.SIGINT, 1)
    assert code == 130, told
    assert told == "uncodec: stopped; --resume goes on with what is finished\n"
    assert stop(signal.SIGKILL, 3, "--resume")[0] == -signal.SIGKILL
    assert (store / "000003.npy").exists()
    assert not (tmp_path / "song.rendered.flac").exists()
    assert run_model(*command, "--resume").code == 0
    assert not store.exists()
    assert run_model(*command, "-o", tmp_path / "whole.flac").code == 0
    np.testing.assert_array_equal(
        read(tmp_path / "song.rendered.flac"), read(tmp_path / "whole.flac")
    )


def test_renders_side_by_side_are_the_same_and_are_passed_over_when_done(
    render, put, song, tmp_path
):
    sources = [put("in/a.wav", song[:, :20_000]), put("in/b.wav", song[:1, :20_000])]
    assert render(tmp_path / "in", "-o", tmp_path / "one").code == 0
    two = (tmp_path / "in", "-o", tmp_path / "two", "--jobs", 2, "--skip-done")
    assert render(*two).code == 0
    for source in sources:
        name = source.with_suffix(".flac").name
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    outcome = render(*two)
    assert outcome.error_lines == ["uncodec: 0 restored, 0 failed, 2 done before"]
    assert "another settings" in render(*two, "--seed", 5).stderr
