"""Measures the tables of docs/formats.md.

``python -m tests.corpus.table`` prints the page as it should be, ``--write`` writes it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
from mutagen.flac import FLAC
from tests.corpus import tagging
from tests.corpus.matrix import PAIRS, Pair
from tests.corpus.measuring import read

from uncodec.io import write_audio

__all__ = ["PAGE", "formats_table", "page_with", "tags_table"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
_LENGTHS = (0.3, 0.437, 0.6)
_COUNTS = (1, 2, 3, 4, 6, 8)
# One file for each way of keeping tags.
_TAGGED = (
    "MP3 with LAME header MP3",
    "M4A, MP4 AAC",
    "Ogg Vorbis",
    "Ogg Opus",
    "FLAC FLAC",
    "WavPack WavPack",
    "WMA WMA 2",
    "WAV PCM 16 bit",
    "AIFF PCM 24 bit",
    "TTA TTA",
    "ADTS AAC",
    "Matroska AAC",
)


def _length(pair: Pair, folder: Path) -> tuple[str, str]:
    """How long, and by how much late, what is read is."""
    more, lags = [], set()
    path = folder / f"a{pair.ending}"
    for seconds in _LENGTHS:
        frames = int(seconds * pair.rate) + 7
        if not pair.sound:
            frames = frames // 160 * 160
        audio = pair.audio(frames)
        path.write_bytes(pair.write(audio, pair.rate))
        reading = read(path)
        if reading.problems:
            raise ValueError(f"{pair.name}: a sound file has problems: {reading.problems}")
        more.append(reading.audio.shape[1] - frames)
        if pair.sound:
            lags.add(reading.lag(audio))
    if len(lags) > 1:
        raise ValueError(f"{pair.name}: is late by {sorted(lags)} samples, depending on its length")
    lag = str(lags.pop()) if lags else "not measured"
    if not any(more):
        return "exact", lag
    words = [f"up to {max(more)} more"] if max(more) > 0 else []
    words += [f"up to {-min(more)} fewer"] if min(more) < 0 else []
    return " or ".join(words), lag


def _channels(pair: Pair, folder: Path) -> str:
    """The numbers of channels that can be written here and are read again."""
    found = []
    path = folder / f"c{pair.ending}"
    for count in _COUNTS:
        if count > pair.most:
            break
        try:
            path.write_bytes(pair.write(pair.audio(pair.rate // 4, count), pair.rate))
        except (av.FFmpegError, ValueError):
            continue  # the encoder takes another number
        got = read(path).audio.shape[0]
        if got != count:
            raise ValueError(f"{pair.name}: {got} channels are read, {count} were written")
        found.append(str(count))
    return ", ".join(found)


def _unchanged(pair: Pair, folder: Path) -> str:
    """Bits of a sample that come back as they were."""
    if not pair.lossless:
        return "lossy"
    path = folder / f"l{pair.ending}"
    step = 2.0 ** (1 - pair.lossless)
    whole = (np.rint(pair.audio(pair.rate // 4) / step) * step).astype(np.float32)
    path.write_bytes(pair.write(whole, pair.rate))
    if not np.array_equal(read(path).audio, whole):
        raise ValueError(f"{pair.name}: samples of {pair.lossless} bits come back changed")
    return f"{pair.lossless} bits"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def formats_table() -> str:
    """One row for each codec in each container."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pair in PAIRS:
            length, lag = _length(pair, folder)
            rows.append(
                [
                    pair.container, f"`{pair.ending}`", pair.codec, length, lag,
                    _unchanged(pair, folder), _channels(pair, folder),
                ]
            )  # fmt: skip
    head = ("container", "ending", "codec", "length", "samples late", "samples kept", "channels")
    return _table(head, rows)


def _kept(texts: dict[str, list[str]], pictures: list[bytes]) -> tuple[int, int, int]:
    """How many of the texts, artists and pictures are there, unchanged."""
    plain = (texts.get("title") == [tagging.TITLE]) + (texts.get("album") == [tagging.ALBUM])
    artists = [name for name in tagging.ARTISTS if name in texts.get("artist", [])]
    covers = [data for data in (tagging.FRONT, tagging.BACK) if data in pictures]
    return plain, len(artists), len(covers)


def _in_flac(path: Path) -> tuple[int, int, int]:
    file = FLAC(path)
    texts = {key.lower(): list(values) for key, values in (file.tags or {}).items()}
    return _kept(texts, [picture.data for picture in file.pictures])


def _in_wav(path: Path) -> tuple[int, int, int]:
    """From the ID3 chunk if there is one, else from the INFO list."""
    texts: dict[str, list[str]] = {}
    pictures: list[bytes] = []
    tags: Any = mutagen.File(path).tags
    if tags:
        names = {"TIT2": "title", "TALB": "album", "TPE1": "artist"}
        texts = {names[key]: list(tags[key].text) for key in names if key in tags}
        pictures = [frame.data for frame in tags.getall("APIC")]
    else:
        with av.open(str(path)) as container:
            texts = {key.lower(): [value] for key, value in container.metadata.items()}
    return _kept(texts, pictures)


def tags_table() -> str:
    """One row for each way of keeping tags: what of it is in the FLAC and the WAV made from it."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for wanted in _TAGGED:
            pair = next(pair for pair in PAIRS if pair.name == wanted)
            source = folder / f"s{pair.ending}"
            source.write_bytes(pair.write(pair.audio(pair.rate // 4), pair.rate))
            put = tagging.put_tags(source)
            audio = read(source).audio
            row = [pair.container.removesuffix(" with LAME header"), f"`{pair.ending}`"]
            for ending, kept in ((".flac", _in_flac), (".wav", _in_wav)):
                target = folder / f"t{ending}"
                write_audio(target, audio, pair.rate, tags_from=source, overwrite=True)
                row += [
                    f"{there} of {all_of}" if all_of else "none there"
                    for there, all_of in zip(kept(target), put, strict=True)
                ]
            rows.append(row)
    head = ["container", "ending"]
    for target in ("FLAC", "WAV"):
        head += [f"texts in {target}", f"artists in {target}", f"pictures in {target}"]
    return _table(head, rows)


def page_with(page: str, name: str, table: str) -> str:
    """`page` with the table of this name in its place, between two comments."""
    begin, end = f"<!-- {name}: measured by tests/corpus/table.py -->\n", f"<!-- /{name} -->\n"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"page: has no place for the table {name!r}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def measured(page: str) -> str:
    """`page` with both tables as they are measured now."""
    return page_with(page_with(page, "formats", formats_table()), "tags", tags_table())


if __name__ == "__main__":
    new = measured(PAGE.read_text(encoding="utf-8"))
    if "--write" in sys.argv[1:]:
        PAGE.write_text(new, encoding="utf-8")
    else:
        print(new)
