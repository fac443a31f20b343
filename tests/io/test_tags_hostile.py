"""Tags that are broken or meant to do harm: the audio is read and written all the same."""

from __future__ import annotations

import io
import random
import struct
import zlib

import mutagen.flac
import mutagen.mp4
import mutagen.ogg
import numpy as np
import pytest

from uncodec.errors import AudioFileError
from uncodec.io import Picture, Tags, read_audio, read_tags, write_audio, write_tags
from uncodec.io.tags import vorbis, writing

RATE = 44100
FRAMES = 9000
TITLE = b"TIT2" + bytes((0, 0, 0, 6)) + b"\0\0\3Hallo"


def safe(number):
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


def frame(name, content, flags=0):
    return name + safe(len(content)) + struct.pack(">H", flags) + content


def tag(body, *, size=None, version=4):
    return b"ID3" + bytes((version, 0, 0)) + safe(len(body) if size is None else size) + body


@pytest.fixture
def sound(noise, coded):
    """An MP3 without tags."""
    data = coded("mp3", ".mp3", noise(FRAMES, 2, RATE), RATE).read_bytes()
    length = 10 + sum(data[6 + i] << (21 - 7 * i) for i in range(4))
    return data[length:]


@pytest.fixture
def restored(tmp_path):
    """Write a file's bytes, copy it with its tags to FLAC and WAV; what arrived and what not."""

    def run(name, data):
        source = tmp_path / name
        source.write_bytes(data)
        audio, rate = read_audio(source)
        found = []
        for ending in (".flac", ".wav"):
            target = tmp_path / f"out{ending}"
            left = write_audio(target, audio, rate, tags_from=source, overwrite=True)
            assert read_audio(target)[0].shape == audio.shape
            found.append((read_tags(target), {item.field: item.reason for item in left}))
        return audio.shape, *found

    return run


@pytest.mark.parametrize("size", [2**28 - 1, 2**20, None])
def test_an_id3_tag_longer_than_its_file(size, sound, restored):
    size = len(TITLE) + len(sound) + 1 if size is None else size
    shape, *found = restored("a.mp3", tag(TITLE, size=size) + sound)
    assert shape == (2, FRAMES)
    for tags, left in found:
        assert tags.fields["title"] == ("Hallo",)
        assert "cut off" in left["ID3 tag"]


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (frame(b"TPE1", b"\3\xff\xfe\xfa"), "TPE1", "broken"),
        (frame(b"TPE1", b"\x09abc"), "TPE1", "broken"),
        (frame(b"XYZ1", b"abc"), "XYZ1", "unknown"),
        (frame(b"TPE1", zlib.compress(b"\3a")[:-4], 0x0008), "TPE1", "broken"),
        (frame(b"APIC", b"\0image/png\0\3\0no picture"), "picture (front cover)", "no picture"),
        (frame(b"APIC", b"\0image/png\0\3\0"), "picture (front cover)", "no picture"),
        (frame(b"CHAP", b"a\0" + b"\0" * 16 + frame(b"WXXX", b"\0\0u")), "WXXX of a chapter", ""),
    ],
)
def test_a_broken_frame_is_named_and_the_others_are_kept(body, field, reason, sound, restored):
    shape, *found = restored("a.mp3", tag(body + TITLE) + sound)
    assert shape == (2, FRAMES)
    for tags, left in found:
        assert tags.fields == {"title": ("Hallo",)}
        assert reason in left[field]


@pytest.mark.parametrize(
    "start",
    [
        tag(b"\0" * 500),
        tag(TITLE, version=7),
        tag(TITLE * 400_000),
        tag(frame(b"TXXX", b"\0\0\0\0" + zlib.compress(b"\0" * 100_000_000, 9), 0x0009)),
        tag(b"\xff" * 3000),
    ],
    ids=["empty", "unknown version", "many frames", "inflating", "no frames"],
)
def test_a_hostile_id3_tag_costs_only_itself(start, sound, restored):
    shape, *found = restored("a.mp3", start + sound)
    assert shape == (2, FRAMES)
    for tags, _ in found:
        assert tags.fields.get("title", ("Hallo",)) == ("Hallo",)


