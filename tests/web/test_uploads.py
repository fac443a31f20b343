"""Dropping files: limits that are told before, uploads that leave nothing behind."""

from __future__ import annotations

import shutil

import pytest
from tests.web.desks import StillChild, drop

from uncodec.web.library import Limits

HOSTILE = "<img src=x onerror=alert(1)>.mp3"


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def state(client):
    return client.get("/api/state").json()


def test_limits_are_told_before_anything_is_sent(make_client):
    client = make_client(limits=Limits(3, 1000, 1500))
    told = state(client)["limits"]
    assert (told["files"], told["file_bytes"], told["room"]) == (3, 1000, 1500)
    asked = [("a.mp3", 1001), ("b.mp3", 900), ("c.mp3", 700), ("d.mp3", 600), ("e.mp3", 0)]
    asked += [("f.mp3", -1), ("g.mp3", "9"), ("h.mp3", True), ("../i.mp3", 1)]
    answer = client.post(
        "/api/uploads", json={"files": [{"name": name, "size": size} for name, size in asked]}
    ).json()
    assert [each["index"] for each in answer["accepted"]] == [1, 3]
    refused = {each["name"]: each["why"] for each in answer["refused"]}
    assert refused.keys() == {name for name, _ in asked} - {"b.mp3", "d.mp3"}
    assert "may have 1.0 kB" in refused["a.mp3"]
    assert "there is room for 0.6 kB" in refused["c.mp3"]
    assert "empty" in refused["e.mp3"]


def test_only_so_many_files_fit(make_client):
    client = make_client(limits=Limits(2))
    asked = {"files": [{"name": f"{n}.mp3", "size": 1} for n in range(3)]}
    answer = client.post("/api/uploads", json=asked).json()
    assert len(answer["accepted"]) == 2
    assert "2 files are on the page" in answer["refused"][0]["why"]


def test_a_dropped_file_lies_on_the_disk_as_it_was_sent(client, tmp_path):
    content = bytes(range(256)) * 9000
    drop(client, "album/song.mp3", content)
    [path] = files_below(tmp_path / "state/uploads")
    assert path.read_bytes() == content
    assert path.name == "song.mp3"
    # The page is not told where.
    assert str(tmp_path / "state") not in client.get("/api/state").text


@pytest.mark.parametrize("sent", [b"x" * 99, b"x" * 101, b""])
def test_another_size_than_was_announced_is_refused_and_leaves_nothing(client, tmp_path, sent):
    asked = {"files": [{"name": "a.mp3", "size": 100}]}
    key = client.post("/api/uploads", json=asked).json()["accepted"][0]["id"]
    answer = client.put(f"/api/uploads/{key}", content=sent)
    assert answer.status_code == 400
    assert "a.mp3" in answer.json()["error"]
    assert list((tmp_path / "state/uploads").iterdir()) == []
    assert state(client)["files"] == []


def test_a_file_is_taken_once(client):
    key = drop(client, "a.mp3", b"x" * 10)
    assert client.put(f"/api/uploads/{key}", content=b"y" * 10).status_code == 400
    assert client.put("/api/uploads/unknown", content=b"y").status_code == 400


def test_a_full_disk_is_told_and_leaves_nothing(client, tmp_path, full_disk):
    content = b"x" * 300_000
    asked = {"files": [{"name": "a.mp3", "size": len(content)}]}
    key = client.post("/api/uploads", json=asked).json()["accepted"][0]["id"]
    with full_disk():
        answer = client.put(f"/api/uploads/{key}", content=content)
    assert answer.status_code == 507
    assert "a.mp3: cannot be kept" in answer.json()["error"]
    assert list((tmp_path / "state/uploads").iterdir()) == []


def test_what_was_dropped_is_deleted_at_the_end(make_client, tmp_path):
    client = make_client()
    drop(client, "a.mp3", b"x")
    client.__exit__(None, None, None)
    client.__enter__ = client.__exit__ = lambda *_: None
    assert not (tmp_path / "state/uploads").exists()


def test_what_a_killed_server_left_is_swept(make_client, tmp_path):
    left = tmp_path / "state/uploads/dead/song.mp3"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    client = make_client()
    assert files_below(tmp_path / "state/uploads") == []
    assert state(client)["files"] == []


def test_a_file_is_taken_off_the_page_and_off_the_disk(client, tmp_path):
    key = drop(client, "a.mp3", b"x")
    since = state(client)["now"]
    assert client.delete(f"/api/files/{key}").status_code == 200
    assert files_below(tmp_path / "state/uploads") == []
    assert client.get(f"/api/state?since={since}").json()["removed"] == [key]
    assert client.delete(f"/api/files/{key}").status_code == 400


