"""Receipts, summed up."""

import json

import pytest
from tests.cli.conftest import run_command

from uncodec.catalogue.status import sum_up
from uncodec.errors import AudioFileError, InvalidValue


@pytest.fixture
def catalogue(put, go, tmp_path):
    """One of everything: done, missing, failed, stopped, unreadable."""
    for name in ("a.wav", "b.wav", "fails1.wav", "fails2.wav", "gone.wav", "stopped.wav"):
        put(name, samples=44100)
    go()
    (tmp_path / "out/gone.flac").unlink()
    for path in (tmp_path / "receipts").rglob("*.receipt.json"):
        if path.name.startswith("stopped"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "begun"}))
        if path.name.startswith("b.flac"):
            path.write_text("{}")
    return tmp_path


def test_receipts_are_summed_up(catalogue):
    status = sum_up(catalogue / "receipts")
    assert status.done == 1
    assert status.missing == [f"{catalogue}/out/gone.flac"]
    assert status.reasons() == {"is not wanted": 2}
    assert status.stopped == [f"{catalogue}/in/stopped.wav"]
    assert [reason for _, reason in status.unread] == ["this receipt is damaged"]
    assert status.audio_s == 1.0
    assert status.times_real_time > 0


def test_the_command_tells_it(catalogue):
    outcome = run_command("catalogue", "status", catalogue / "receipts")
    assert outcome.code == 0
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith("done     1, 0.0 hours of audio, ")
    assert lines[1:3] == ["failed   2", "         2: is not wanted"]
    assert "missing  1" in lines
    told = json.loads(run_command("catalogue", "status", catalogue / "receipts", "--json").stdout)
    assert told["done"] == 1
    assert [row["reason"] for row in told["failed"]] == [
        f"{catalogue}/in/fails{n}.wav: is not wanted" for n in (1, 2)
    ]


def test_a_folder_without_receipts_is_refused(tmp_path):
    with pytest.raises(InvalidValue, match="must hold receipts"):
        sum_up(tmp_path)
    with pytest.raises(AudioFileError, match="does not exist"):
        sum_up(tmp_path / "nowhere")
    assert run_command("catalogue", "status", tmp_path).code == 2


def test_what_has_no_receipt_yet_is_told_if_the_sources_are(catalogue, put):
    assert sum_up(catalogue / "receipts").untouched is None
    new = put("album/new.wav")
    status = sum_up(catalogue / "receipts", [catalogue / "in"])
    # The receipt of b.wav cannot be read.
    assert status.untouched == [str(new), f"{catalogue}/in/b.wav"]
    outcome = run_command(
        "catalogue", "status", catalogue / "receipts", "--sources", catalogue / "in"
    )
    assert f"open     2\n         {new}\n" in outcome.stdout
    with pytest.raises(InvalidValue, match="must be a folder that is there"):
        sum_up(catalogue / "receipts", [catalogue / "nowhere"])
