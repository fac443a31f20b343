"""Previews: the newest of each tab, from the playhead on, and what is stale is dropped."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from tests.web.desks import RATE, StillChild, drop, frames, noise

from uncodec.errors import AudioFileError, ModelError
from uncodec.io import write_audio
from uncodec.web import previews
from uncodec.web.knobs import Knobs
from uncodec.web.previews import Asked


class Doubling:
    def open_stream(self, sample_rate, channels, channel_layout=None):
        return self

    def push(self, audio):
        return 2 * audio

    def finish(self):
        return np.zeros((2, 0), np.float32)

    def reset(self):
        pass


class Line:
    """The connection of the process: what it is told, some of it only after so many messages."""

    def __init__(self, *told):
        self.told = deque(told)
        self.said = []

    def poll(self):
        return bool(self.told) and self._due()

    def _due(self):
        head = self.told[0]
        return not callable(head) or head(self.said)

    def recv(self):
        while self.told:
            head = self.told.popleft()
            if not callable(head):
                return head
        raise EOFError

    def send(self, message):
        self.said.append(message)

    def kinds(self, number):
        return [head["kind"] for n, head, _ in self.said if n == number]


def once(number, kind):
    """Say no more before the process has answered a request so far."""
    return lambda said: any(n == number and head["kind"] == kind for n, head, _ in said)


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "secret place" / "song.wav"
    place.parent.mkdir()
    write_audio(place, noise(30.0), RATE, subtype="FLOAT")
    return place


@pytest.fixture
def serve(monkeypatch):
    """Runs the process on some messages and returns what it said."""

    def served(*told, effect=Doubling):
        monkeypatch.setattr(Knobs, "preview_effect", lambda self, like=None: effect())
        line = Line(*told)
        with pytest.raises(EOFError):
            previews.serve(line)
        assert line.said[0][1]["kind"] == "warm"
        return line

    return served


def preview(path, tab="a", **more):
    return Asked("preview", tab, path, 4.0, 7.0, title="song.wav", **more)


def test_a_preview_is_the_excerpt_the_pieces_and_the_facts(serve, path):
    line = serve((1, preview(path)))
    kinds = line.kinds(1)
    assert kinds[0] == "excerpt"
    assert kinds[-2:] == ["facts", "done"]
    assert set(kinds[1:-2]) == {"piece"}
    heads = [(head, payload) for _, head, payload in line.said[1:]]
    source = np.frombuffer(heads[0][1], "<f4").reshape(2, -1)
    restored = np.zeros_like(source)
    for head, payload in heads[1:-2]:
        piece = np.frombuffer(payload, "<f4").reshape(2, -1)
        restored[:, head["at"] : head["at"] + head["samples"]] = piece
    assert heads[1][0]["at"] == 7 * RATE
    assert np.array_equal(restored, 2 * source)
    assert sum(heads[-2][0]["cells"]) == len(heads[-2][1])
    assert str(path) not in str(heads[0][0])


def test_what_the_page_holds_already_is_not_sent_again(serve, path):
    key = serve((1, preview(path))).said[1][1]["key"]
    line = serve((1, preview(path)), (2, preview(path, known=key)))
    # Of the same tab the newer one counts.
    assert line.kinds(1) == ["stale"]
    assert line.kinds(2)[0] == "same"
    path.touch()
    assert serve((1, preview(path, known=key))).kinds(1)[0] == "excerpt"


def test_a_moved_knob_drops_what_it_made_stale(serve, path):
    line = serve((1, preview(path)), once(1, "piece"), (2, preview(path)))
    assert "done" not in line.kinds(1)
    assert line.kinds(1)[-1] == "stale"
    assert line.kinds(2)[-1] == "done"
    assert len(line.kinds(1)) < 6


def test_two_tabs_do_not_disturb_each_other(serve, path):
    line = serve((1, preview(path, "a")), (2, preview(path, "b")))
    assert line.kinds(1)[-1] == line.kinds(2)[-1] == "done"


def test_nothing_is_made_for_who_went_away(serve, path):
    line = serve((1, preview(path)), once(1, "piece"), (1, None), (2, preview(path, "b")))
    assert line.kinds(1)[-1] == "stale"
    assert line.kinds(2)[-1] == "done"
    assert serve((1, preview(path)), (1, None)).kinds(1) == []


def test_hearing_comes_before_looking(serve, path):
    overview = Asked("overview", "", path, title="song.wav")
    line = serve((1, overview), (2, preview(path)))
    ends = [n for n, head, _ in line.said if head["kind"] == "done"]
    assert ends == [2, 1]


def test_what_cannot_be_heard_is_told_without_its_place(serve, path):
    path.write_bytes(b"no audio")
    line = serve((1, preview(path)))
    [head] = [head for n, head, _ in line.said if n == 1]
    assert head["kind"] == "failed"
    assert head["message"].startswith("song.wav: ")
    assert "secret place" not in head["message"]


def test_a_model_that_is_missing_is_told(serve, path):
    def effect():
        raise ModelError("live-gan: is not there")

    line = serve((1, preview(path)), effect=effect)
    assert line.said[0][1]["message"] == "live-gan: is not there"
    assert line.kinds(1)[-1] == "failed"


def ear():
    return next(each for each in StillChild.made if each.serve.__module__ == "uncodec.web.previews")


def test_a_stream_has_heads_and_payloads(client, monkeypatch):
    key = drop(client, "a.mp3", b"x")
    child = ear()
    answered = []

    def send(message):
        number, asked = message
        if asked is not None and number:
            answered.append(asked)
            child.heard((number, {"kind": "excerpt", "rate": 8000}, b"12345"))
            child.heard((number, {"kind": "done"}, b""))

    monkeypatch.setattr(child, "send", send)
    asked = {"file": key, "tab": "t", "start_s": 1.5, "at_s": 2, "knobs": {"amount": 0.5}}
    answer = client.post("/api/preview", json=asked)
    assert frames(answer.content) == [
        ({"kind": "excerpt", "rate": 8000, "bytes": 5}, b"12345"),
        ({"kind": "done", "bytes": 0}, b""),
    ]
    assert (answered[0].start_s, answered[0].knobs.amount) == (1.5, 0.5)
    for wrong in ({"start_s": -1}, {"at_s": "1"}, {"file": "x"}, {"tab": 1}, {"start_s": 1e9}):
        answer = client.post("/api/preview", json={**asked, **wrong})
        assert answer.status_code == 400, wrong


def test_a_process_that_dies_ends_what_waits_for_it(client, monkeypatch):
    key = drop(client, "a.mp3", b"x")
    child = ear()
    monkeypatch.setattr(child, "send", lambda message: child.ended())
    [(head, _)] = frames(client.post("/api/preview", json={"file": key, "tab": "t"}).content)
    assert head["kind"] == "failed"
    assert "died" in head["message"]
    with pytest.raises(AudioFileError, match="died"):
        raise AudioFileError(client.get(f"/api/files/{key}/overview").json()["error"])


def test_a_report_holds_source_and_result(serve, path, tmp_path):
    from uncodec.web.reports import Report

    result = tmp_path / "out" / "song.flac"
    result.parent.mkdir()
    write_audio(result, 0.5 * noise(30.0), RATE)
    report = Report(path, result, "<b>song</b>", "uncodec restore", 0.0)
    line = serve((1, Asked("report", "", path, report=report)))
    assert line.kinds(1) == ["report", "done"]
    page = result.with_name("song.flac.html").read_text()
    assert "\\u003cb\\u003esong" in page
    assert "<b>song" not in page
    assert page.count('<script type="text/plain"') == 4
    assert sorted(each.name for each in result.parent.iterdir()) == ["song.flac", "song.flac.html"]