def test_chapters_within_chapters_without_end(sound, restored):
    inner = TITLE
    for _ in range(2000):
        inner = frame(b"CHAP", b"a\0" + b"\0" * 16 + inner)
    shape, (_, left), _ = restored("a.mp3", tag(inner) + sound)
    assert shape == (2, FRAMES)
    assert "cannot be read" in left["ID3 tag"]


def test_a_picture_of_50_mb(jpeg, sound, restored):
    picture = jpeg + np.random.default_rng(0).bytes(50 << 20)
    body = TITLE + frame(b"APIC", b"\0image/jpeg\0\3\0" + picture)
    shape, flac, wav = restored("a.mp3", tag(body) + sound)
    assert shape == (2, FRAMES)
    assert flac == (
        Tags({"title": ("Hallo",)}),
        {"picture (front cover)": "a picture in FLAC holds 16 MiB"},
    )
    assert wav[1] == {}
    assert wav[0].pictures[0].data == picture


def test_texts_too_long_for_flac_are_named(tmp_path):
    path = tmp_path / "a.flac"
    quiet = np.zeros((1, 100), np.float32)
    tags = Tags({"lyrics": ("la" * 2**23,), "title": ("t",)})
    (left,) = write_audio(path, quiet, RATE, tags_from=tags)
    assert (left.field, left.reason) == ("lyrics", "the texts of a FLAC file hold 16 MiB together")
    assert read_tags(path).fields == {"title": ("t",)}


def test_more_pictures_than_the_head_of_a_flac_has_room_for(jpeg, tmp_path):
    path = tmp_path / "a.flac"
    quiet = np.zeros((1, 5000), np.float32)
    pictures = tuple(Picture(jpeg + b"\0" * (9 << 20), "image/jpeg", 4) for _ in range(3))
    assert write_audio(path, quiet, RATE, tags_from=Tags(pictures=pictures)) == ()
    assert [len(p.data) for p in read_tags(path).pictures] == [len(pictures[0].data)] * 3
    assert read_audio(path)[0].shape == (1, 5000)


@pytest.mark.parametrize("where", ["length of the vendor", "count", "length of a text"])
def test_absurd_counts_in_a_vorbis_comment(where, noise, coded, restored):
    data = bytearray(coded("vorbis", ".ogg", noise(FRAMES, 2, RATE), RATE).read_bytes())
    place = data.index(b"\3vorbis") + 7
    count = place + 4 + struct.unpack_from("<I", data, place)[0]
    at = {"length of the vendor": place, "count": count, "length of a text": count + 4}[where]
    struct.pack_into("<I", data, at, 2**32 - 1)
    pages = io.BytesIO(bytes(data))
    whole = b""
    while pages.tell() < len(data):
        whole += mutagen.ogg.OggPage(pages).write()  # with the right checksum
    shape, *found = restored("a.ogg", whole)
    assert shape[0] == 2
    for tags, left in found:
        assert tags.fields == {}
        assert "cannot be read" in left["tags"]


def test_a_vorbis_comment_that_is_not_utf8(noise, tmp_path, restored):
    path = tmp_path / "a.flac"
    tags = Tags({"title": ("abcdefg",), "artist": ("x",)})
    write_audio(path, noise(FRAMES, 2, RATE), RATE, tags_from=tags)
    data = path.read_bytes().replace(b"abcdefg", b"abc\xff\xfefg")
    shape, *found = restored("b.flac", data)
    assert shape == (2, FRAMES)
    for got, _ in found:
        assert got.fields == {"title": ("abc\ufffd\ufffdfg",), "artist": ("x",)}


