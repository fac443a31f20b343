"""The picture of a score table."""

from __future__ import annotations

import pytest

from uncodec.analysis.report import UNTOUCHED, ClipScore, aggregate
from uncodec.analysis.score_curves import draw_scores
from uncodec.errors import InvalidValue, UncodecError


@pytest.fixture(scope="module")
def rows():
    return aggregate(
        ClipScore(f"{clip}", codec, kbps, name, "", {"lsd": 100 / kbps + clip / 10, "si_sdr_db": 9})
        for clip in range(3)
        for codec, kbps in (("mp3", 32.0), ("mp3", 64.0), ("opus", 16.0))
        for name in (UNTOUCHED, "small & good")
    )


def test_every_codec_restorer_and_score_is_in_the_picture(rows, tmp_path):
    pytest.importorskip("matplotlib")
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        text = draw_scores(rows, tmp_path / "deep" / "scores.svg").read_text()
    for word in ("mp3", "opus", UNTOUCHED, "small &amp; good", "LSD", "SI-SDR change dB", "64"):
        assert f">{word}<" in text
    assert "ViSQOL" not in text  # not measured


def test_a_kind_of_material_has_a_picture_of_its_own(tmp_path):
    pytest.importorskip("matplotlib")
    import matplotlib

    rows = aggregate(
        (
            ClipScore(kind, codec, 32.0, UNTOUCHED, kind, {"lsd": 1.0})
            for kind, codec in (("drums", "mp3"), ("voice", "opus"))
        ),
        by_material=True,
    )
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        text = draw_scores(rows, tmp_path / "drums.svg", material="drums").read_text()
    assert ">drums<" in text
    assert ">mp3<" in text
    assert ">opus<" not in text
    with pytest.raises(InvalidValue, match="got none"):
        draw_scores(rows, tmp_path / "cats.svg", material="cats")


def test_what_cannot_be_drawn_says_so(rows, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(InvalidValue, match="must hold scores of codecs with a bit rate"):
        draw_scores([], tmp_path / "scores.png")
    with pytest.raises(InvalidValue, match="path="):
        draw_scores(rows, tmp_path / "scores.txt")


def test_without_matplotlib_the_extra_is_named(rows, tmp_path, monkeypatch):
    import sys

    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UncodecError, match=r"uncodec\[plots\]"):
        draw_scores(rows, tmp_path / "scores.png")
