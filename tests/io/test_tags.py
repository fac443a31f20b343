"""Tags beside those of the table: kinds of files, pictures, chapters, what is not carried."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import mutagen
import mutagen.apev2
import mutagen.flac
import mutagen.id3
import mutagen.mp3
import mutagen.mp4
import mutagen.oggopus
import mutagen.wave
import numpy as np
import pytest
import soundfile

from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.io import (
    Chapter,
    NotCarried,
    Picture,
    Tags,
    create_audio,
    open_audio,
    read_audio,
    read_tags,
    without_stale,
    write_audio,
    write_tags,
)

RATE = 44100
SONG = Tags(
    {
        "title": ("Eins", "二"),
        "artist": ("Jürgen 山",),
        "performer:Flöte": ("A", "B"),
        "uncommon name": ("x",),
    }
)


@pytest.fixture
def audio(noise):
    return noise(9000, 2, RATE)


@pytest.fixture
def mp3(noise, coded):
    """An MP3 with the frames given: mp3(frame, frame, ...)."""

    def make(*frames, version=4):
        path = coded("mp3", ".mp3", noise(9000, 2, RATE), RATE)
        mutagen.id3.ID3(path).delete(path)
        tag = mutagen.id3.ID3()
        for frame in frames:
            tag.add(frame)
        if version == 3:
            tag.update_to_v23()
        tag.save(path, v1=0, v2_version=version)
        return path

    return make


def carried(source, target):
    """Copy a file with its tags; what arrived and what did not."""
    left = write_audio(target, *read_audio(source), tags_from=source, overwrite=True)
    return read_tags(target), {item.field: item.reason for item in left}


@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_tags_given_are_written_as_they_are(ending, audio, tmp_path):
    path = tmp_path / f"a{ending}"
    tags = Tags({**SONG.fields, "replaygain_track_gain": ("-3 dB",), "encodedby": ("me",)})
    assert write_audio(path, audio, RATE, tags_from=tags) == ()
    assert dict(read_tags(path).fields) == dict(tags.fields)


def test_the_comment_without_a_description_comes_first_in_flac(audio, tmp_path):
    path = tmp_path / "a.flac"
    tags = Tags({"comment:ID3v1 Comment": ("short",), "comment": ("whole",)})
    write_audio(path, audio, RATE, tags_from=tags)
    assert mutagen.flac.FLAC(path)["comment"] == ["whole", "short (ID3v1 Comment)"]


@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_writing_tags_replaces_the_old_and_leaves_the_audio(ending, audio, jpeg, tmp_path):
    path = tmp_path / f"a{ending}"
    pictures = (Picture(jpeg, "image/jpeg", 3), Picture(jpeg, "image/jpeg", 4))
    write_audio(path, audio, RATE, tags_from=SONG)
    before = read_audio(path)[0]
    sizes = []
    for _ in range(3):
        assert write_tags(path, Tags(SONG.fields, pictures)) == []
        sizes.append(path.stat().st_size)
        got = read_tags(path)
        assert dict(got.fields) == dict(SONG.fields)
        assert [picture.kind for picture in got.pictures] == [3, 4]
    assert sizes[0] == sizes[1] == sizes[2]
    write_tags(path, Tags({"title": ("neu",)}))
    assert read_tags(path) == Tags({"title": ("neu",)})
    np.testing.assert_array_equal(read_audio(path)[0], before)
    assert [path] == list(tmp_path.iterdir())


def test_tags_before_the_audio_of_a_wav_are_replaced(audio, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, audio.T, RATE, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    info = b"LIST" + struct.pack("<I", 18) + b"INFOINAM" + struct.pack("<I", 6) + b"alt  \0"
    data[36:36] = info
    data[4:8] = struct.pack("<I", len(data) - 8)
    path.write_bytes(data)
    assert read_tags(path).fields == {"title": ("alt  ",)}
    before = read_audio(path)[0]
    write_tags(path, SONG)
    assert dict(read_tags(path).fields) == dict(SONG.fields)
    np.testing.assert_array_equal(read_audio(path)[0], before)
    with soundfile.SoundFile(path) as file:
        assert file.title == "Eins; 二"


def test_tags_go_into_rf64(audio, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, audio.T, RATE, format="RF64", subtype="PCM_24")
    before = read_audio(path)[0]
    chapters = (Chapter(0.0, "a"), Chapter(0.1, "b"))
    write_tags(path, Tags(SONG.fields, chapters=chapters))
    data = path.read_bytes()
    assert data[:4] == b"RF64"
    assert struct.unpack_from("<Q", data, 20)[0] == len(data) - 8
    got = read_tags(path)
    assert dict(got.fields) == dict(SONG.fields)
    assert got.chapters[-1].end == pytest.approx(9000 / RATE, abs=1e-3)
    np.testing.assert_array_equal(read_audio(path)[0], before)


def test_speakers_stay_when_tags_are_written(noise, tmp_path):
    path = tmp_path / "a.flac"
    speakers = ("FL", "FR", "FC", "LFE", "SL", "SR")
    write_audio(path, noise(4000, 6, RATE), RATE, layout=speakers, tags_from=SONG)
    write_tags(path, Tags({"title": ("neu",)}))
    with open_audio(path) as reader:
        assert reader.speakers == speakers
        assert reader.tags == {"title": ("neu",)}


@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_loudness_and_notes_of_the_encoder_are_left_and_named(ending, mp3, tmp_path):
    id3 = mutagen.id3
    source = mp3(
        id3.TIT2(encoding=3, text=["t"]),
        id3.TXXX(encoding=3, desc="replaygain_track_gain", text=["-7 dB"]),
        id3.RVA2(desc="track", channel=1, gain=-7.0, peak=1.0),
        id3.COMM(encoding=0, lang="eng", desc="iTunNORM", text=[" 0000"]),
        id3.COMM(encoding=0, lang="eng", desc="iTunSMPB", text=[" 0000"]),
        id3.TSSE(encoding=3, text=["LAME"]),
        id3.TLEN(encoding=3, text=["1234"]),
    )
    ape = mutagen.apev2.APEv2()
    ape["MP3GAIN_MINMAX"] = "081,150"
    ape["R128_TRACK_GAIN"] = "-500"
    ape["Album"] = "nur hier"
    ape.save(source)
    got, left = carried(source, tmp_path / f"a{ending}")
    assert got == Tags({"title": ("t",), "album": ("nur hier",)})
    loudness = {name for name, reason in left.items() if "loudness" in reason}
    assert loudness == {
        "replaygain_track_gain",
        "RVA2",
        "comment:iTunNORM",
        "mp3gain_minmax",
        "r128_track_gain",
    }
    assert set(left) - loudness == {"comment:iTunSMPB", "encodersettings", "length"}


def test_without_stale_keeps_the_rest():
    tags = Tags({"title": ("a",), "r128_album_gain": ("1",)}, unread=(NotCarried("x", "y"),))
    kept, left = without_stale(tags)
    assert kept == Tags({"title": ("a",)})
    assert [item.field for item in left] == ["r128_album_gain", "x"]


@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_frames_that_are_no_text_are_named(ending, mp3, tmp_path):
    id3 = mutagen.id3
    source = mp3(
        id3.PRIV(owner="me", data=b"\1\2"),
        id3.GEOB(encoding=3, mime="a/b", filename="f", desc="d", data=b"x"),
        id3.SYLT(encoding=3, lang="eng", format=2, type=1, desc="", text=[("la", 0)]),
        id3.UFID(owner="http://other.example", data=b"id-7"),
        id3.UFID(owner="http://third.example", data=b"\xff\0"),
        id3.SEEK(offset=7),
        id3.USLT(encoding=3, lang="deu", desc="", text="la"),
    )
    got, left = carried(source, tmp_path / f"a{ending}")
    assert got.fields == {"ufid:http://other.example": ("id-7",), "lyrics": ("la",)}
    assert set(left) == {
        "PRIV:me", "GEOB", "SYLT", "UFID:http://third.example", "SEEK", "language of lyrics (deu)",
    }  # fmt: skip


@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_addresses_and_described_texts_arrive(ending, mp3, tmp_path):
    id3 = mutagen.id3
    source = mp3(
        id3.WXXX(encoding=3, desc="", url="https://example.org/1"),
        id3.WXXX(encoding=3, desc="shop", url="https://example.org/2"),
        id3.WOAF(url="https://example.org/3"),
        id3.COMM(encoding=3, lang="eng", desc="", text=["plain"]),
        id3.COMM(encoding=3, lang="eng", desc="Notiz", text=["described"]),
        id3.USLT(encoding=3, lang="eng", desc="deutsch", text="la"),
        id3.TIPL(encoding=3, people=[["producer", "P"], ["Koch", "Q"]]),
        id3.GRP1(encoding=3, text=["G"]),
    )
    got, left = carried(source, tmp_path / f"a{ending}")
    common = {
        "url": ("https://example.org/1",),
        "url:shop": ("https://example.org/2",),
        "wwwaudiofile": ("https://example.org/3",),
        "producer": ("P",),
        "performer:Koch": ("Q",),
        "grouping": ("G",),
    }
    if ending == ".wav":
        own = {"comment": ("plain",), "comment:Notiz": ("described",), "lyrics:deutsch": ("la",)}
        assert left == {}
    else:
        own = {"comment": ("plain", "described (Notiz)"), "lyrics": ("la",)}
        assert set(left) == {"description of lyrics:deutsch"}
    assert dict(got.fields) == common | own


def test_old_id3_versions_are_read(mp3, tmp_path):
    id3 = mutagen.id3
    people = id3.TMCL(encoding=1, people=[["Flöte", "X"]])
    source = mp3(
        id3.TDRC(encoding=0, text=["2001-02-03"]), people, id3.TCON(text=["(17)Rock"]), version=3
    )
    got = read_tags(source).fields
    assert got == {"date": ("2001-02-03",), "performer:Flöte": ("X",), "genre": ("Rock",)}
    sound = read_bytes_behind_tag(source)
    frames = b"TT2\0\0\6\0title" + b"TP1\0\0\7\1\xff\xfe\x71\x5c" + b"A\0"
    size = len(frames)
    source.write_bytes(b"ID3\2\0\0" + bytes([0, 0, 0, size]) + frames + sound)
    assert read_tags(source).fields == {"title": ("title",), "artist": ("山A",)}
    old = b"TAG" + b"alt".ljust(30, b"\0") + b"wer".ljust(30, b"\0") + b"\0" * 65
    source.write_bytes(sound + old[:127] + b"\x08")
    assert read_tags(source).fields == {
        "title": ("alt",), "artist": ("wer",), "genre": ("Jazz",)
    }  # fmt: skip
    assert read_audio(source)[0].shape[0] == 2


def read_bytes_behind_tag(path):
    data = path.read_bytes()
    length = 10 + sum(data[6 + i] << (21 - 7 * i) for i in range(4))
    return data[length:]


@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_chapters_arrive_from_mp4_mp3_and_ogg(ending, noise, coded, mp3, tmp_path):
    wanted = [(0.0, "Anfang"), (0.1, "Mitte 山")]
    id3 = mutagen.id3
    frames = [
        id3.CHAP(
            element_id=f"c{index}", start_time=int(1000 * start), end_time=200,
            start_offset=0xFFFFFFFF, end_offset=0xFFFFFFFF,
            sub_frames=[id3.TIT2(encoding=3, text=[title]), id3.WXXX(desc="", url="u")],
        )
        for index, (start, title) in enumerate(wanted)
    ]  # fmt: skip
    got, left = carried(mp3(*frames), tmp_path / f"a{ending}")
    assert [(chapter.start, chapter.title) for chapter in got.chapters] == wanted
    assert list(left) == ["WXXX of a chapter"]

    ogg = coded("opus", ".opus", noise(12000, 2, 48000), 48000)
    file = mutagen.oggopus.OggOpus(ogg)
    for index, (start, title) in enumerate(wanted):
        file[f"CHAPTER{index:03}"] = f"00:00:{start:06.3f}"
        file[f"CHAPTER{index:03}NAME"] = title
    file.save()
    got, _ = carried(ogg, tmp_path / f"b{ending}")
    assert [(chapter.start, chapter.title) for chapter in got.chapters] == wanted
    assert got.fields == {}

    m4a = tmp_path / "chapters.m4a"
    with av.open(str(m4a), "w", format="ipod") as output:
        stream = output.add_stream("aac", rate=48000, layout="stereo")
        output.set_chapters(
            [
                {
                    "id": index,
                    "start": int(1000 * start),
                    "end": int(1000 * start) + 100,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": title},
                }
                for index, (start, title) in enumerate(wanted)
            ]
        )
        frame = av.AudioFrame.from_ndarray(noise(12000, 2, 48000), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    got, _ = carried(m4a, tmp_path / f"c{ending}")
    assert [(chapter.start, chapter.title) for chapter in got.chapters] == wanted


def test_a_comment_of_windows_is_read_in_its_own_coding(audio, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, audio.T, RATE, subtype="PCM_16")
    text = "Übung".encode("cp1252") + b"\0"
    items = b"INFOINAM" + struct.pack("<I", len(text)) + text
    data = path.read_bytes() + b"LIST" + struct.pack("<I", len(items)) + items
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    assert read_tags(path).fields == {"title": ("Übung",)}


def test_chunks_of_a_wav_that_are_not_copied_are_named(audio, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, audio.T, RATE, subtype="PCM_16")
    data = path.read_bytes() + b"bext" + struct.pack("<I", 602) + b"\0" * 602
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    _, left = carried(path, tmp_path / "b.flac")
    assert set(left) == {"WAV chunk 'bext'"}


def test_tags_of_aiff_and_matroska_arrive(audio, tmp_path):
    path = tmp_path / "a.aiff"
    soundfile.write(path, audio.T, RATE, subtype="PCM_16")
    file = mutagen.File(path)
    file.add_tags()
    file.tags.add(mutagen.id3.TIT2(encoding=3, text=["a", "山"]))
    file.save()
    assert carried(path, tmp_path / "b.flac")[0].fields == {"title": ("a", "山")}
    path = tmp_path / "a.mka"
    with av.open(str(path), "w", format="matroska") as output:
        output.metadata.update({"title": "山", "album_artist": "B", "track": "3/4"})
        stream = output.add_stream("flac", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray((audio.T * 2000).astype(np.int16)).reshape(1, -1),
            format="s16", layout="stereo",
        )  # fmt: skip
        frame.sample_rate, frame.pts = RATE, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    fields = carried(path, tmp_path / "c.flac")[0].fields
    assert (fields["title"], fields["albumartist"]) == (("山",), ("B",))
    assert fields["tracknumber"] == ("3",)


def test_what_flac_cannot_say_is_named(audio, tmp_path):
    tags = Tags({"höhe": ("1",), "a=b": ("2",), "title": ("t",)})
    path = tmp_path / "a.flac"
    left = write_audio(path, audio, RATE, tags_from=tags)
    assert {item.field for item in left} == {"höhe", "a=b"}
    assert read_tags(path).fields == {"title": ("t",)}
    assert write_audio(tmp_path / "a.wav", audio, RATE, tags_from=tags) == ()
    assert dict(read_tags(tmp_path / "a.wav").fields) == dict(tags.fields)


def test_a_writer_tells_before_the_audio_what_it_cannot_carry(audio, tmp_path):
    with create_audio(
        tmp_path / "a.flac", RATE, 2, tags_from=Tags({"höhe": ("1",)})
    ) as writer:  # fmt: skip
        assert [item.field for item in writer.not_carried] == ["höhe"]
        writer.write(audio)


def test_dates_that_are_no_time_stamps_stay_as_they_are(audio, tmp_path):
    tags = Tags({"date": ("um 1970",), "originaldate": ("1968-03-01T10:11",)})
    for name in ("a.wav", "a.flac"):
        write_audio(tmp_path / name, audio, RATE, tags_from=tags)
        assert dict(read_tags(tmp_path / name).fields) == dict(tags.fields)


def test_tags_that_cannot_be_written_are_refused(audio, tmp_path):
    path = tmp_path / "a.flac"
    write_audio(path, audio, RATE)
    with pytest.raises(InvalidType, match="must be Tags"):
        write_tags(path, {"title": "x"})
    with pytest.raises(InvalidType, match="'title': must be a tuple of texts"):
        write_tags(path, Tags({"title": "x"}))
    with pytest.raises(InvalidValue, match="must have a name"):
        write_audio(tmp_path / "b.wav", audio, RATE, tags_from=Tags({"": ("x",)}))
    with pytest.raises(InvalidValue, match="kind=21"):
        write_tags(path, Tags(pictures=(Picture(b"x", "image/png", 21),)))
    with pytest.raises(AudioFileError, match="does not exist"):
        write_tags(tmp_path / "missing.flac", SONG)
    other = tmp_path / "notes.txt"
    other.write_text("words and words")
    with pytest.raises(AudioFileError, match="takes no tags"):
        write_tags(other, SONG)
    assert other.read_text() == "words and words"
    assert not (tmp_path / "b.wav").exists()


def test_reading_tags_of_what_cannot_be_read_is_an_error(tmp_path):
    for path in (tmp_path, tmp_path / "missing.mp3"):
        with pytest.raises(AudioFileError):
            read_tags(path)
    other = tmp_path / "notes.txt"
    other.write_text("words and words")
    assert not read_tags(other)


def test_a_file_without_a_name_ending_is_known_by_its_content(mp3, audio, tmp_path):
    write_audio(tmp_path / "a.flac", audio, RATE, tags_from=SONG)
    nameless = tmp_path / "input"
    (tmp_path / "a.flac").rename(nameless)
    assert dict(read_tags(nameless).fields) == dict(SONG.fields)
    nameless.write_bytes(mp3(mutagen.id3.TIT2(encoding=3, text=["t"])).read_bytes())
    assert read_tags(nameless).fields == {"title": ("t",)}


def test_id3_tags_before_others_are_read(mp3, audio, tmp_path):
    id3 = mutagen.id3
    path = mp3(id3.TIT2(encoding=3, text=["zwei"]), id3.TALB(encoding=3, text=["Album"]))
    first = io.BytesIO()
    tag = id3.ID3()
    tag.add(id3.TIT2(encoding=3, text=["eins"]))
    tag.save(first, v1=0)
    path.write_bytes(first.getvalue() + path.read_bytes())
    assert read_tags(path).fields == {"title": ("eins",), "album": ("Album",)}
    write_audio(tmp_path / "a.flac", audio, RATE, tags_from=Tags({"artist": ("x",)}))
    nameless = tmp_path / "input"
    nameless.write_bytes(first.getvalue() + (tmp_path / "a.flac").read_bytes())
    assert read_tags(nameless).fields == {"title": ("eins",), "artist": ("x",)}


def test_png_and_two_pictures_without_description(audio, tmp_path):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="image2pipe") as image:
        stream = image.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "rgb24"
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 32, 3), np.uint8), format="rgb24")
        image.mux(stream.encode(picture))
    png = buffer.getvalue()
    tags = Tags(pictures=(Picture(png, "image/png", 3), Picture(png + b"\0", "image/png", 6)))
    for name in ("a.wav", "a.flac"):
        assert write_audio(tmp_path / name, audio, RATE, tags_from=tags) == ()
        got = read_tags(tmp_path / name).pictures
        assert [(p.kind, p.data, p.width, p.height, p.description) for p in got] == [
            (3, png, 32, 16, ""),
            (6, png + b"\0", 32, 16, ""),
        ]
