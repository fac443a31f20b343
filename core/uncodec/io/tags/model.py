"""What tags are here: texts by field, pictures, chapters, and what had to be left behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

__all__ = ["Chapter", "Collector", "NotCarried", "Picture", "Tags", "without_stale"]

PICTURE_KINDS = (
    "other",
    "file icon",
    "other file icon",
    "front cover",
    "back cover",
    "leaflet page",
    "media",
    "lead artist",
    "artist",
    "conductor",
    "band",
    "composer",
    "lyricist",
    "recording location",
    "during recording",
    "during performance",
    "video capture",
    "bright coloured fish",
    "illustration",
    "band logotype",
    "publisher logotype",
)


@dataclass(frozen=True)
class NotCarried:
    """One thing of a source that its result does not have.

    Attributes
    ----------
    field : str
        Name of the field; or "picture (front cover)", "chapter images", "PRIV" and the like.
    reason : str
        Why, in a few words.
    """

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(frozen=True)
class Picture:
    """One picture of a file, as it is stored.

    Attributes
    ----------
    data : bytes
        The image file. With the type "-->" it is the address of one instead.
    mime : str
        For instance "image/jpeg".
    kind : int
        0 to 20 as ID3 and FLAC number them: 3 is the front cover, 4 the back cover.
    description : str
    width, height : int
        In pixels; 0 where that is unknown.
    """

    data: bytes
    mime: str
    kind: int = 3
    description: str = ""
    width: int = 0
    height: int = 0

    @property
    def label(self) -> str:
        """How a report calls it: "picture (front cover)"."""
        known = 0 <= self.kind < len(PICTURE_KINDS)
        return f"picture ({PICTURE_KINDS[self.kind] if known else self.kind})"


@dataclass(frozen=True)
class Chapter:
    """A named place.

    Attributes
    ----------
    start : float
        In seconds from the first sample.
    title : str
    end : float, optional
        In seconds; None where the file does not state it.
    """

    start: float
    title: str = ""
    end: float | None = None


@dataclass(frozen=True)
class Tags:
    """What a file says about its music.

    Attributes
    ----------
    fields : mapping of str to tuple of str
        Every field has one value or more. The names are MusicBrainz Picard's ("title", "artist",
        "albumartist", "musicbrainz_albumid", "performer:piano"). A field that Picard has no name
        for goes by its own, in lower case.
    pictures : tuple of Picture
    chapters : tuple of Chapter
    unread : tuple of NotCarried
        What the file holds besides and cannot be said in the above: binary frames, broken ones.
    """

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    unread: tuple[NotCarried, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fields or self.pictures or self.chapters)


class Collector:
    """Tags on their way out of a file."""

    def __init__(self) -> None:
        self.fields: dict[str, list[str]] = {}
        self.pictures: list[Picture] = []
        self.chapters: list[Chapter] = []
        self.unread: list[NotCarried] = []

    def add(self, name: str, values: Iterable[str], *, once: bool = False) -> None:
        """Append values to a field; with `once` only those that it does not hold yet."""
        if not name.strip():
            self.leave("a field", "has no name")
            return
        for text in values:
            for value in text.split("\0"):
                held = self.fields.get(name, [])
                if value.strip() and not (once and value in held):
                    self.fields.setdefault(name, []).append(value)

    def add_pair(self, number: str, total: str, text: str) -> None:
        """Take "3/12" apart."""
        first, _, second = text.partition("/")
        self.add(number, [first.strip()])
        self.add(total, [second.strip()], once=True)

    def leave(self, name: str, reason: str) -> None:
        """Note what cannot be taken."""
        note = NotCarried(name, reason)
        if note not in self.unread:
            self.unread.append(note)

    def fill(self, other: Collector) -> None:
        """Take what `other` has and this has not."""
        for name, values in other.fields.items():
            self.fields.setdefault(name, values)
        self.pictures = self.pictures or other.pictures
        self.chapters = self.chapters or other.chapters
        self.unread += [note for note in other.unread if note not in self.unread]

    def tags(self) -> Tags:
        """The finished tags."""
        fields = {name: tuple(values) for name, values in self.fields.items()}
        return Tags(fields, tuple(self.pictures), tuple(self.chapters), tuple(self.unread))


LOUDNESS = "tells the loudness of the source, which the result does not have"
CODING = "tells how the source was encoded"

_LOUDNESS_STARTS = ("replaygain_", "r128_", "mp3gain_", "wm/wmadrc")
_LOUDNESS_FIELDS = {"itunnorm", "comment:itunnorm", "averagelevel", "peakvalue"}
_CODING_FIELDS = {
    "comment:itunpgap",
    "comment:itunsmpb",
    "deviceconformancetemplate",
    "encodedby",
    "encoder",
    "encoder_options",
    "encodersettings",
    "encoding params",
    "encodingtime",
    "filetype",
    "isvbr",
    "itunpgap",
    "itunsmpb",
    "length",
    "size",
    "wm/encodingtime",
    "wmfsdkneeded",
    "wmfsdkversion",
}


def stale_reason(name: str) -> str | None:
    """Why a field no longer fits once the audio was changed and coded anew, or None if it does."""
    lower = name.lower()
    if lower.startswith(_LOUDNESS_STARTS) or lower in _LOUDNESS_FIELDS:
        return LOUDNESS
    return CODING if lower in _CODING_FIELDS else None


def without_stale(tags: Tags) -> tuple[Tags, tuple[NotCarried, ...]]:
    """Take out what is wrong for a restored copy.

    Returns
    -------
    kept : Tags
        Without measured loudness (ReplayGain, R128, iTunNORM) and notes of the encoder.
    left : tuple of NotCarried
        What was taken out, and what could not be read of the source.
    """
    reasons = {name: stale_reason(name) for name in tags.fields}
    left = [NotCarried(name, reason) for name, reason in reasons.items() if reason]
    fields = {name: values for name, values in tags.fields.items() if not reasons[name]}
    return replace(tags, fields=fields, unread=()), (*left, *tags.unread)
