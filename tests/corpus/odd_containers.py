"""Ogg, FLAC, WAV and MP4 files with odd headers, and moving pictures with sound."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import partial

import numpy as np
from tests.corpus import mpeg, ogg, riff, tagging
from tests.corpus.bases import FRAMES, RATE, Entry, base, song, whole
from tests.corpus.encoding import Recipe, with_av, with_soundfile, with_video
from tests.corpus.signals import Array

__all__ = ["CONTAINER_FILES"]

# Of what libopus puts before the audio, at 48 kHz.
OPUS_DELAY = 312


def _twice(rate: int) -> Array:
    return np.concatenate([song(2, rate)] * 2, axis=1)


def _vorbis(channels: int, rate: int) -> bytes:
    return with_soundfile(song(channels, rate), rate, "OGG", "VORBIS")


def _ogg_files() -> list[Entry]:
    both = (2 * FRAMES, 2 * FRAMES)
    skipped = FRAMES - 3000 + OPUS_DELAY
    changes = "changes from 44100 Hz"
    return [
        whole("ogg", "ogg", "vorbis"),
        whole("opus", "opus"),
        whole("oga", "oga"),
        replace(
            whole("ogg", "ogg", "vorbis-chained"),
            data=lambda: ogg.chained(base("ogg"), base("ogg")),
            audio=partial(_twice, RATE),
            frames=both,
        ),
        replace(
            whole("opus", "opus", "opus-chained"),
            data=lambda: ogg.chained(base("opus"), base("opus")),
            audio=partial(_twice, 48000),
            frames=both,
        ),
        replace(
            whole("opus", "opus", "opus-pre-skip"),
            data=lambda: ogg.with_pre_skip(base("opus"), 3000),
            audio=lambda: song(2, 48000)[:, 3000 - OPUS_DELAY :],
            frames=(skipped, skipped),
        ),
        Entry(
            "vorbis-no-end.ogg",
            lambda: ogg.without_last_page(base("ogg", 5 * RATE)),
            partial(song, frames=5 * RATE),
            frames=(RATE, 5 * RATE),
            warns=True,
        ),
        Entry(
            "speex.spx", partial(base, "speex"), frames=(FRAMES // 160 * 160,) * 2, rate=8000,
            channels=1,
        ),
        Entry(
            "vorbis-headless.ogg",
            lambda: ogg.join(ogg.pages_of(base("ogg"))[1:]),
            refused="not an audio file|no audio",
        ),
        Entry(
            "changes.ogg", lambda: ogg.chained(base("ogg"), _vorbis(2, 48000)), refused=changes
        ),
        Entry(
            "changes-channels.ogg", lambda: ogg.chained(base("ogg"), _vorbis(1, RATE)),
            refused=changes,
        ),
    ]  # fmt: skip


def _flac_with_sum(digest: bytes) -> bytes:
    # The 16 bytes stand at the end of STREAMINFO (RFC 9639, section 8.2).
    return base("flac")[:26] + digest + base("flac")[42:]


def _flac_without_length() -> bytes:
    data = bytearray(base("flac"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def _flac_files() -> list[Entry]:
    return [
        whole("flac", "flac"),
        *(
            replace(whole("flac", "flac", f"flac-{name}"), data=data)
            for name, data in {
                "no-sum": partial(_flac_with_sum, bytes(16)),
                "no-length": _flac_without_length,
                "id3-first": lambda: tagging.id3_bytes() + base("flac"),
                "id3v1-last": lambda: base("flac") + mpeg.id3v1(),
            }.items()
        ),
        replace(
            whole("flac", "flac", "flac-wrong-sum"),
            data=partial(_flac_with_sum, b"\x5a" * 16),
            warns=True,
        ),
    ]


def _wav_files() -> list[Entry]:
    form = riff.plain_format(2, RATE)
    body = riff.pcm16(song())
    data = riff.chunk(b"data", body)
    wide = (np.frombuffer(body, "<i2").astype("<i4") << 16).tobytes()
    title = riff.chunk(b"LIST", b"INFO" + riff.chunk(b"INAM", b"Title\0"))
    files = {
        "hand": riff.wav(form, data),
        "streamed": riff.wav(form, riff.chunk(b"data", body, 0xFFFFFFFF), size=0xFFFFFFFF),
        "size-0": riff.wav(form, data, size=0),
        "odd-chunk-first": riff.wav(riff.chunk(b"junk", b"abc"), form, data),
        "list-last": riff.wav(form, data, title),
        "list-first": riff.wav(title, form, data),
        "rifx": _big_endian(body),
        "extensible": riff.wav(riff.extensible(2, RATE, 32, 24), riff.chunk(b"data", wide)),
    }
    kinds = ("wav", "wav24", "float", "rf64", "w64", "aiff", "au", "caf", "caf-alac")
    return [
        *(whole(kind, kind.split("-")[0].rstrip("24") or "wav", f"plain-{kind}") for kind in kinds),
        *(
            replace(whole("wav", "wav", f"wav-{name}"), data=partial(bytes, content))
            for name, content in files.items()
        ),
        replace(
            whole("wav", "wav", "wav-too-long"),
            data=lambda: riff.wav(form, riff.chunk(b"data", body, len(body) + 4000)),
            warns=True,
        ),
        *(
            replace(whole("float", ending, f"loud-{ending}"), data=data, audio=_loud)
            for ending, data in {
                "wav": lambda: with_soundfile(_loud(), RATE, "WAV", "FLOAT"),
                "mka": lambda: with_av(_loud(), RATE, Recipe("matroska", "pcm_f32le")),
            }.items()
        ),
    ]


def _loud() -> Array:
    """Up to 6 dB above full scale."""
    return np.float32(4.0) * song()


def _big_endian(body: bytes) -> bytes:
    swapped = np.frombuffer(body, "<i2").astype(">i2").tobytes()
    form = struct.pack(">HHIIHH", 1, 2, RATE, RATE * 4, 4, 16)
    parts = b"WAVEfmt " + struct.pack(">I", 16) + form
    parts += b"data" + struct.pack(">I", len(swapped)) + swapped
    return b"RIFX" + struct.pack(">I", len(parts)) + parts


def _mp4_files() -> list[Entry]:
    loose = (FRAMES, FRAMES + 1024)
    entries = [
        whole("m4a", "m4a", "aac"),
        whole("m4a", "m4b", "aac"),
        whole("mov", "mov", "aac"),
        whole("faststart", "m4a"),
        whole("alac", "m4a"),
        replace(whole("fragmented-edits", "mp4"), frames=loose),
        # Its index is written before anybody knows how late the encoder is.
        replace(whole("fragmented", "mp4"), frames=(FRAMES, FRAMES + 2048), lag=None),
        replace(whole("adts", "aac"), frames=(FRAMES, FRAMES + 2048)),
        Entry(
            "changes.aac",
            lambda: base("adts") + with_av(song(2, 48000), 48000, Recipe("adts", "aac", 128)),
            refused="changes from 44100 Hz, 2 channels to 48000 Hz, 2 channels",
        ),
    ]
    for muxer, ending in (("mp4", "mp4"), ("mov", "mov"), ("matroska", "mkv")):
        for name, late in (("", 0), ("-sound-late", RATE // 2)):
            recipe = Recipe(muxer, "aac", 128)
            # The edits of an MP4 count thousandths of a second: its sound is early by 0.8 ms.
            lag = -34 if late and muxer != "matroska" else 0
            entries.append(
                Entry(
                    f"video{name}.{ending}",
                    partial(with_video, song(), RATE, recipe, late / RATE),
                    partial(_late, late),
                    frames=(FRAMES + late + lag, FRAMES + late + 1024),
                    lag=lag,
                )
            )
    return entries


def _late(frames: int) -> Array:
    return np.pad(song(), ((0, 0), (frames, 0)))


def _encrypted_mp4(encoder: str) -> bytes:
    key = "00112233445566778899aabbccddeeff"
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": key,
        "encryption_kid": key,
    }
    return with_av(song(), RATE, Recipe("mp4", encoder, muxer_options=options))


def _encrypted_asf() -> bytes:
    """WMA with an object in its header that says how its audio is encrypted."""
    data = base("wma")
    size = int.from_bytes(data[16:24], "little")
    objects = int.from_bytes(data[24:28], "little")
    entry = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + struct.pack("<Q", 40) + bytes(16)
    head = data[:16] + struct.pack("<QI", size + 40, objects + 1) + data[28:size]
    return head + entry + data[size:]


def _protected_files() -> list[Entry]:
    words = "is protected against copying"
    return [
        Entry("protected-aac.m4a", partial(_encrypted_mp4, "aac"), refused=words),
        Entry("protected-alac.m4a", partial(_encrypted_mp4, "alac"), refused=words),
        # As the iTunes Store named it.
        Entry(
            "protected-drms.m4p",
            lambda: base("m4a").replace(b"mp4a\0\0", b"drms\0\0", 1),
            refused=words,
        ),
        Entry("protected.wma", _encrypted_asf, refused=words),
    ]


CONTAINER_FILES: tuple[Entry, ...] = (
    *_ogg_files(),
    *_flac_files(),
    *_wav_files(),
    *_mp4_files(),
    *_protected_files(),
)