@pytest.mark.parametrize("size", [2**31 - 5, 7, 0])
@pytest.mark.parametrize("atom", [b"\xa9nam", b"ilst", b"covr"])
def test_mp4_atoms_of_a_wrong_size(atom, size, noise, coded, restored):
    path = coded("aac", ".m4a", noise(FRAMES, 2, RATE), RATE)
    file = mutagen.mp4.MP4(path)
    file["\xa9nam"] = ["Hallo"]
    file["covr"] = [mutagen.mp4.MP4Cover(b"no picture")]
    file.save()
    data = bytearray(path.read_bytes())
    struct.pack_into(">I", data, data.index(atom) - 4, size)
    shape, *found = restored("b.m4a", bytes(data))
    assert shape[0] == 2
    for _, left in found:
        assert left


def test_an_id3_chunk_of_a_wav_that_is_none(noise, tmp_path, restored):
    path = tmp_path / "a.wav"
    write_audio(path, noise(FRAMES, 2, RATE), RATE, tags_from=Tags({"title": ("t",)}))
    data = path.read_bytes()
    shape, *found = restored("b.wav", data.replace(b"ID3\4", b"XXX\4"))
    assert shape == (2, FRAMES)
    for tags, left in found:
        assert tags.fields == {"title": ("t",)}  # from the INFO list
        assert left == {"ID3 chunk": "holds no ID3 tag"}


def test_no_change_of_a_tag_makes_reading_or_writing_fail(jpeg, noise, tmp_path):
    rng = random.Random(5)
    first, target = tmp_path / "a.wav", tmp_path / "out.flac"
    fields = {"title": ("t", "山"), "tracknumber": ("1",), "date": ("1999",), "url:x": ("http:",)}
    tags = Tags({**fields, "_rating:a@b": ("0.5",)}, (Picture(jpeg, "image/jpeg"),))
    write_audio(first, noise(100, 1, RATE), RATE, tags_from=tags)
    data = first.read_bytes()
    begin = data.index(b"LIST")
    quiet = np.zeros((1, 100), np.float32)
    changed = tmp_path / "b.wav"
    titles = set()
    for _ in range(150):
        copy = bytearray(data)
        for _ in range(rng.choice((1, 4))):
            copy[rng.randrange(begin, len(copy))] = rng.choice((0, 255, 128, rng.randrange(256)))
        changed.write_bytes(copy)
        found = read_tags(changed)
        write_audio(target, quiet, RATE, tags_from=found, overwrite=True)
        assert read_audio(target)[0].shape == quiet.shape
        titles.add(found.fields.get("title"))
    # What was not hit is read as before, and some was hit.
    assert ("t", "山") in titles
    assert len(titles) > 1


def test_a_fault_in_forming_tags_is_noted(noise, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("not  today")

    monkeypatch.setattr(writing, "FlacTags", fail)
    audio = noise(500, 1, RATE)
    (left,) = write_audio(tmp_path / "a.flac", audio, RATE, tags_from=Tags({"title": ("t",)}))
    assert (left.field, left.reason) == ("tags", "cannot be written: not today")
    assert read_audio(tmp_path / "a.flac")[0].shape == audio.shape


def test_a_disk_that_is_full_while_tags_are_written_leaves_nothing(noise, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.flac"
    write_audio(path, noise(500, 1, RATE), RATE, tags_from=Tags({"title": ("alt",)}))
    before = path.read_bytes()
    monkeypatch.setattr(vorbis.FlacTags, "put", fail)
    with pytest.raises(AudioFileError, match="no space left"):
        write_tags(path, Tags({"title": ("neu",)}))
    with pytest.raises(AudioFileError, match="no space left"):
        write_audio(
            path, noise(500, 1, RATE), RATE, tags_from=Tags({"title": ("neu",)}), overwrite=True
        )
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_wav_chunks_that_do_not_add_up_get_no_tags(noise, tmp_path):
    path = tmp_path / "a.wav"
    write_audio(path, noise(500, 1, RATE), RATE)
    data = path.read_bytes()[:-100]
    path.write_bytes(data)
    with pytest.raises(AudioFileError, match="takes no tags: its chunk 'data' ends behind"):
        write_tags(path, Tags({"title": ("t",)}))
    assert path.read_bytes() == data
