"""The queue: one file at a time, in an order that can be changed, and on after a restart."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.web.desks import StillChild, drop

from uncodec.errors import AudioFileError
from uncodec.files.restore import RestoreReport


@pytest.fixture
def worker(client):
    """The process of the queue, which is told things and says nothing."""
    return next(each for each in StillChild.made if each.serve.__module__ == "uncodec.web.queue")


def keep(client, *keys, **more):
    files = [{"file": key} for key in keys]
    return client.post("/api/keep", json={"files": files, **more}).json()


def queue(client):
    return client.get("/api/state").json()["queue"]


def states(client):
    return [(ticket["name"], ticket["state"]) for ticket in queue(client)["tickets"]]


def act(client, index, action, **more):
    key = queue(client)["tickets"][index]["id"]
    return client.post(f"/api/queue/{key}", json={"action": action, **more})


def finish(worker, outcome="restored"):
    worker.heard(("ended", worker.sent[-1].id, outcome))


def songs(client, count=3):
    return [drop(client, f"{n}.mp3", b"x" * (n + 1)) for n in range(count)]


def test_one_file_is_done_at_a_time(client, worker):
    assert keep(client, *songs(client))["added"] == 3
    assert states(client) == [("0.mp3", "working"), ("1.mp3", "waiting"), ("2.mp3", "waiting")]
    assert len(worker.sent) == 1
    finish(worker)
    assert states(client) == [("0.mp3", "done"), ("1.mp3", "working"), ("2.mp3", "waiting")]
    finish(worker, "failed")
    finish(worker)
    assert [state for _, state in states(client)] == ["done", "failed", "done"]
    assert len(worker.sent) == 3


def test_progress_and_time_left_are_told(client, worker):
    keep(client, *songs(client, 1))
    job = worker.sent[0].job
    worker.heard(("event", "started", [job.source, job.target]))
    worker.heard(("event", "progress", [job.source, 25, 100]))
    [ticket] = queue(client)["tickets"]
    assert ticket["share"] == 0.25
    assert ticket["left_s"] == pytest.approx(3 * ticket["elapsed_s"], abs=0.4)
    worker.heard(("event", "progress", [job.source, 25, None]))
    assert queue(client)["tickets"][0]["share"] == 0.0


def test_the_order_can_be_changed(client, worker):
    keep(client, *songs(client, 4))
    act(client, 3, "earlier")
    act(client, 1, "later")
    names = [name for name, _ in states(client)]
    assert names == ["0.mp3", "3.mp3", "1.mp3", "2.mp3"]
    # What is at work stays, and there is nothing before the first and behind the last.
    act(client, 0, "later")
    act(client, 1, "earlier")
    act(client, 3, "later")
    assert [name for name, _ in states(client)] == names
    finish(worker)
    assert worker.sent[-1].job.name == "3.mp3"


def test_what_is_at_work_can_be_cancelled_and_done_again(client, worker):
    keep(client, *songs(client, 2))
    act(client, 0, "cancel")
    assert worker.stops == 1
    assert states(client) == [("0.mp3", "cancelled"), ("1.mp3", "working")]
    # The end of the process that was stopped is no news of the next file.
    worker.heard(("ended", worker.sent[0].id, "failed"))
    assert states(client)[1] == ("1.mp3", "working")
    act(client, 0, "again")
    assert states(client)[0] == ("0.mp3", "waiting")
    act(client, 0, "cancel")
    assert worker.stops == 1
    act(client, 0, "forget")
    assert states(client) == [("1.mp3", "working")]
    assert act(client, 0, "dance").status_code == 400
    assert client.post("/api/queue/unknown", json={"action": "cancel"}).status_code == 400


def test_a_pause_begins_nothing_new(client, worker):
    keep(client, *songs(client, 2))
    client.post("/api/queue", json={"action": "pause"})
    finish(worker)
    assert states(client)[1] == ("1.mp3", "waiting")
    client.post("/api/queue", json={"action": "resume"})
    assert states(client)[1] == ("1.mp3", "working")
    client.post("/api/queue", json={"action": "forget"})
    assert states(client) == [("1.mp3", "working")]


def test_a_failure_says_why_in_a_sentence_of_the_page(client, worker, tmp_path):
    keep(client, *songs(client, 1))
    job = worker.sent[0].job
    error = AudioFileError(f"{job.source}: is damaged at 3 s (salvage restores what is there)")
    worker.heard(("event", "failed", [job.source, job.target, error]))
    finish(worker, "failed")
    [ticket] = queue(client)["tickets"]
    assert ticket["told"] == "0.mp3: is damaged at 3 s (salvage restores what is there)"
    assert str(tmp_path / "state") not in client.get("/api/state").text


def test_a_full_disk_pauses_and_loses_nothing(client, worker, monkeypatch):
    keep(client, *songs(client, 2))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(
        "uncodec.web.queue.shutil.disk_usage", lambda path: usage._replace(free=1_000)
    )
    finish(worker, "failed")
    assert [state for _, state in states(client)] == ["waiting", "waiting"]
    assert "disk is full" in queue(client)["paused"]
    monkeypatch.undo()
    client.post("/api/queue", json={"action": "resume"})
    assert states(client)[0] == ("0.mp3", "working")


def test_a_process_that_dies_is_tried_once_more(client, worker):
    keep(client, *songs(client, 2))
    worker.ended()
    assert states(client)[0] == ("0.mp3", "working")
    worker.ended()
    assert states(client) == [("0.mp3", "failed"), ("1.mp3", "working")]
    assert "died 2 times" in queue(client)["tickets"][0]["told"]


def test_the_last_word_about_a_result_counts(client, worker):
    first, second = songs(client, 2)
    keep(client, first, second)
    files = [{"file": second, "knobs": {"amount": 0.5}}]
    client.post("/api/keep", json={"files": files})
    tickets = queue(client)["tickets"]
    assert [(t["name"], t["knobs"]["amount"]) for t in tickets] == [("0.mp3", 1.0), ("1.mp3", 0.5)]


def test_two_sources_never_become_one_file(client):
    keys = [drop(client, name, b"x") for name in ("song.mp3", "song.m4a", "a/song.mp3")]
    assert keep(client, *keys)["added"] == 3
    targets = [ticket["target"] for ticket in queue(client)["tickets"]]
    assert targets == ["song.mp3.flac", "song.m4a.flac", "song.flac"]
    again = drop(client, "song.mp3", b"y")
    told = keep(client, again)
    assert told["added"] == 0
    assert "is what song.mp3 becomes" in told["refused"][0]["why"]


def test_each_file_has_its_own_settings(client, worker):
    first, second = songs(client, 2)
    files = [
        {"file": first, "knobs": {"engine": "offline", "steps": 2, "amount": 0.25}},
        {"file": second, "knobs": {"brightness_db": -3, "bits": 32, "headroom": "auto"}},
    ]
    assert client.post("/api/keep", json={"files": files}).json() == {"added": 2, "refused": []}
    work = worker.sent[0].knobs.work()
    assert (work.command, work.arguments["steps"], work.arguments["amount"]) == ("render", 2, 0.25)
    finish(worker)
    work, job = worker.sent[1].knobs.work(), worker.sent[1].job
    assert (work.command, work.brightness_db, work.settings.bits) == ("restore", -3, 32)
    assert job.target.suffix == ".wav"


@pytest.mark.parametrize(
    "knobs",
    [
        {"amount": 2},
        {"amount": "1"},
        {"brightness_db": 13},
        {"engine": "magic"},
        {"steps": 0},
        {"bits": 8},
        {"headroom": -1},
        {"repairs": 1},
        {"unknown": 1},
        {"model": "/etc/passwd"},
        [],
        None,
    ],
)
def test_settings_outside_their_rules_are_refused(client, knobs):
    [key] = songs(client, 1)
    answer = client.post("/api/keep", json={"files": [{"file": key, "knobs": knobs}]})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert client.post("/api/presets", json={"name": "x", "knobs": knobs}).status_code == 400
    preview = {"file": key, "tab": "t", "knobs": knobs}
    assert client.post("/api/preview", json=preview).status_code == 400


def test_after_a_kill_the_queue_goes_on_and_the_rest_is_swept(make_client, tmp_path):
    client = make_client()
    worker = StillChild.made[0]
    keys = songs(client, 4)
    keep(client, *keys[:3])
    finish(worker)
    copy = tmp_path / "after-a-kill"
    shutil.copytree(tmp_path / "state", copy)
    text = (copy / "queue.json").read_text().replace(str(tmp_path / "state"), str(copy))
    (copy / "queue.json").write_text(text)
    StillChild.made.clear()
    later = make_client(state="after-a-kill")
    assert states(later) == [("0.mp3", "done"), ("1.mp3", "working"), ("2.mp3", "waiting")]
    # The two that are still to be done lie there; the done one and the fourth are gone.
    left = sorted(path.name for path in (copy / "uploads").rglob("*.mp3"))
    assert left == ["1.mp3", "2.mp3"]
    names = [file["name"] for file in later.get("/api/state").json()["files"]]
    assert sorted(names) == ["1.mp3", "2.mp3"]
    tickets = queue(later)["tickets"]
    assert [bool(ticket["file"]) for ticket in tickets] == [False, True, True]


def test_at_the_end_dropped_files_go_and_the_folder_s_stay_in_the_queue(
    make_client, song, tmp_path
):
    folder = tmp_path / "music"
    song("a.flac", folder)
    client = make_client(folder=folder)
    dropped = drop(client, "b.mp3", b"x")
    ids = [file["id"] for file in client.get("/api/state").json()["files"]]
    keep(client, *ids)
    assert dropped in ids
    client.__exit__(None, None, None)
    assert client.app.state.lost == ["b.mp3"]
    client.__enter__()
    assert states(client) == [("a.flac", "working")]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"queue": 1}', '{"queue": 99, "tickets": []}', '{"queue":1,"tickets":[{}]}'],
)
def test_a_damaged_queue_is_put_aside(make_client, tmp_path, text):
    place = tmp_path / "state"
    place.mkdir()
    (place / "queue.json").write_text(text)
    client = make_client()
    assert queue(client)["tickets"] == []
    assert (place / "queue.json.unread").read_text() == text


def test_a_source_that_is_gone_is_told(make_client, song, tmp_path):
    folder = tmp_path / "music"
    first, second = song("a.flac", folder), song("b.flac", folder)
    client = make_client(folder=folder)
    ids = [file["id"] for file in client.get("/api/state").json()["files"]]
    keep(client, *ids)
    second.unlink()
    finish(StillChild.made[0])
    assert states(client) == [("a.flac", "done"), ("b.flac", "failed")]
    assert first.exists()


def test_what_was_lost_and_clipped_is_told(client, worker):
    keep(client, *songs(client, 1))
    job = worker.sent[0].job
    report = RestoreReport(
        job.source, job.target, 44100, 44100, 2, 9, 9, 1.0, 1.5, 7, problems=("cut off at 3 s",)
    )
    worker.heard(("event", "finished", [report]))
    finish(worker)
    told = queue(client)["tickets"][0]["told"]
    assert "cut off at 3 s" in told
    assert "7 samples were clipped" in told


def test_presets_outlive_the_server(make_client, tmp_path):
    client = make_client()
    name = "<b>bright</b>"
    asked = {"name": name, "knobs": {"amount": 0.5, "brightness_db": 2.5}}
    assert client.post("/api/presets", json=asked).status_code == 200
    later = make_client(state="other")
    assert later.get("/api/state").json()["presets"][name]["brightness_db"] == 2.5
    assert later.request("DELETE", "/api/presets", json={"name": name}).status_code == 200
    assert later.get("/api/state").json()["presets"] == {}
    assert later.request("DELETE", "/api/presets", json={"name": name}).status_code == 400
    (tmp_path / "presets.json").write_text(json.dumps({"a": {"amount": 9}, "b": {}, "\n": {}}))
    assert list(make_client(state="third").get("/api/state").json()["presets"]) == ["b"]


def test_what_waits_for_news_gets_it_at_once_and_nothing_twice(client):
    since = client.get("/api/state").json()["now"]
    key = drop(client, "a.mp3", b"x")
    told = client.get(f"/api/state?since={since}").json()
    assert [file["id"] for file in told["files"]] == [key]
    assert "presets" not in told
    assert "limits" not in told
    for wrong in ("-1", "x", "1.5", "9" * 20):
        assert client.get(f"/api/state?since={wrong}").status_code == 400
