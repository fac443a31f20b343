"""Score tables: their order, their numbers, their intervals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from uncodec.analysis.report import (
    UNTOUCHED,
    ClipScore,
    aggregate,
    bootstrap_mean,
    from_json,
    to_json,
    to_markdown,
    write_text,
)
from uncodec.errors import AudioFileError, InvalidValue


def clips():
    rng = np.random.default_rng(0)
    for clip in range(8):
        material = "drums" if clip % 2 else "voice"
        for kbps in (64.0, 24.0):
            # The restorer comes first on purpose.
            for name, lsd in (("better", 1.0), (UNTOUCHED, 3.0)):
                side = math.nan if material == "voice" else 10.0
                scores = {"lsd": lsd + rng.uniform(-0.1, 0.1), "stereo_error_db": side}
                yield ClipScore(f"c{clip}", "mp3", kbps, name, material, scores)


def test_the_untouched_input_opens_every_group():
    rows = aggregate(clips())
    assert [(r.kbps, r.restorer, r.clips) for r in rows] == [
        (64.0, UNTOUCHED, 8),
        (64.0, "better", 8),
        (24.0, UNTOUCHED, 8),
        (24.0, "better", 8),
    ]
    assert rows[0].scores["lsd"].mean == pytest.approx(3.0, abs=0.1)
    assert rows[1].scores["lsd"].mean == pytest.approx(1.0, abs=0.1)


def test_rows_by_material_follow_those_over_everything():
    rows = aggregate(clips(), by_material=True)
    assert [r.material for r in rows] == [""] * 4 + ["drums"] * 4 + ["voice"] * 4
    assert rows[4].restorer == UNTOUCHED
    assert rows[4].clips == 4


def test_undefined_scores_are_left_out_of_the_mean():
    rows = aggregate(clips())
    assert rows[0].scores["stereo_error_db"].mean == 10.0
    assert rows[0].scores["stereo_error_db"].clips == 4
    voice = aggregate(clips(), by_material=True)[-1]
    assert math.isnan(voice.scores["stereo_error_db"].mean)


def test_bootstrap_interval_is_that_of_the_normal_theory():
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    interval = bootstrap_mean(values)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.half_width == pytest.approx(1.96 * values.std() / 20.0, rel=0.1)
    assert interval.low < interval.mean < interval.high
    assert (interval.least, interval.most) == (values.min(), values.max())


def test_bootstrap_is_seeded():
    values = np.random.default_rng(1).normal(size=30)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_bootstrap_of_one_clip_and_of_none_claims_no_interval():
    one = bootstrap_mean([2.0, math.nan])
    assert (one.mean, one.clips) == (2.0, 1)
    assert math.isnan(one.low)
    none = bootstrap_mean([math.nan])
    assert none.clips == 0
    assert math.isnan(none.mean)


@pytest.mark.parametrize("wrong", [{"confidence": 1.0}, {"resamples": 0}])
def test_bootstrap_refuses_wrong_settings(wrong):
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        bootstrap_mean([1.0, 2.0], **wrong)


def test_markdown_is_a_table_of_even_width():
    text = to_markdown(aggregate(clips()))
    lines = text.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 6
    assert lines[2].split("|")[3].strip() == UNTOUCHED
    assert " ± " in lines[2]
    assert "Stereo error dB" in lines[0]
    # Not measured for any row, so no column.
    assert "SI-SDR" not in text


def test_markdown_of_single_clips_has_no_intervals():
    rows = aggregate([ClipScore("a", "clean", None, UNTOUCHED, "", {"lsd": 0.86, "mr_stft": -0.0})])
    line = to_markdown(rows).splitlines()[2]
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "clean",
        "",
        UNTOUCHED,
        "0.86",
        "0.00",
    ]


def test_null_depth_is_that_of_the_worst_clip():
    rows = aggregate(
        ClipScore(str(i), "clean", None, "x", "", {"null_depth_db": db})
        for i, db in enumerate((-200.0, -61.0, -100.0))
    )
    assert to_markdown(rows).splitlines()[2].split("|")[-2].strip() == "-61.0"


def test_changes_are_paired_clip_by_clip():
    rows = aggregate(clips())
    better = rows[1].changes["lsd"]
    assert better.mean == pytest.approx(rows[1].scores["lsd"].mean - rows[0].scores["lsd"].mean)
    assert better.clips == 8
    assert rows[0].changes == {}
    # The clips differ by 10 dB, the restorer takes the same off each: no doubt about the change.
    rows = aggregate(
        ClipScore(str(clip), "mp3", 64.0, name, "", {"si_sdr_db": 10.0 * clip + change})
        for clip in range(5)
        for name, change in ((UNTOUCHED, 0.0), ("x", -0.25))
    )
    assert rows[1].scores["si_sdr_db"].half_width > 5.0
    assert rows[1].changes["si_sdr_db"].half_width == pytest.approx(0.0, abs=1e-9)
    cells = [c.strip() for c in to_markdown(rows).splitlines()[3].split("|")]
    assert "-0.25 ± 0.00" in cells
    assert "SI-SDR change dB" in to_markdown(rows)
    changes = json.loads(to_json(rows))["rows"][1]["changes"]
    assert changes["si_sdr_db"]["mean"] == -0.25


def test_clean_material_has_no_changes():
    rows = aggregate(
        ClipScore("a", "clean", None, name, "", {"lsd": 0.0}) for name in (UNTOUCHED, "x")
    )
    assert rows[1].changes == {}


def test_markdown_refuses_unknown_columns():
    with pytest.raises(InvalidValue, match="'volume'"):
        to_markdown(aggregate(clips()), columns=["volume"])


def test_json_says_the_same_and_is_strict():
    rows = aggregate(clips(), by_material=True)
    document = json.loads(to_json(rows, about={"seed": 0}), parse_constant=pytest.fail)
    assert document["about"] == {"seed": 0}
    first = document["rows"][0]
    assert (first["restorer"], first["material"], first["kbps"]) == (UNTOUCHED, None, 64.0)
    assert first["scores"]["lsd"]["mean"] == pytest.approx(rows[0].scores["lsd"].mean, abs=1e-4)
    assert first["scores"]["lsd"]["low"] < first["scores"]["lsd"]["mean"]
    assert document["rows"][-1]["scores"]["stereo_error_db"]["mean"] is None


def test_tables_that_cannot_be_written_say_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioFileError, match="cannot be written"):
        write_text(tmp_path / "file" / "table.md", "")


def test_what_was_written_as_json_comes_back():
    rows = aggregate(clips(), by_material=True)
    back = from_json(to_json(rows, about={"seed": 0}))
    assert to_markdown(back) == to_markdown(rows)
    assert back[0].scores["lsd"].clips == 8
    assert math.isnan(back[-1].scores["stereo_error_db"].mean)
    for text in ("", "[]", '{"rows": [{}]}', '{"rows": 3}'):
        with pytest.raises(InvalidValue, match="must be a table"):
            from_json(text)
