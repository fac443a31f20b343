"""Every pair of container and codec that can be written here, for the table of formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.corpus import ogg
from tests.corpus.encoding import Recipe, remux, with_av, with_soundfile
from tests.corpus.signals import Array, programme

__all__ = ["PAIRS", "Pair"]

Writer = Callable[[Array, int], bytes]


@dataclass(frozen=True)
class Pair:
    """A codec in a container.

    Attributes
    ----------
    container, codec : str
        As people call them.
    ending : str
    write : callable
        ``write(audio, rate) -> bytes``.
    rate : int
    most : int
        Channels that the writer takes at most.
    lossless : int
        Bits of a sample that come back unchanged, 0 for lossy codecs.
    sound : bool
        Whether what comes out can be compared with what went in.
    """

    container: str
    codec: str
    ending: str
    write: Writer
    rate: int = 44100
    most: int = 8
    lossless: int = 0
    sound: bool = True

    @property
    def name(self) -> str:
        return f"{self.container} {self.codec}"

    def audio(self, frames: int, channels: int | None = None) -> Array:
        return programme(frames, channels or min(2, self.most), self.rate)


def _av(muxer: str, encoder: str, kbps: float | None = None, **more: object) -> Writer:
    recipe = Recipe(muxer, encoder, kbps, **more)  # type: ignore[arg-type]
    return lambda audio, rate: with_av(audio, rate, recipe)


def _sf(container: str, subtype: str, endian: str = "FILE") -> Writer:
    return lambda audio, rate: with_soundfile(audio, rate, container, subtype, endian)


def _into(muxer: str, first: Writer) -> Writer:
    return lambda audio, rate: remux(first(audio, rate), muxer)


def _speex(audio: Array, rate: int) -> bytes:
    return ogg.speex(audio.shape[1] // 160)


_LAME = {"rate": 44100, "most": 2}
_OPUS = _av("ogg", "libopus")
_VORBIS = _sf("OGG", "VORBIS")
_VBR = {"flags": "+qscale", "global_quality": "236"}

PAIRS: tuple[Pair, ...] = (
    Pair("MP3 with LAME header", "MP3", ".mp3", _av("mp3", "libmp3lame", 128), most=2),
    Pair(
        "MP3 without header",
        "MP3",
        ".mp3",
        _av("mp3", "libmp3lame", 128, muxer_options={"write_xing": "0"}),
        most=2,
    ),
    Pair("WAV", "MP3", ".wav", _av("wav", "libmp3lame", 128), most=2),
    Pair("M4A, MP4", "MP3", ".mp4", _av("mp4", "libmp3lame", 128), most=2),
    Pair("Matroska", "MP3", ".mka", _av("matroska", "libmp3lame", 128), most=2),
    Pair("AVI", "MP3", ".avi", _av("avi", "libmp3lame", 128), most=2),
    Pair("FLV", "MP3", ".flv", _av("flv", "libmp3lame", 128), most=2),
    Pair("MPEG-TS", "MP3", ".ts", _av("mpegts", "libmp3lame", 128), most=2),
    Pair("MP2", "MP2", ".mp2", _av("mp2", "mp2", 192), most=2),
    Pair("MPEG-PS", "MP2", ".mpg", _av("mpeg", "mp2", 192), most=2),
    Pair("MPEG-TS", "MP2", ".ts", _av("mpegts", "mp2", 192), most=2),
    Pair("WAV", "MP2", ".wav", _av("wav", "mp2", 192), most=2),
    Pair("ADTS", "AAC", ".aac", _av("adts", "aac", 128)),
    Pair("LATM", "AAC", ".latm", _av("latm", "aac", 128)),
    Pair("M4A, MP4", "AAC", ".m4a", _av("ipod", "aac", 128)),
    Pair("M4A, MP4", "AAC", ".m4b", _av("ipod", "aac", 128)),
    Pair("MOV", "AAC", ".mov", _av("mov", "aac", 128)),
    Pair("3GP", "AAC", ".3gp", _av("3gp", "aac", 128)),
    Pair("Matroska", "AAC", ".mka", _av("matroska", "aac", 128)),
    Pair("FLV", "AAC", ".flv", _av("flv", "aac", 128)),
    Pair("MPEG-TS", "AAC", ".ts", _av("mpegts", "aac", 128)),
    Pair("AVI", "AAC", ".avi", _av("avi", "aac", 128)),
    Pair("Ogg", "Vorbis", ".ogg", _VORBIS),
    Pair("Matroska", "Vorbis", ".mka", _into("matroska", _VORBIS)),
    Pair("WebM", "Vorbis", ".webm", _into("webm", _VORBIS)),
    Pair("Ogg", "Opus", ".opus", _OPUS, rate=48000),
    Pair("Matroska", "Opus", ".mka", _av("matroska", "libopus"), rate=48000),
    Pair("WebM", "Opus", ".webm", _av("webm", "libopus"), rate=48000),
    Pair("M4A, MP4", "Opus", ".mp4", _av("mp4", "libopus"), rate=48000),
    Pair("MPEG-TS", "Opus", ".ts", _av("mpegts", "libopus"), rate=48000, most=2),
    Pair("Ogg", "Speex", ".spx", _speex, rate=8000, most=1, sound=False),
    Pair("WMA", "WMA 1", ".wma", _av("asf", "wmav1", 128), most=2),
    Pair("WMA", "WMA 2", ".wma", _av("asf", "wmav2", 128), most=2),
    Pair("AC-3", "AC-3", ".ac3", _av("ac3", "ac3", 448), rate=48000, most=6),
    Pair("M4A, MP4", "AC-3", ".mp4", _av("mp4", "ac3", 448), rate=48000, most=6),
    Pair("Matroska", "AC-3", ".mka", _av("matroska", "ac3", 448), rate=48000, most=6),
    Pair("MPEG-TS", "AC-3", ".ts", _av("mpegts", "ac3", 448), rate=48000, most=6),
    Pair("AVI", "AC-3", ".avi", _av("avi", "ac3", 448), rate=48000, most=6),
    Pair("E-AC-3", "E-AC-3", ".eac3", _av("eac3", "eac3", 448), rate=48000, most=6),
    Pair("M4A, MP4", "E-AC-3", ".mp4", _av("mp4", "eac3", 448), rate=48000, most=6),
    Pair("Matroska", "E-AC-3", ".mka", _av("matroska", "eac3", 448), rate=48000, most=6),
    Pair("AMR", "AMR-NB", ".amr", _av("amr", "libopencore_amrnb", 12.2), rate=8000, most=1),
    Pair("3GP", "AMR-NB", ".3gp", _av("3gp", "libopencore_amrnb", 12.2), rate=8000, most=1),
    Pair("FLAC", "FLAC", ".flac", _sf("FLAC", "PCM_24"), lossless=24),
    Pair("Ogg", "FLAC", ".oga", _av("ogg", "flac"), lossless=16),
    Pair("M4A, MP4", "FLAC", ".mp4", _av("mp4", "flac"), lossless=16),
    Pair("Matroska", "FLAC", ".mka", _av("matroska", "flac"), lossless=16),
    Pair("M4A, MP4", "ALAC", ".m4a", _av("ipod", "alac", sample_format="s16p"), lossless=16),
    Pair("CAF", "ALAC", ".caf", _av("caf", "alac", sample_format="s16p"), lossless=16),
    Pair("Matroska", "ALAC", ".mka", _av("matroska", "alac", sample_format="s16p"), lossless=16),
    Pair("WavPack", "WavPack", ".wv", _av("wv", "wavpack", sample_format="s16p"), lossless=16),
    Pair(
        "Matroska",
        "WavPack",
        ".mka",
        _av("matroska", "wavpack", sample_format="s16p"),
        lossless=16,
    ),
    Pair("TTA", "TTA", ".tta", _av("tta", "tta", sample_format="s16"), lossless=16),
    Pair("WAV", "PCM 8 bit", ".wav", _sf("WAV", "PCM_U8"), lossless=8),
    Pair("WAV", "PCM 16 bit", ".wav", _sf("WAV", "PCM_16"), lossless=16),
    Pair("WAV", "PCM 24 bit", ".wav", _sf("WAV", "PCM_24"), lossless=24),
    Pair("WAV", "PCM 32 bit", ".wav", _sf("WAV", "PCM_32"), lossless=24),
    Pair("WAV", "PCM float", ".wav", _sf("WAV", "FLOAT"), lossless=24),
    Pair("WAV", "PCM double", ".wav", _sf("WAV", "DOUBLE"), lossless=24),
    Pair("WAV", "A-law", ".wav", _sf("WAV", "ALAW")),
    Pair("WAV", "µ-law", ".wav", _sf("WAV", "ULAW")),
    Pair("WAV", "IMA ADPCM", ".wav", _sf("WAV", "IMA_ADPCM"), most=2),
    Pair("WAV", "MS ADPCM", ".wav", _sf("WAV", "MS_ADPCM"), most=2),
    Pair("WAV", "GSM 6.10", ".wav", _sf("WAV", "GSM610"), rate=8000, most=1, sound=False),
    Pair("RF64", "PCM 24 bit", ".rf64", _sf("RF64", "PCM_24"), lossless=24),
    Pair("W64", "PCM 24 bit", ".w64", _sf("W64", "PCM_24"), lossless=24),
    Pair("AIFF", "PCM 24 bit", ".aiff", _sf("AIFF", "PCM_24"), lossless=24),
    Pair("AIFF-C", "PCM 16 bit", ".aifc", _sf("AIFF", "PCM_16", "LITTLE"), lossless=16),
    Pair("AU", "PCM 16 bit", ".au", _sf("AU", "PCM_16"), lossless=16),
    Pair("CAF", "PCM 24 bit", ".caf", _sf("CAF", "PCM_24"), lossless=24),
    Pair("Matroska", "PCM 24 bit", ".mka", _av("matroska", "pcm_s24le"), lossless=24),
    Pair("Matroska", "PCM float", ".mka", _av("matroska", "pcm_f32le"), lossless=24),
    Pair("MOV", "PCM 16 bit", ".mov", _av("mov", "pcm_s16le"), lossless=16),
    Pair("AVI", "PCM 16 bit", ".avi", _av("avi", "pcm_s16le"), lossless=16),
    Pair("VOC", "PCM 16 bit", ".voc", _av("voc", "pcm_s16le"), lossless=16, most=2),
)
