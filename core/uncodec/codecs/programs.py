"""The encoder that comes as a program of its own: ``fdkaac``, for HE-AAC.

No wheel has an encoder for HE-AAC. The program is found on PATH, is fed a WAV and gives out ADTS,
both through pipes: nothing is written to disk.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from functools import cache

import soundfile

from uncodec.codecs.rules import Plan
from uncodec.errors import CodecError
from uncodec.signals import Array

__all__ = ["FDKAAC", "encode_fdkaac", "fdkaac_version", "find_fdkaac"]

FDKAAC = "fdkaac"
"""Name of the program."""

# MPEG-4's object type of HE-AAC, and the program's number for ADTS. ADTS says nothing of the delay
# and so leaves it whole: what M4A says of it depends on the version of the program.
_HE_AAC = "5"
_ADTS = "2"
# On a busy machine it codes more than ten seconds in one: who takes longer than this hangs.
_PATIENCE_S = 60.0


def find_fdkaac() -> str | None:
    """Path of the program, None where PATH leads to none."""
    return shutil.which(FDKAAC)


def fdkaac_version() -> str:
    """Name and version of the program, ``"fdkaac 1.0.5"``, or the name where it does not tell."""
    program = find_fdkaac()
    return FDKAAC if program is None else _version_of(program)


@cache
def _version_of(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "--help"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return FDKAAC
    found = re.match(rb"fdkaac v?[\w.+~-]+", done.stdout)
    return FDKAAC if found is None else found.group().decode()


def encode_fdkaac(audio: Array, plan: Plan) -> bytes:
    """Encode to ADTS, from 16 bits, which is what the encoder computes with.

    Raises
    ------
    CodecError
        The program is missing, cannot be started, fails, hangs, or writes something else.
    """
    name = plan.spec.name
    program = find_fdkaac()
    if program is None:
        raise CodecError(f"{name}: the program {FDKAAC} must be on PATH, got none")
    wav = io.BytesIO()
    soundfile.write(wav, audio.T, plan.rate, format="WAV", subtype="PCM_16")
    command = [program, "-S", "-p", _HE_AAC, "-b", str(plan.bit_rate), "-f", _ADTS, "-o", "-", "-"]
    patience = _PATIENCE_S + audio.shape[1] / plan.rate
    try:
        done = subprocess.run(
            command, input=wav.getvalue(), capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CodecError(
            f"{name}: {program} must be done within {patience:.0f} s, got no end"
        ) from error
    except OSError as error:
        raise CodecError(f"{name}: {program} cannot be started: {error.strerror}") from error
    if done.returncode != 0:
        raise CodecError(
            f"{name}: {program} must end with the exit code 0, got {done.returncode}"
            f"{_last_words(done.stderr)}"
        )
    # The first twelve bits of every ADTS frame are set, the layer's two are not.
    if len(done.stdout) < 2 or done.stdout[0] != 0xFF or done.stdout[1] & 0xF6 != 0xF0:
        raise CodecError(
            f"{name}: {program} must write ADTS, got {len(done.stdout)} bytes that are none"
            f"{_last_words(done.stderr)}"
        )
    return done.stdout


def _last_words(told: bytes) -> str:
    """What a program said last, to be put behind a message."""
    lines = told.decode(errors="replace").split("\n")
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    # Nothing that moves the cursor, and not a page of it.
    line = "".join(c for c in line if c.isprintable())[:200]
    return f" ({line})" if line else ""
