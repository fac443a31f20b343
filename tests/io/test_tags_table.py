"""Every field of MusicBrainz Picard's tag mapping, from every format into FLAC and WAV."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import mutagen
import mutagen.apev2
import mutagen.asf
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import mutagen.wave
import mutagen.wavpack
import pytest
import soundfile

from uncodec.io import read_audio, read_tags, write_audio

# Picard's guide, appendix B: internal name, ID3v2.4, Vorbis, APEv2, MP4, ASF; "-" for none.
# An MP4 name of more than four letters stands for a free one, ----:com.apple.iTunes:NAME.
TABLE = """
acoustid_id|TXXX:Acoustid Id|ACOUSTID_ID|ACOUSTID_ID|Acoustid Id|Acoustid/Id
acoustid_fingerprint|TXXX:Acoustid Fingerprint|ACOUSTID_FINGERPRINT|ACOUSTID_FINGERPRINT|Acoustid Fingerprint|Acoustid/Fingerprint
album|TALB|ALBUM|Album|©alb|WM/AlbumTitle
albumartist|TPE2|ALBUMARTIST|Album Artist|aART|WM/AlbumArtist
albumartistsort|TSO2|ALBUMARTISTSORT|ALBUMARTISTSORT|soaa|WM/AlbumArtistSortOrder
albumsort|TSOA|ALBUMSORT|ALBUMSORT|soal|WM/AlbumSortOrder
arranger|TIPL:arranger|ARRANGER|Arranger|-|-
artist|TPE1|ARTIST|Artist|©ART|Author
artistsort|TSOP|ARTISTSORT|ARTISTSORT|soar|WM/ArtistSortOrder
artists|TXXX:Artists|ARTISTS|Artists|ARTISTS|WM/ARTISTS
asin|TXXX:ASIN|ASIN|ASIN|ASIN|ASIN
barcode|TXXX:BARCODE|BARCODE|Barcode|BARCODE|WM/Barcode
bpm|TBPM|BPM|BPM|tmpo|WM/BeatsPerMinute
catalognumber|TXXX:CATALOGNUMBER|CATALOGNUMBER|CatalogNumber|CATALOGNUMBER|WM/CatalogNo
comment|COMM|COMMENT|Comment|©cmt|Description
compilation|TCMP|COMPILATION|Compilation|cpil|WM/IsCompilation
composer|TCOM|COMPOSER|Composer|©wrt|WM/Composer
composersort|TSOC|COMPOSERSORT|COMPOSERSORT|soco|WM/ComposerSortOrder
conductor|TPE3|CONDUCTOR|Conductor|CONDUCTOR|WM/Conductor
copyright|TCOP|COPYRIGHT|Copyright|cprt|Copyright
director|TXXX:DIRECTOR|DIRECTOR|Director|©dir|WM/Director
discnumber|TPOS|DISCNUMBER|Disc|disk|WM/PartOfSet
discsubtitle|TSST|DISCSUBTITLE|DiscSubtitle|DISCSUBTITLE|WM/SetSubTitle
encodedby|TENC|ENCODEDBY|EncodedBy|©too|WM/EncodedBy
encodersettings|TSSE|ENCODERSETTINGS|EncoderSettings|-|WM/EncodingSettings
engineer|TIPL:engineer|ENGINEER|Engineer|ENGINEER|WM/Engineer
gapless|-|-|-|pgap|-
genre|TCON|GENRE|Genre|©gen|WM/Genre
grouping|TIT1|GROUPING|Grouping|©grp|WM/ContentGroupDescription
key|TKEY|KEY|KEY|initialkey|WM/InitialKey
isrc|TSRC|ISRC|ISRC|ISRC|WM/ISRC
language|TLAN|LANGUAGE|Language|LANGUAGE|WM/Language
license|WCOP|LICENSE|LICENSE|LICENSE|-
lyricist|TEXT|LYRICIST|Lyricist|LYRICIST|WM/Writer
lyrics|USLT|LYRICS|Lyrics|©lyr|WM/Lyrics
media|TMED|MEDIA|Media|MEDIA|WM/Media
djmixer|TIPL:DJ-mix|DJMIXER|DJMixer|DJMIXER|WM/DJMixer
mixer|TIPL:mix|MIXER|Mixer|MIXER|WM/Mixer
mood|TMOO|MOOD|Mood|MOOD|WM/Mood
movement|MVNM|MOVEMENTNAME|MOVEMENTNAME|©mvn|-
movementtotal|MVIN|MOVEMENTTOTAL|MOVEMENTTOTAL|©mvc|-
movementnumber|MVIN|MOVEMENT|MOVEMENT|©mvi|-
musicbrainz_artistid|TXXX:MusicBrainz Artist Id|MUSICBRAINZ_ARTISTID|MUSICBRAINZ_ARTISTID|MusicBrainz Artist Id|MusicBrainz/Artist Id
musicbrainz_discid|TXXX:MusicBrainz Disc Id|MUSICBRAINZ_DISCID|MUSICBRAINZ_DISCID|MusicBrainz Disc Id|MusicBrainz/Disc Id
musicbrainz_originalartistid|TXXX:MusicBrainz Original Artist Id|MUSICBRAINZ_ORIGINALARTISTID|-|MusicBrainz Original Artist Id|MusicBrainz/Original Artist Id
musicbrainz_originalalbumid|TXXX:MusicBrainz Original Album Id|MUSICBRAINZ_ORIGINALALBUMID|-|MusicBrainz Original Album Id|MusicBrainz/Original Album Id
musicbrainz_recordingid|UFID:http://musicbrainz.org|MUSICBRAINZ_TRACKID|MUSICBRAINZ_TRACKID|MusicBrainz Track Id|MusicBrainz/Track Id
musicbrainz_albumartistid|TXXX:MusicBrainz Album Artist Id|MUSICBRAINZ_ALBUMARTISTID|MUSICBRAINZ_ALBUMARTISTID|MusicBrainz Album Artist Id|MusicBrainz/Album Artist Id
musicbrainz_releasegroupid|TXXX:MusicBrainz Release Group Id|MUSICBRAINZ_RELEASEGROUPID|MUSICBRAINZ_RELEASEGROUPID|MusicBrainz Release Group Id|MusicBrainz/Release Group Id
musicbrainz_albumid|TXXX:MusicBrainz Album Id|MUSICBRAINZ_ALBUMID|MUSICBRAINZ_ALBUMID|MusicBrainz Album Id|MusicBrainz/Album Id
musicbrainz_trackid|TXXX:MusicBrainz Release Track Id|MUSICBRAINZ_RELEASETRACKID|MUSICBRAINZ_RELEASETRACKID|MusicBrainz Release Track Id|MusicBrainz/Release Track Id
musicbrainz_trmid|TXXX:MusicBrainz TRM Id|MUSICBRAINZ_TRMID|MUSICBRAINZ_TRMID|MusicBrainz TRM Id|MusicBrainz/TRM Id
musicbrainz_workid|TXXX:MusicBrainz Work Id|MUSICBRAINZ_WORKID|MUSICBRAINZ_WORKID|MusicBrainz Work Id|MusicBrainz/Work Id
musicip_fingerprint|TXXX:MusicMagic Fingerprint|FINGERPRINT|-|fingerprint|-
musicip_puid|TXXX:MusicIP PUID|MUSICIP_PUID|MUSICIP_PUID|MusicIP PUID|MusicIP/PUID
originalalbum|TOAL|-|-|-|WM/OriginalAlbumTitle
originalartist|TOPE|-|Original Artist|-|WM/OriginalArtist
originalfilename|TOFN|ORIGINALFILENAME|ORIGINALFILENAME|-|WM/OriginalFilename
originaldate|TDOR|ORIGINALDATE|-|-|WM/OriginalReleaseTime
originalyear|-|ORIGINALYEAR|ORIGINALYEAR|-|WM/OriginalReleaseYear
performer:Flöte|TMCL:Flöte|PERFORMER|Performer|-|-
podcast|-|-|-|pcst|-
podcasturl|-|-|-|purl|-
producer|TIPL:producer|PRODUCER|Producer|PRODUCER|WM/Producer
_rating:me@example.org|POPM:me@example.org|RATING:me@example.org|-|-|-
_rating|-|-|-|-|WM/SharedUserRating
label|TPUB|LABEL|Label|LABEL|WM/Publisher
releasecountry|TXXX:MusicBrainz Album Release Country|RELEASECOUNTRY|RELEASECOUNTRY|MusicBrainz Album Release Country|MusicBrainz/Album Release Country
date|TDRC|DATE|Year|©day|WM/Year
releasestatus|TXXX:MusicBrainz Album Status|RELEASESTATUS|MUSICBRAINZ_ALBUMSTATUS|MusicBrainz Album Status|MusicBrainz/Album Status
releasetype|TXXX:MusicBrainz Album Type|RELEASETYPE|MUSICBRAINZ_ALBUMTYPE|MusicBrainz Album Type|MusicBrainz/Album Type
remixer|TPE4|REMIXER|MixArtist|REMIXER|WM/ModifiedBy
replaygain_album_gain|TXXX:REPLAYGAIN_ALBUM_GAIN|REPLAYGAIN_ALBUM_GAIN|REPLAYGAIN_ALBUM_GAIN|REPLAYGAIN_ALBUM_GAIN|REPLAYGAIN_ALBUM_GAIN
replaygain_album_peak|TXXX:REPLAYGAIN_ALBUM_PEAK|REPLAYGAIN_ALBUM_PEAK|REPLAYGAIN_ALBUM_PEAK|REPLAYGAIN_ALBUM_PEAK|REPLAYGAIN_ALBUM_PEAK
replaygain_album_range|TXXX:REPLAYGAIN_ALBUM_RANGE|REPLAYGAIN_ALBUM_RANGE|REPLAYGAIN_ALBUM_RANGE|REPLAYGAIN_ALBUM_RANGE|REPLAYGAIN_ALBUM_RANGE
replaygain_reference_loudness|TXXX:REPLAYGAIN_REFERENCE_LOUDNESS|REPLAYGAIN_REFERENCE_LOUDNESS|REPLAYGAIN_REFERENCE_LOUDNESS|REPLAYGAIN_REFERENCE_LOUDNESS|REPLAYGAIN_REFERENCE_LOUDNESS
replaygain_track_gain|TXXX:REPLAYGAIN_TRACK_GAIN|REPLAYGAIN_TRACK_GAIN|REPLAYGAIN_TRACK_GAIN|REPLAYGAIN_TRACK_GAIN|REPLAYGAIN_TRACK_GAIN
replaygain_track_peak|TXXX:REPLAYGAIN_TRACK_PEAK|REPLAYGAIN_TRACK_PEAK|REPLAYGAIN_TRACK_PEAK|REPLAYGAIN_TRACK_PEAK|REPLAYGAIN_TRACK_PEAK
replaygain_track_range|TXXX:REPLAYGAIN_TRACK_RANGE|REPLAYGAIN_TRACK_RANGE|REPLAYGAIN_TRACK_RANGE|REPLAYGAIN_TRACK_RANGE|REPLAYGAIN_TRACK_RANGE
script|TXXX:SCRIPT|SCRIPT|Script|SCRIPT|WM/Script
show|-|-|-|tvsh|-
showsort|-|-|-|sosn|-
showmovement|TXXX:SHOWMOVEMENT|SHOWMOVEMENT|SHOWMOVEMENT|shwm|-
subtitle|TIT3|SUBTITLE|Subtitle|SUBTITLE|WM/SubTitle
totaldiscs|TPOS|DISCTOTAL|Disc|disk|WM/PartOfSet
totaltracks|TRCK|TRACKTOTAL|Track|trkn|-
tracknumber|TRCK|TRACKNUMBER|Track|trkn|WM/TrackNumber
title|TIT2|TITLE|Title|©nam|Title
titlesort|TSOT|TITLESORT|TITLESORT|sonm|WM/TitleSortOrder
website|WOAR|WEBSITE|Weblink|-|WM/AuthorURL
work|TXXX:WORK|WORK|WORK|©wrk|WM/Work
writer|TXXX:Writer|WRITER|Writer|-|-
"""  # noqa: E501

ROWS = {row.split("|")[0]: row.split("|")[1:] for row in TABLE.strip().splitlines()}
COLUMN = {"id3": 0, "vorbis": 1, "ape": 2, "mp4": 3, "asf": 4}
NOT_COPIED = {name for name in ROWS if name.startswith(("replaygain_", "encode"))}
VALUES = {
    "bpm": ["128"],
    "compilation": ["1"],
    "date": ["1999-05-01"],
    "discnumber": ["1"],
    "gapless": ["1"],
    "license": ["https://example.org/by"],
    "lyrics": ["Zeile eins\n第二行 ひらがな"],
    "movementnumber": ["2"],
    "movementtotal": ["4"],
    "musicbrainz_recordingid": ["b1a9c0e9-d987-4042-ae91-78d6a3267d69"],
    "originaldate": ["1998-02"],
    "originalyear": ["1998"],
    "podcast": ["1"],
    "_rating": ["0.6667"],
    "_rating:me@example.org": ["0.8"],
    "showmovement": ["1"],
    "totaldiscs": ["2"],
    "totaltracks": ["12"],
    "tracknumber": ["3"],
    "website": ["https://example.org/a", "https://example.org/b"],
}
PAIRED = ("tracknumber", "totaltracks", "discnumber", "totaldiscs")
FORMATS = {
    ".mp3": ("mp3", "libmp3lame", "id3"),
    ".wav": ("wav", "pcm_s16le", "id3"),
    ".flac": ("flac", "flac", "vorbis"),
    ".ogg": ("ogg", "vorbis", "vorbis"),
    ".opus": ("ogg", "libopus", "vorbis"),
    ".m4a": ("ipod", "aac", "mp4"),
    ".wma": ("asf", "wmav2", "asf"),
    ".wv": ("wv", "wavpack", "ape"),
}


def values_of(name):
    return VALUES.get(name, [f"{name} Ünï", "山と川"])


def make_audio(path, noise):
    container, codec, _ = FORMATS[path.suffix]
    audio = noise(9000, 2, 48000)
    if path.suffix == ".ogg":
        soundfile.write(path, audio.T, 48000, format="OGG", subtype="VORBIS")
        return
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=48000, layout="stereo")
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        resampler = av.AudioResampler(stream.format, "stereo", 48000, stream.frame_size or None)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))


def columns(kind):
    """Name in that format -> [(internal name, values)]."""
    named = {}
    for name, row in ROWS.items():
        key = row[COLUMN[kind]]
        if key != "-":
            named.setdefault(key, []).append((name, values_of(name)))
    return named


def put_id3(tags, pictures):
    id3 = mutagen.id3
    people = {"TIPL": [], "TMCL": []}
    for key, entries in columns("id3").items():
        frame, _, rest = key.partition(":")
        values = entries[0][1]
        if len(entries) == 2:
            held = dict(entries)
            number = next(v for n, (v,) in held.items() if "total" not in n)
            total = next(v for n, (v,) in held.items() if "total" in n)
            values = [f"{number}/{total}"]
        if frame in people:
            people[frame] += [[rest, value] for value in values]
        elif frame == "TXXX":
            tags.add(id3.TXXX(encoding=3, desc=rest, text=values))
        elif frame == "COMM":
            tags.add(id3.COMM(encoding=1, lang="XXX", desc="", text=values))
        elif frame == "USLT":
            tags.add(id3.USLT(encoding=1, lang="eng", desc="", text=values[0]))
        elif frame == "UFID":
            tags.add(id3.UFID(owner=rest, data=values[0].encode()))
        elif frame == "POPM":
            tags.add(id3.POPM(email=rest, rating=204, count=7))
        elif frame in ("WOAR", "WCOP"):
            for value in values:
                tags.add(id3.Frames[frame](url=value))
        else:
            tags.add(id3.Frames[frame](encoding=3, text=values))
    for frame, pairs in people.items():
        tags.add(id3.Frames[frame](encoding=3, people=pairs))
    for kind, text, data in pictures:
        tags.add(id3.APIC(encoding=3, mime="image/jpeg", type=kind, desc=text, data=data))


def flac_picture(kind, text, data):
    picture = mutagen.flac.Picture()
    picture.type, picture.desc, picture.data, picture.mime = kind, text, data, "image/jpeg"
    return picture


def put_vorbis(file, pictures):
    import base64

    for key, entries in columns("vorbis").items():
        ((name, values),) = entries
        if name == "musicip_fingerprint":
            values = [f"MusicMagic Fingerprint {value}" for value in values]
        if name.startswith("performer:"):
            values = [f"{value} (Flöte)" for value in values]
        file.tags[key] = values
    blocks = [flac_picture(*picture) for picture in pictures]
    if isinstance(file, mutagen.flac.FLAC):
        for block in blocks:
            file.add_picture(block)
    else:
        coded = [base64.b64encode(block.write()).decode() for block in blocks]
        file.tags["METADATA_BLOCK_PICTURE"] = coded


def put_ape(tags, pictures):
    for key, entries in columns("ape").items():
        name, values = entries[0]
        if len(entries) == 2:
            values = ["1/2"] if key == "Disc" else ["3/12"]
        if name.startswith("performer:"):
            values = [f"{value} (Flöte)" for value in values]
        tags[key] = mutagen.apev2.APETextValue("\0".join(values), 0)
    for (_, text, data), place in zip(pictures, ("Front", "Back"), strict=True):
        raw = text.encode() + b"\0" + data
        tags[f"Cover Art ({place})"] = mutagen.apev2.APEBinaryValue(raw, 1)


def put_mp4(tags, pictures):
    for key, entries in columns("mp4").items():
        _, values = entries[0]
        if key in ("trkn", "disk"):
            tags[key] = [(3, 12)] if key == "trkn" else [(1, 2)]
        elif key in ("cpil", "pgap", "pcst"):
            tags[key] = True
        elif key in ("tmpo", "shwm", "©mvi", "©mvc"):
            tags[key] = [int(values[0])]
        elif len(key) == 4 and key not in ("ASIN", "ISRC", "MOOD"):
            tags[key] = values
        else:
            free = [mutagen.mp4.MP4FreeForm(value.encode()) for value in values]
            tags[f"----:com.apple.iTunes:{key}"] = free
    form = mutagen.mp4.MP4Cover.FORMAT_JPEG
    tags["covr"] = [mutagen.mp4.MP4Cover(data, form) for _, _, data in pictures]


def put_asf(tags, pictures):
    asf = mutagen.asf
    for key, entries in columns("asf").items():
        _, values = entries[0]
        if key == "WM/PartOfSet":
            values = ["1/2"]
        if key == "WM/SharedUserRating":
            tags[key] = [asf.ASFDWordAttribute(66)]
        elif key == "WM/IsCompilation":
            tags[key] = [asf.ASFBoolAttribute(True)]
        elif key == "Title":
            tags[key] = values[:1]
        else:
            tags[key] = values
    tags["WM/Picture"] = [
        asf.ASFByteArrayAttribute(
            struct.pack("<bI", kind, len(data))
            + "image/jpeg\0".encode("utf-16-le")
            + f"{text}\0".encode("utf-16-le")
            + data
        )
        for kind, text, data in pictures
    ]


def make_source(path, noise, pictures):
    """Audio with every field that its format has a name for."""
    make_audio(path, noise)
    kind = FORMATS[path.suffix][2]
    file = mutagen.wavpack.WavPack(path) if kind == "ape" else mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    file.tags.clear()
    if kind == "vorbis":
        put_vorbis(file, pictures)
    else:
        put = {"id3": put_id3, "mp4": put_mp4, "asf": put_asf, "ape": put_ape}[kind]
        put(file.tags, pictures)
    file.save()


def expected(suffix):
    """What a result must hold of a source of that kind."""
    kind = FORMATS[suffix][2]
    held = {}
    for name, row in ROWS.items():
        if row[COLUMN[kind]] == "-" or name in NOT_COPIED:
            continue
        held[name] = tuple(values_of(name))
    if kind == "asf":  # the header holds one
        held["title"] = held["title"][:1]
    if kind == "id3":
        held["playcount:me@example.org"] = ("7",)
    return held


@pytest.fixture
def pictures(jpeg):
    return [(3, "vorn", jpeg), (4, "hinten 山", jpeg[:-2] + b"\0\0\xff\xd9")]


@pytest.mark.parametrize("ending", [".flac", ".wav"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_field_of_every_format_arrives(suffix, ending, noise, pictures, tmp_path):
    source, target = tmp_path / f"source{suffix}", tmp_path / f"result{ending}"
    make_source(source, noise, pictures)
    audio, rate = read_audio(source)
    left = write_audio(target, audio, rate, tags_from=source)
    got = read_tags(target)
    assert dict(got.fields) == expected(suffix)
    kind = COLUMN[FORMATS[suffix][2]]
    named = {item.field for item in left}
    assert named == {name for name in NOT_COPIED if ROWS[name][kind] != "-"}
    assert [picture.data for picture in got.pictures] == [data for _, _, data in pictures]
    if suffix != ".m4a":  # which knows neither
        told = [(picture.kind, picture.description) for picture in got.pictures]
        assert told == [(kind, text) for kind, text, _ in pictures]
    assert {(picture.mime, picture.width, picture.height) for picture in got.pictures} == {
        ("image/jpeg", 64, 48)
    }
    assert read_audio(target)[0].shape == audio.shape


def test_names_in_flac_are_those_of_the_table(noise, pictures, tmp_path):
    source, target = tmp_path / "source.mp3", tmp_path / "result.flac"
    make_source(source, noise, pictures)
    write_audio(target, *read_audio(source), tags_from=source)
    held = {}
    for key, value in mutagen.flac.FLAC(target).tags:
        held.setdefault(key, []).append(value)
    for name, row in ROWS.items():
        if name in NOT_COPIED or row[0] == "-" or row[1] == "-":
            continue
        wanted = values_of(name)
        if name == "performer:Flöte":
            wanted = [f"{value} (Flöte)" for value in wanted]
        if name == "musicip_fingerprint":
            wanted = [f"MusicMagic Fingerprint {value}" for value in wanted]
        assert held[row[1]] == wanted
    assert held["TOTALTRACKS"] == ["12"]
    assert held["TOTALDISCS"] == ["2"]


def test_frames_in_wav_are_those_of_the_table(noise, pictures, tmp_path):
    source, target = tmp_path / "source.flac", tmp_path / "result.wav"
    make_source(source, noise, pictures)
    write_audio(target, *read_audio(source), tags_from=source)
    tags = mutagen.wave.WAVE(target).tags
    assert tags.version == (2, 4, 0)
    people = [pair for key in ("TIPL", "TMCL") for pair in tags[key].people]
    for name, row in ROWS.items():
        frame, _, rest = row[0].partition(":")
        if name in NOT_COPIED or row[0] == "-" or row[1] == "-":
            continue
        if frame in ("TIPL", "TMCL"):
            assert [person for role, person in people if role == rest] == values_of(name)
        elif frame == "UFID":
            assert [tags[row[0]].data.decode()] == values_of(name)
        elif frame == "POPM":
            assert tags[row[0]].rating == 204
        elif frame in ("WOAR", "WCOP"):
            assert [found.url for found in tags.getall(frame)] == values_of(name)
        elif frame == "USLT":
            assert tags.getall(frame)[0].text == values_of(name)[0]
        elif frame in ("TRCK", "TPOS", "MVIN"):
            assert tags[frame].text == {"TRCK": ["3/12"], "TPOS": ["1/2"], "MVIN": ["2/4"]}[frame]
        else:
            (found,) = tags.getall(row[0])
            assert [str(text) for text in found.text] == values_of(name)


def test_simple_fields_stand_in_the_info_list_of_a_wav(noise, pictures, tmp_path):
    source, target = tmp_path / "source.mp3", tmp_path / "result.wav"
    make_source(source, noise, pictures)
    write_audio(target, *read_audio(source), tags_from=source)
    data = Path(target).read_bytes()
    place = data.index(b"LIST")
    size = struct.unpack_from("<I", data, place + 4)[0]
    items = data[place + 8 : place + 8 + size]
    assert items.startswith(b"INFO")
    for key, text in (("INAM", "title Ünï; 山と川"), ("ITRK", "3"), ("ICRD", "1999-05-01")):
        start = items.index(key.encode())
        length = struct.unpack_from("<I", items, start + 4)[0]
        assert items[start + 8 : start + 8 + length] == text.encode() + b"\0"