def test_names_with_markup_stay_text(client):
    drop(client, HOSTILE, b"x")
    answer = client.get("/api/state")
    assert answer.headers["content-type"] == "application/json"
    assert [file["name"] for file in answer.json()["files"]] == [HOSTILE]


def test_the_folder_is_on_the_page_without_what_leads_out_of_it(make_client, song, tmp_path):
    folder = tmp_path / "music"
    song("a.flac", folder)
    song("sub/b.flac", folder)
    song("restored/a.flac", folder)
    outside = song("secret.flac", tmp_path / "elsewhere")
    (folder / "link.flac").symlink_to(outside)
    (folder / "way").symlink_to(outside.parent)
    (folder / "loop").symlink_to(folder)
    (folder / ".hidden.flac").write_bytes(b"x")
    (folder / "notes.txt").write_text("text")
    told = state(make_client(folder=folder))
    names = sorted(file["name"] for file in told["files"])
    assert names == ["a.flac", "restored/a.flac", "sub/b.flac"]
    assert told["left_out"] == 2
    assert not any(file["dropped"] for file in told["files"])


def test_a_link_that_comes_later_is_refused(make_client, song, tmp_path):
    folder = tmp_path / "music"
    path = song("a.flac", folder)
    outside = song("secret.flac", tmp_path / "elsewhere")
    client = make_client(folder=folder)
    [file] = state(client)["files"]
    path.unlink()
    path.symlink_to(outside)
    for url, asked in (
        ("/api/preview", {"file": file["id"], "tab": "t"}),
        ("/api/copy", {"file": file["id"]}),
    ):
        answer = client.post(url, json=asked)
        assert answer.status_code == 400
        assert "leads out" in answer.json()["error"]
    told = client.post("/api/keep", json={"files": [{"file": file["id"]}]}).json()
    assert told["added"] == 0
    assert "leads out" in told["refused"][0]["why"]


def test_files_of_the_folder_are_never_deleted(make_client, song, tmp_path):
    folder = tmp_path / "music"
    path = song("a.flac", folder)
    client = make_client(folder=folder)
    [file] = state(client)["files"]
    assert client.delete(f"/api/files/{file['id']}").status_code == 200
    assert path.exists()


@pytest.mark.parametrize("folder", ["../out", "/tmp/x", "a/../../b", ".hidden", "a\\b", "x\0", 7])
def test_results_go_nowhere_else(make_client, song, tmp_path, folder):
    music = tmp_path / "music"
    song("a.flac", music)
    client = make_client(folder=music)
    [file] = state(client)["files"]
    asked = {"files": [{"file": file["id"]}], "folder": folder}
    answer = client.post("/api/keep", json=asked)
    assert answer.status_code == 400
    assert "folder=" in answer.json()["error"]
    (music / "way").symlink_to(tmp_path)
    answer = client.post("/api/keep", json={**asked, "folder": "way/there"})
    assert answer.status_code == 400
    assert "leads out" in answer.json()["error"]


def test_what_is_looked_at_comes_in_turn_and_the_chosen_one_first(client):
    examiner = next(each for each in StillChild.made if "examining" in each.serve.__module__)
    keys = [drop(client, f"{n}.mp3", b"x") for n in range(3)]
    assert examiner.sent == [("probe", keys[0], examiner.sent[0][2])]
    examiner.heard(("probe", keys[0], {"seconds": 3.0}, ""))
    examiner.heard(("probe", keys[1], {}, "1.mp3: is no audio"))
    client.post(f"/api/files/{keys[2]}/look", json={})
    examiner.heard(("probe", keys[2], {"seconds": 3.0}, ""))
    assert examiner.sent[-1][:2] == ("inspect", keys[2])
    examiner.ended()
    states = {file["name"]: (file["state"], file["error"]) for file in state(client)["files"]}
    assert states["1.mp3"] == ("broken", "1.mp3: is no audio")
    assert states["2.mp3"][0] == "broken"
    assert "died" in states["2.mp3"][1]
    assert states["0.mp3"][0] == "inspecting"


def test_uploads_need_no_more_than_there_is_room(client, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(
        "uncodec.web.library.shutil.disk_usage", lambda path: usage._replace(free=500_000_100)
    )
    asked = {"files": [{"name": "a.mp3", "size": 101}, {"name": "b.mp3", "size": 100}]}
    answer = client.post("/api/uploads", json=asked).json()
    assert [each["index"] for each in answer["accepted"]] == [1]
