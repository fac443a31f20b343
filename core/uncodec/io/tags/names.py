"""What each tag format calls a field.

The table holds the facts of MusicBrainz Picard's published tag mapping (Appendix B of its guide,
CC0), and under it a few more fields that ID3 and MP4 have frames for. Only what differs from the
rule is written down: a Vorbis comment, an APEv2 item and an ID3 TXXX frame are called as the field
is, in upper case.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIELDS", "PAIRS", "ROLES", "Field", "name_of", "vorbis_name"]

MUSICBRAINZ_OWNER = "http://musicbrainz.org"


@dataclass(frozen=True)
class Field:
    """A row of the table; an empty entry follows the rule."""

    name: str
    id3: str = ""
    vorbis: str = ""
    ape: str = ""
    mp4: str = ""
    asf: str = ""
    info: str = ""


def _musicbrainz(name: str, words: str, vorbis: str = "", ape: str = "", info: str = "") -> Field:
    text = f"MusicBrainz {words}"
    return Field(name, f"TXXX:{text}", vorbis, ape, text, f"MusicBrainz/{words}", info)


FIELDS = (
    Field("acoustid_fingerprint", "TXXX:Acoustid Fingerprint", mp4="Acoustid Fingerprint",
          asf="Acoustid/Fingerprint"),
    Field("acoustid_id", "TXXX:Acoustid Id", mp4="Acoustid Id", asf="Acoustid/Id"),
    Field("album", "TALB", mp4="©alb", asf="WM/AlbumTitle", info="IPRD"),
    Field("albumartist", "TPE2", ape="Album Artist", mp4="aART", asf="WM/AlbumArtist"),
    Field("albumartistsort", "TSO2", mp4="soaa", asf="WM/AlbumArtistSortOrder"),
    Field("albumsort", "TSOA", mp4="soal", asf="WM/AlbumSortOrder"),
    Field("arranger", "TIPL:arranger"),
    Field("artist", "TPE1", mp4="©ART", asf="Author", info="IART"),
    Field("artists", "TXXX:Artists", asf="WM/ARTISTS"),
    Field("artistsort", "TSOP", mp4="soar", asf="WM/ArtistSortOrder"),
    Field("asin"),
    Field("barcode", asf="WM/Barcode"),
    Field("bpm", "TBPM", mp4="tmpo", asf="WM/BeatsPerMinute"),
    Field("catalognumber", asf="WM/CatalogNo"),
    Field("comment", "COMM", mp4="©cmt", asf="Description", info="ICMT"),
    Field("compilation", "TCMP", mp4="cpil", asf="WM/IsCompilation"),
    Field("composer", "TCOM", mp4="©wrt", asf="WM/Composer", info="IMUS"),
    Field("composersort", "TSOC", mp4="soco", asf="WM/ComposerSortOrder"),
    Field("conductor", "TPE3", asf="WM/Conductor"),
    Field("copyright", "TCOP", mp4="cprt", asf="Copyright", info="ICOP"),
    Field("date", "TDRC", ape="Year", mp4="©day", asf="WM/Year", info="ICRD"),
    Field("director", mp4="©dir", asf="WM/Director"),
    Field("discnumber", "TPOS", ape="Disc", mp4="disk", asf="WM/PartOfSet"),
    Field("discsubtitle", "TSST", asf="WM/SetSubTitle"),
    Field("djmixer", "TIPL:DJ-mix", asf="WM/DJMixer"),
    Field("encodedby", "TENC", mp4="©too", asf="WM/EncodedBy", info="IENC"),
    Field("encodersettings", "TSSE", asf="WM/EncodingSettings"),
    Field("engineer", "TIPL:engineer", asf="WM/Engineer", info="IENG"),
    Field("gapless", mp4="pgap"),
    Field("genre", "TCON", mp4="©gen", asf="WM/Genre", info="IGNR"),
    Field("grouping", "TIT1", mp4="©grp", asf="WM/ContentGroupDescription"),
    Field("isrc", "TSRC", asf="WM/ISRC"),
    Field("key", "TKEY", mp4="initialkey", asf="WM/InitialKey"),
    Field("label", "TPUB", asf="WM/Publisher"),
    Field("language", "TLAN", asf="WM/Language", info="ILNG"),
    Field("license", "WCOP"),
    Field("lyricist", "TEXT", asf="WM/Writer"),
    Field("lyrics", "USLT", mp4="©lyr", asf="WM/Lyrics"),
    Field("media", "TMED", asf="WM/Media", info="IMED"),
    Field("mixer", "TIPL:mix", asf="WM/Mixer"),
    Field("mood", "TMOO", asf="WM/Mood"),
    Field("movement", "MVNM", "MOVEMENTNAME", "MOVEMENTNAME", "©mvn"),
    Field("movementnumber", "MVIN", "MOVEMENT", "MOVEMENT", "©mvi"),
    Field("movementtotal", "MVIN", mp4="©mvc"),
    _musicbrainz("musicbrainz_albumartistid", "Album Artist Id"),
    _musicbrainz("musicbrainz_albumid", "Album Id"),
    _musicbrainz("musicbrainz_artistid", "Artist Id"),
    _musicbrainz("musicbrainz_discid", "Disc Id"),
    _musicbrainz("musicbrainz_originalalbumid", "Original Album Id"),
    _musicbrainz("musicbrainz_originalartistid", "Original Artist Id"),
    Field("musicbrainz_recordingid", f"UFID:{MUSICBRAINZ_OWNER}", "MUSICBRAINZ_TRACKID",
          "MUSICBRAINZ_TRACKID", "MusicBrainz Track Id", "MusicBrainz/Track Id"),
    _musicbrainz("musicbrainz_releasegroupid", "Release Group Id"),
    _musicbrainz("musicbrainz_trackid", "Release Track Id", "MUSICBRAINZ_RELEASETRACKID",
                 "MUSICBRAINZ_RELEASETRACKID"),
    _musicbrainz("musicbrainz_trmid", "TRM Id"),
    _musicbrainz("musicbrainz_workid", "Work Id"),
    Field("musicip_fingerprint", "TXXX:MusicMagic Fingerprint", "FINGERPRINT", mp4="fingerprint"),
    Field("musicip_puid", "TXXX:MusicIP PUID", mp4="MusicIP PUID", asf="MusicIP/PUID"),
    Field("originalalbum", "TOAL", asf="WM/OriginalAlbumTitle"),
    Field("originalartist", "TOPE", ape="Original Artist", asf="WM/OriginalArtist"),
    Field("originaldate", "TDOR", asf="WM/OriginalReleaseTime"),
    Field("originalfilename", "TOFN", asf="WM/OriginalFilename"),
    Field("originalyear", asf="WM/OriginalReleaseYear"),
    Field("podcast", mp4="pcst"),
    Field("podcasturl", mp4="purl"),
    Field("producer", "TIPL:producer", asf="WM/Producer", info="IPRO"),
    Field("_rating", "POPM", "RATING", "RATING", asf="WM/SharedUserRating"),
    _musicbrainz("releasecountry", "Album Release Country", info="ICNT"),
    _musicbrainz("releasestatus", "Album Status", ape="MUSICBRAINZ_ALBUMSTATUS"),
    _musicbrainz("releasetype", "Album Type", ape="MUSICBRAINZ_ALBUMTYPE"),
    Field("remixer", "TPE4", ape="MixArtist", asf="WM/ModifiedBy"),
    Field("script", asf="WM/Script"),
    Field("show", mp4="tvsh"),
    Field("showmovement", mp4="shwm"),
    Field("showsort", mp4="sosn"),
    Field("subtitle", "TIT3", asf="WM/SubTitle"),
    Field("title", "TIT2", mp4="©nam", asf="Title", info="INAM"),
    Field("titlesort", "TSOT", mp4="sonm", asf="WM/TitleSortOrder"),
    Field("totaldiscs", "TPOS", "DISCTOTAL"),
    Field("totaltracks", "TRCK", "TRACKTOTAL"),
    Field("tracknumber", "TRCK", ape="Track", mp4="trkn", asf="WM/TrackNumber", info="ITRK"),
    Field("website", "WOAR", ape="Weblink", asf="WM/AuthorURL"),
    Field("work", mp4="©wrk", asf="WM/Work"),
    Field("writer", "TXXX:Writer", info="IWRI"),
    # Not in Picard's table.
    Field("description", mp4="desc"),
    Field("encodingtime", "TDEN"),
    Field("fileowner", "TOWN"),
    Field("filetype", "TFLT"),
    Field("itunesadvisory", mp4="rtng"),
    Field("itunesmediatype", mp4="stik"),
    Field("length", "TLEN"),
    Field("longdescription", mp4="ldes"),
    Field("originallyricist", "TOLY"),
    Field("playlistdelay", "TDLY"),
    Field("podcastcategory", "TCAT", mp4="catg"),
    Field("podcastdescription", "TDES"),
    Field("podcastid", "TGID", mp4="egid"),
    Field("podcastkeywords", "TKWD", mp4="keyw"),
    Field("producednotice", "TPRO"),
    Field("radioowner", "TRSO"),
    Field("radiostation", "TRSN"),
    Field("releasedate", "TDRL"),
    Field("size", "TSIZ"),
    Field("taggingtime", "TDTG"),
    Field("tvepisode", mp4="tves"),
    Field("tvepisodeid", mp4="tven"),
    Field("tvnetwork", mp4="tvnn"),
    Field("tvseason", mp4="tvsn"),
    Field("wwwaudiofile", "WOAF"),
    Field("wwwaudiosource", "WOAS"),
    Field("wwwcommercialinfo", "WCOM"),
    Field("wwwpayment", "WPAY"),
    Field("wwwpodcast", "WFED"),
    Field("wwwpublisher", "WPUB"),
    Field("wwwradiopage", "WORS"),
)  # fmt: skip

PAIRS = {
    "TRCK": ("tracknumber", "totaltracks"),
    "TPOS": ("discnumber", "totaldiscs"),
    "MVIN": ("movementnumber", "movementtotal"),
}
"""ID3 frames that hold a number and a total, "3/12"."""

ROLES = {entry.id3[5:].lower(): entry.name for entry in FIELDS if entry.id3.startswith("TIPL:")}
"""Fields of the roles in an ID3 list of involved people."""

BY_NAME = {entry.name: entry for entry in FIELDS}

_OTHERS = {
    "album artist": "albumartist",
    "album_artist": "albumartist",
    "grp1": "grouping",
    "initialkey": "key",
    "rating": "_rating",
    "unsyncedlyrics": "lyrics",
}


def _keys(kind: str) -> dict[str, str]:
    """Names of `kind` in lower case, and the fields they stand for."""
    keys = dict(_OTHERS)
    for entry in FIELDS:
        own = getattr(entry, kind)
        text = own.removeprefix("TXXX:") if own else entry.name
        # A pair shares one name; its first field is in charge of it.
        keys.setdefault(text.lower(), entry.name)
    return keys


_KEYS = {kind: _keys(kind) for kind in ("id3", "vorbis", "ape", "mp4", "asf")}


def name_of(kind: str, key: str) -> str:
    """Field that `key` stands for in a format; a key without an entry goes by its lower case.

    Parameters
    ----------
    kind : {"id3", "vorbis", "ape", "mp4", "asf"}
        For ID3 the key is a frame's name, or the description of a TXXX frame.
    key : str
    """
    lower = key.strip().lower()
    known = _KEYS[kind].get(lower)
    if known is None and ":" in lower:
        # What stands behind the colon is a mail address or a text: its case counts.
        head, _, rest = key.strip().partition(":")
        return f"{name_of(kind, head)}:{rest}"
    return known or lower


def vorbis_name(name: str) -> str | None:
    """Key of a field in a Vorbis comment, or None if no key can say it."""
    head, colon, rest = name.partition(":")
    entry = BY_NAME.get(head)
    key = ((entry.vorbis if entry else "") or head.upper()) + colon + rest
    # Vorbis comment specification: printable ASCII without "=".
    legal = key and all(" " <= letter <= "}" and letter != "=" for letter in key)
    return key if legal and key.strip() == key else None
