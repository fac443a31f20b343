"""What an inspection found, as a typed result and as plain values for JSON and CSV."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["COLUMNS", "Inspection", "Sound", "Span", "Stereo", "Verdict"]

Verdict = Literal["lossless", "lossy", "fake", "unknown"]
"""Of a file. Fake: sound that was coded lossily, in a container that keeps all it gets."""

Sound = Literal["lossless", "lossy", "unknown"]
"""What the samples show, whatever they came in."""

Stereo = Literal["mono", "same", "left/right", "mid/side", "intensity", "surround"]
"""How the channels hang together; "same": two channels of one and the same sound."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the sound.

    Attributes
    ----------
    start_s, end_s : float
        In seconds.
    shows : str
        The codec whose frames show there; "" where none does.
    score : float
        How far they stand out, in standard deviations.
    """

    start_s: float
    end_s: float
    shows: str
    score: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """What `uncodec.inspect` found.

    Attributes
    ----------
    path : Path or None
        None for an array.
    container, coding : str
        What the file says it is: "FLAC" and "PCM_16", "MP3" and "MP3"; empty for an array.
    declared_lossy : bool
        The coding it says is a lossy one.
    file_kbps : float or None
        Size of the file by its length, in kb/s.
    sample_rate, channels, frames : int
        Rate in Hz, samples per channel.
    seconds : float
    verdict : {"lossless", "lossy", "fake", "unknown"}
    sound : {"lossless", "lossy", "unknown"}
        The evidence of the samples alone: the same samples get the same answer in any container.
    confidence : float
        How likely it is that `sound` is right, 0 to 1; of "unknown", that of the likelier side.
    lossy_probability : float
        Calibrated on recordings that were not trained on.
    reasons : tuple of str
        Whole sentences, the weightiest first.
    codec : str
        Probable family: "mp3", "aac", "he-aac", "vorbis", "opus", "wma", "ac3"; empty where none
        shows.
    kbps : (int, int) or None
        Lowest and highest likely rate of all channels together.
    cutoff_hz : float or None
        Where the treble ends in a wall; None where it does not.
    stereo : str
    inner_rate : int or None
        Rate in Hz at which the sound once was, where that is another.
    codings : tuple of str
        Families whose frames show, the clearest first; two or more: it was coded again.
    clipped_runs : int
        How often three samples or more stand at the highest peak.
    bits, declared_bits : int or None
        Bits that the samples use, and that the file has; None for floats.
    lufs, range_lu, true_peak_db : float or None
        Loudness and loudness range (BS.1770-4, EBU Tech 3342), true peak in dBTP; None for silence.
    spans : tuple of Span
        The time map.
    restore : bool
        ``uncodec restore`` has something to give back.
    problems : tuple of str
        Audio that is missing from the file.
    """

    path: Path | None
    container: str
    coding: str
    declared_lossy: bool
    file_kbps: float | None
    sample_rate: int
    channels: int
    frames: int
    seconds: float
    verdict: Verdict
    sound: Sound
    confidence: float
    lossy_probability: float
    reasons: tuple[str, ...]
    codec: str
    kbps: tuple[int, int] | None
    cutoff_hz: float | None
    stereo: Stereo
    inner_rate: int | None
    codings: tuple[str, ...]
    clipped_runs: int
    bits: int | None
    declared_bits: int | None
    lufs: float | None
    range_lu: float | None
    true_peak_db: float | None
    spans: tuple[Span, ...]
    restore: bool
    problems: tuple[str, ...]

    @property
    def padded(self) -> bool:
        """The file has more bits than the samples use."""
        return bool(self.bits and self.declared_bits and self.bits < self.declared_bits)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as ``--json`` writes them."""
        values = asdict(self)
        values["path"] = None if self.path is None else str(self.path)
        values["padded"] = self.padded
        for name, digits in _DIGITS.items():
            if values[name] is not None:
                values[name] = round(values[name], digits)
        for span in values["spans"]:
            span.update({name: round(span[name], 2) for name in ("start_s", "end_s", "score")})
        return values

    def as_row(self) -> list[str]:
        """The same for a table, in the order of `COLUMNS`."""
        values = self.as_dict()
        low, high = self.kbps or ("", "")
        values.update(
            kbps_low=low,
            kbps_high=high,
            codings=" ".join(self.codings),
            reasons=" | ".join(self.reasons),
            problems=" | ".join(self.problems),
        )
        return ["" if values[name] is None else str(values[name]) for name in COLUMNS]


_DIGITS = {
    "file_kbps": 1, "seconds": 3, "confidence": 4, "lossy_probability": 4, "cutoff_hz": 0,
    "lufs": 2, "range_lu": 2, "true_peak_db": 2,
}  # fmt: skip

COLUMNS = (
    "path", "verdict", "confidence", "sound", "codec", "kbps_low", "kbps_high", "cutoff_hz",
    "stereo", "inner_rate", "codings", "container", "coding", "declared_lossy", "file_kbps",
    "sample_rate", "channels", "seconds", "bits", "declared_bits", "padded", "clipped_runs",
    "lufs", "range_lu", "true_peak_db", "restore", "reasons", "problems",
)  # fmt: skip
"""Columns of ``--csv``."""
