"""Evaluation by name: the same with any number of processes, and going on where it was stopped."""

from __future__ import annotations

import json
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from safetensors.numpy import save_file

from uncodec.analysis import campaign
from uncodec.analysis.baselines import EXCITER
from uncodec.analysis.campaign import Plan, run
from uncodec.analysis.report import UNTOUCHED
from uncodec.analysis.restorers import Restorer, find_restorers
from uncodec.errors import InvalidValue, ModelError, UncodecError

RATE = 44100
CODECS = (("mp3", 32.0), ("clean", None))


@pytest.fixture
def plan(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("drums/a.flac", "drums/b.flac", "voice/c.flac"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal((RATE // 2, 2)), RATE)
    restorers = tuple(find_restorers(["exciter"]))
    return Plan(restorers, tmp_path / "data", CODECS, seconds=0.4)


def assert_same(found, wanted):
    """Sums end in other last bits where their arrays lie elsewhere in memory."""
    for one, other in zip(found, wanted, strict=True):
        assert vars(one) | {"scores": None} == vars(other) | {"scores": None}
        assert one.scores == pytest.approx(other.scores, rel=1e-12, abs=1e-12, nan_ok=True)


def test_every_clip_codec_and_restorer_comes_in_order(plan):
    told = []
    found = run(plan, progress=lambda *news: told.append(news))
    assert [(s.clip, s.codec, s.restorer) for s in found] == [
        (clip, codec, name)
        for clip in ("drums/a.flac", "drums/b.flac", "voice/c.flac")
        for codec in ("mp3", "clean")
        for name in (UNTOUCHED, EXCITER)
    ]
    assert told[-1] == (3, 3, "voice/c.flac")
    assert found[0].scores["lsd"] > found[1].scores["lsd"] > 0.0
    assert found[2].scores["null_depth_db"] == -200.0


def test_two_processes_find_the_same_as_one(plan):
    assert_same(run(plan, jobs=2), run(plan))


def test_a_stopped_run_goes_on_with_what_is_missing(plan, tmp_path, monkeypatch):
    kept = tmp_path / "kept" / "scores.jsonl"
    whole = run(plan)

    def stop(done, count, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan, kept=kept, progress=stop)
    with kept.open("a") as file:
        file.write('{"clip": "half a li')
    scored = []
    count = campaign._score
    monkeypatch.setattr(campaign, "_score", lambda task: scored.append(task[0].name) or count(task))
    resumed = run(plan, kept=kept)
    assert scored == ["b.flac", "c.flac"]
    assert_same(resumed, whole)
    # Everything is there now; another codec costs that codec only.
    assert len(run(plan, kept=kept)) == len(whole)
    assert len(scored) == 2
    more = run(replace(plan, codecs=(*CODECS, ("mp3", 64.0))), kept=kept)
    assert len(more) == len(whole) + 6
    assert len(kept.read_text().splitlines()) == 1 + len(more)


def test_scores_of_other_weights_are_not_taken(plan, tmp_path):
    kept = tmp_path / "scores.jsonl"
    run(plan, kept=kept)
    changed = replace(plan, restorers=(replace(plan.restorers[0], fingerprint="new"),))
    seen = []
    run(changed, kept=kept, progress=lambda done, count, name: seen.append(name))
    assert len(seen) == 3


def test_scores_of_other_settings_are_refused(plan, tmp_path):
    kept = tmp_path / "scores.jsonl"
    run(plan, kept=kept)
    with pytest.raises(InvalidValue, match="was begun with"):
        run(replace(plan, seed=1), kept=kept)
    kept.write_text("not scores\n")
    with pytest.raises(InvalidValue, match="must be a file of kept scores"):
        run(plan, kept=kept)


def test_a_process_that_dies_is_told(plan, monkeypatch):
    def die(futures):
        raise BrokenProcessPool

    monkeypatch.setattr(campaign, "as_completed", die)
    with pytest.raises(UncodecError, match="a process of the evaluation died"):
        run(plan, jobs=2)


def test_weights_that_cannot_be_used_are_told_by_the_processes(plan, tmp_path):
    weights = {"w": np.zeros(1, np.float32)}
    save_file(weights, tmp_path / "weights.safetensors", metadata={"kind": "generator"})
    broken = replace(plan, restorers=tuple(find_restorers([str(tmp_path)])))
    for jobs in (1, 2):
        with pytest.raises(ModelError, match=r"weights\.safetensors"):
            run(broken, jobs=jobs)


def test_arguments_are_checked(plan):
    with pytest.raises(InvalidValue, match="jobs=0"):
        run(plan, jobs=0)
    with pytest.raises(InvalidValue, match="in every table"):
        run(replace(plan, restorers=(Restorer(UNTOUCHED, "exciter"),)))


def test_restorers_are_found_by_name(tmp_path):
    assert find_restorers(["exciter", "exciter"]) == [Restorer(EXCITER, "exciter")]
    assert find_restorers(["plain=exciter"])[0].label == "plain"
    with pytest.raises(InvalidValue, match="another one is called"):
        find_restorers(["exciter", f"{EXCITER}=live-gan"])
    with pytest.raises(ModelError, match="must be a released model"):
        find_restorers(["no-such-model"])
    (tmp_path / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        find_restorers([str(tmp_path)])


def test_models_of_unknown_kinds_are_refused(tmp_path):
    weights = {"w": np.zeros(1, np.float32)}
    save_file(weights, tmp_path / "weights.safetensors", metadata={"kind": "toaster"})
    with pytest.raises(ModelError, match=r"kind that restores .* got toaster"):
        find_restorers([str(tmp_path)])


def test_kept_files_are_strict_json(plan, tmp_path):
    run(plan, kept=tmp_path / "s.jsonl")
    lines = (tmp_path / "s.jsonl").read_text().splitlines()
    kept = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert sum("scores" in line for line in kept) >= 2
