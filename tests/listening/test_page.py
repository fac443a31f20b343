"""What a page holds, without a browser."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re

import numpy as np
import pytest
import soundfile
from tests.listening.pages import HOSTILE, RATE, clip, noise, version

from uncodec.errors import InvalidValue, UncodecError
from uncodec.listening import Clip, Page, Table, write_page
from uncodec.listening.cells import STEP_DB, pack_cells, unpack_cells
from uncodec.listening.sounds import encode_flac


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def sound_of(path, name):
    text = path.read_text(encoding="utf-8")
    return base64.b64decode(re.search(rf'id="{name}">([^<]*)</script>', text)[1])


def test_one_file_holds_everything_and_asks_for_nothing(tmp_path):
    assert write_page(Page("Title", [clip()]), tmp_path) == [tmp_path / "index.html"]
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|<link|<iframe|@import|url\(", text)


def test_sounds_come_back_to_the_sample_with_the_hash_that_is_told(tmp_path):
    wanted = clip()
    write_page(Page("Title", [wanted]), tmp_path)
    versions = data_of(tmp_path / "index.html")["clips"][0]["versions"]
    for described, original in zip(versions, wanted.versions, strict=True):
        content = sound_of(tmp_path / "index.html", described["sound"])
        assert hashlib.sha256(content).hexdigest() == described["sha256"]
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        assert rate == RATE
        assert np.array_equal(samples.T, original.audio)


def test_what_is_finer_than_16_bits_is_dithered():
    quiet = np.full((1, 20000), 0.3 / 32768, np.float32)
    samples, _ = soundfile.read(io.BytesIO(encode_flac(quiet, RATE)))
    assert samples.mean() * 32768 == pytest.approx(0.3, abs=0.02)
    assert encode_flac(quiet, RATE) == encode_flac(quiet, RATE)


def test_versions_that_would_clip_turn_all_down_alike(tmp_path):
    loud, soft = noise(0), noise(1)
    loud = loud * np.float32(1.6 / np.abs(loud).max())
    page = Page(
        "Title",
        [Clip("c", RATE, 0.01, [version("a", "coded", loud), version("b", "restored", soft)])],
    )
    write_page(page, tmp_path)
    told = data_of(tmp_path / "index.html")["clips"][0]
    assert told["gain_db"] == pytest.approx(-20 * np.log10(1.6), abs=0.01)
    content = sound_of(tmp_path / "index.html", told["versions"][1]["sound"])
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    assert np.abs(samples.T - soft / 1.6).max() <= 2.5 / 32768


def test_louder_versions_are_matched_to_the_quietest_and_silence_to_nothing(tmp_path):
    audio = noise(0)
    silent = version("silent", "restored", np.zeros_like(audio))
    versions = [version("a", "original", audio), version("b", "coded", audio / 2), silent]
    write_page(Page("Title", [Clip("c", RATE, 0.01, versions)]), tmp_path)
    told = data_of(tmp_path / "index.html")["clips"][0]["versions"]
    assert [each["match_db"] for each in told] == [pytest.approx(-6.02, abs=0.01), 0.0, 0.0]
    assert told[2]["lufs"] is None


def test_hostile_names_stay_inside_their_text(tmp_path):
    names = [HOSTILE, HOSTILE, "\udcff name", "A" * 5000]
    table = Table(HOSTILE, [HOSTILE], [[HOSTILE]], [True], HOSTILE)
    write_page(Page(HOSTILE, [clip(HOSTILE, names=names)], [table], [HOSTILE]), tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script>window.hit" not in text
    assert "<img" not in text
    told = data_of(tmp_path / "index.html")
    assert told["title"] == told["clips"][0]["versions"][0]["name"] == HOSTILE
    assert told["clips"][0]["versions"][2]["name"] == "? name"
    assert len(told["clips"][0]["versions"][3]["name"]) == 200


def test_what_is_too_large_for_one_file_lies_beside_it(tmp_path):
    written = write_page(Page("Title", [clip()]), tmp_path, embedded_mb=0.1)
    assert {path.parent.name for path in written[:-1]} == {"sounds"}
    assert (tmp_path / "index.html").stat().st_size < 120_000
    name, content = re.fullmatch(
        r'uncodecFile\("([\w-]+)", "([\w+/=]+)"\);\n',
        (tmp_path / "sounds/sound-1-1.js").read_text(),
    ).groups()
    assert name == "sound-1-1"
    assert base64.b64decode(content)[:4] == b"fLaC"


def test_levels_come_back_to_half_a_step():
    levels = [np.random.default_rng(n).uniform(-110, -3, (50, 40)) for n in range(2)]
    cells = pack_cells(levels)
    assert cells.top_db == 0.0
    for number, each in enumerate(levels):
        assert np.abs(unpack_cells(cells, number) - each).max() <= STEP_DB / 2 + 1e-5
    assert unpack_cells(pack_cells([np.full((2, 2), -300.0)]), 0).max() < -200


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (Page("t", []), "at least one clip"),
        (Page("t", [dataclasses.replace(clip(), versions=[])]), "1 to 9 versions, got 0"),
        (Page("t", [Clip("c", RATE, 0.1, [clip().versions[0]] * 10)]), "got 10"),
        (
            Page(
                "t",
                [
                    Clip(
                        "c",
                        RATE,
                        0.1,
                        [version("a", "coded", noise(0)), version("b", "coded", noise(0, 1.3))],
                    )
                ],
            ),
            "one shape",
        ),
        (
            Page("t", [Clip("c", RATE, 0.1, [version("a", "coded", noise(0, channels=3))])]),
            "one or two channels",
        ),
        (Page("t", [dataclasses.replace(clip(), sample_rate=700_000)]), "sample_rate=700000"),
    ],
)
def test_what_cannot_be_a_page_is_refused(page, told, tmp_path):
    with pytest.raises(InvalidValue, match=told):
        write_page(page, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told_in_a_line(tmp_path):
    with pytest.raises(UncodecError, match="cannot be written: the folder does not exist"):
        write_page(Page("t", [clip()]), tmp_path / "none")
