"""What a receipt tells, and what a second run makes of it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile
from tests.catalogue.light_work import Halving

from uncodec.catalogue.damage import Damage
from uncodec.catalogue.receipts import ReceiptBook, read_receipt
from uncodec.files.planning import Job, plan

HERE = Path(__file__).parent


def receipts(folder):
    return sorted(folder.rglob("*.receipt.json"))


def test_a_receipt_tells_what_the_result_was_made_of(put, go, tmp_path):
    source = put("album/song.wav")
    go()
    (path,) = receipts(tmp_path / "receipts")
    told = json.loads(path.read_text())
    assert told["state"] == "done"
    assert told["source"]["name"] == "album/song.wav"
    assert told["source"]["bytes"] == source.stat().st_size
    assert len(told["source"]["sha256"]) == 64
    assert told["result"]["bytes"] == (tmp_path / "out/album/song.flac").stat().st_size
    assert told["model"] == {"name": "a"}
    assert told["settings"] == [0.5]
    assert told["audio"] == {"sample_rate": 44100, "channels": 2, "seconds": 0.068}
    assert {"uncodec", "python", "numpy"} <= told["versions"].keys()


def test_what_is_done_is_passed_over(put, go):
    put("a.wav"), put("b.wav", 1)
    first = go()
    assert first.end == {"restored": 2, "failed": 0, "skipped": 0, "left": 0, "again": {}}
    second = go()
    assert second.end == {"restored": 0, "failed": 0, "skipped": 2, "left": 0, "again": {}}
    assert second.names("skipped") == ["a.wav", "b.wav"]
    assert second.failures == 0


def change_source(put, tmp_path):
    put("a.wav", seed=5)
    return None


def change_settings(put, tmp_path):
    return Halving(factor=0.25)


def change_model(put, tmp_path):
    return Halving(model="b")


def damage_result(put, tmp_path):
    result = tmp_path / "out/a.flac"
    content = bytearray(result.read_bytes())
    content[-1] ^= 1
    result.write_bytes(content)


def remove_result(put, tmp_path):
    (tmp_path / "out/a.flac").unlink()


def rewrite_receipt(**changes):
    def rewrite(put, tmp_path):
        (path,) = (p for p in receipts(tmp_path / "receipts") if p.name.startswith("a.flac"))
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return rewrite


def break_receipt(put, tmp_path):
    (path,) = (p for p in receipts(tmp_path / "receipts") if p.name.startswith("a.flac"))
    path.write_text("{")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_source, "the source changed"),
        (change_settings, "another settings"),
        (change_model, "another model"),
        (damage_result, "the result changed"),
        (remove_result, "the result is missing"),
        (break_receipt, "this receipt is damaged"),
        (rewrite_receipt(receipt=99), "this receipt is of another version (format 99)"),
        (rewrite_receipt(state="begun"), "it was stopped before"),
        (rewrite_receipt(state="failed"), "it failed before"),
        (rewrite_receipt(state="odd"), "this receipt is damaged"),
    ],
)
def test_what_has_changed_is_done_again(put, go, tmp_path, change, reason):
    put("a.wav")
    go()
    put("b.wav")
    work = change(put, tmp_path)
    told = go(work)
    assert told.end == {"restored": 2, "failed": 0, "skipped": 0, "left": 0, "again": {reason: 1}}
    assert go(work).end["skipped"] == 2
    factor = 0.25 if work and work.factor == 0.25 else 0.5
    source, _ = soundfile.read(tmp_path / "in/a.wav")
    result, _ = soundfile.read(tmp_path / "out/a.flac")
    assert abs(result - factor * source).max() < 1e-6


def test_a_file_that_is_not_ours_is_never_replaced(put, go, tmp_path):
    put("a.wav")
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out/a.flac"
    mine.write_bytes(b"mine")
    for _ in range(2):
        told = go()
        assert told.failures == 1
        assert "exists already" in told.errors[0]
        assert mine.read_bytes() == b"mine"
    mine.unlink()
    assert go().end["restored"] == 1


def test_a_failure_is_tried_again_and_its_old_result_replaced(put, go, tmp_path):
    source = put("a.wav")
    go()
    source.write_bytes(b"no music")
    assert go().failures == 1
    assert (tmp_path / "out/a.flac").exists()
    put("a.wav", seed=3)
    assert go().end["again"] == {"it failed before": 1}


def test_a_vanished_source_is_told_and_the_others_go_on(put, go, tmp_path):
    put("a.wav"), put("b.wav")

    def vanish(planned):
        (tmp_path / "in/a.wav").unlink()
        return planned

    told = go(jobs=vanish)
    assert told.errors == [f"{tmp_path}/in/a.wav: does not exist"]
    assert told.end["restored"] == 1


def test_receipts_lie_beside_results_and_are_no_sources(put, go, tmp_path):
    put("a.wav")
    go(output=False, receipts=False)
    assert (tmp_path / "in/a.restored.flac.receipt.json").is_file()
    told = go(output=False, receipts=False)
    assert told.end["skipped"] == 1
    passed = {p.path.name: p.reason for p in plan([tmp_path / "in"]).passed_over}
    assert passed["a.restored.flac.receipt.json"] == "is a receipt"


def test_without_skipping_receipts_are_left_and_results_kept(put, go, tmp_path):
    put("a.wav")
    go(skip_done=False)
    assert len(receipts(tmp_path / "receipts")) == 1
    told = go(skip_done=False)
    assert told.failures == 1
    assert "exists already" in told.errors[0]


def test_places_of_receipts_are_told_by_the_result_below_its_folder(tmp_path):
    book = ReceiptBook(tmp_path / "receipts")

    def place(root, name):
        return book.path(Job(tmp_path / "x", tmp_path / root / name, tmp_path / root))

    assert place("here", "a/song.flac") == place("there", "a/song.flac")
    assert place("here", "a/song.flac") != place("here", "b/song.flac")
    long = place("here", "é" * 120 + ".flac")
    assert len(os.fsencode(long.name)) < 255


def test_a_full_disk_loses_nothing(put, go, tmp_path, full_disk):
    put("a.wav", samples=100)
    put("long.wav", samples=200_000)
    with full_disk(20_000):
        told = go()
    assert told.names("finished") == ["a.wav"]
    assert "no space" in told.errors[0] or "largest size" in told.errors[0]
    check_that_it_goes_on(go)


def test_a_full_disk_loses_nothing_where_several_processes_work(put, go, tmp_path, full_disk):
    put("a.wav", samples=100)
    put("long.wav", samples=200_000)
    places = tmp_path / "in", tmp_path / "out", tmp_path / "receipts"
    command = [sys.executable, str(HERE / "light_work.py"), *map(str, places)]
    with full_disk(20_000):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no space" in done.stderr or "largest size" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.flac"]
    check_that_it_goes_on(go)


def check_that_it_goes_on(go):
    assert go().end == {
        "restored": 1,
        "failed": 0,
        "skipped": 1,
        "left": 0,
        "again": {"it failed before": 1},
    }


def test_a_receipt_that_cannot_be_read_says_why(tmp_path):
    (tmp_path / "folder.receipt.json").mkdir()
    assert "cannot be read" in read_receipt(tmp_path / "folder.receipt.json")["unread"]
    assert read_receipt(tmp_path / "none") is None


def test_a_receipt_of_another_version_is_told(put, go, tmp_path):
    put("a.wav")
    go()
    rewrite_receipt(receipt=99)(put, tmp_path)
    told = go()
    assert told.names("notice") == ["a.wav"]
    assert told.end["restored"] == 1


class Asked(Halving):
    """Remembers whether it was to go on with something."""

    def do(self, job, *, ours, resume, progress, notice):
        self.asked = (ours, resume)
        return super().do(job, ours=ours, resume=resume, progress=progress, notice=notice)


def test_what_was_stopped_goes_on_if_nothing_has_changed(put, go, tmp_path):
    put("a.wav")
    work = Asked()
    go(work)
    assert work.asked == (False, False)
    rewrite_receipt(state="begun")(put, tmp_path)
    go(work)
    assert work.asked == (True, True)
    rewrite_receipt(state="begun")(put, tmp_path)
    put("a.wav", seed=1)
    go(work)
    assert work.asked == (True, False)


@dataclass
class Losing(Halving):
    """The place of the results is gone once there is one."""

    place: Path | None = None

    def do(self, job, **options):
        report = super().do(job, **options)
        if self.place is not None:
            self.place.rename(self.place.with_name("away"))
            self.place.write_text("no folder")
            self.place = None
        return report


def test_a_place_that_is_lost_in_mid_run_loses_nothing(put, go, tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        put(name)
    told = go(Losing(place=tmp_path / "out"))
    assert told.failures == 3
    assert all(f"{tmp_path}/out" in error for error in told.errors)
    (tmp_path / "out").unlink()
    (tmp_path / "away").rename(tmp_path / "out")
    again = go()
    assert again.end["restored"] == 3
    assert not list((tmp_path / "out").glob(".*"))


@pytest.fixture
def inspector(monkeypatch):
    """An inspector that finds damage where the name says so; gives the names it was asked for."""
    asked = []

    def look(source):
        asked.append(source.name)
        return Damage("damaged" in source.name, "as its name says", {"verdict": "lossless"})

    monkeypatch.setattr("uncodec.catalogue.run.damage_of", look)
    return asked


def test_what_was_left_alone_is_not_inspected_again_unless_it_changed(put, go, inspector):
    put("damaged.wav"), put("sound.wav")
    told = go(only_damaged=True)
    assert (told.names("finished"), told.names("left")) == (["damaged.wav"], ["sound.wav"])
    assert (told.end["restored"], told.end["left"]) == (1, 1)
    assert sorted(inspector) == ["damaged.wav", "sound.wav"]
    inspector.clear()
    assert go(only_damaged=True).end["left"] == 1
    assert inspector == []
    put("sound.wav", seed=9)
    assert go(only_damaged=True).end["left"] == 1
    assert inspector == ["sound.wav"]


def test_without_receipts_damage_is_asked_for_every_time(put, go, inspector, tmp_path):
    put("sound.wav")
    for _ in range(2):
        told = go(only_damaged=True, receipts=False, skip_done=False, output=False)
        assert told.end["left"] == 1
    assert inspector == ["sound.wav"] * 2
    assert [path.name for path in (tmp_path / "in").iterdir() if path.suffix == ".flac"] == []
