"""Real lossy codecs, run in memory: encode, decode, and aligned round trips.

Codecs come out of wheels (PyAV's FFmpeg build, libsndfile). HE-AAC is the exception: the program
``fdkaac`` encodes it, where that is installed. A round trip gives back audio of the same rate,
shape and length as its input, aligned to the sample, so that the pair can be compared or trained on
directly.
"""

from __future__ import annotations

from uncodec.codecs.roundtrip import available, decode, encode, encoder_of, round_trip
from uncodec.codecs.specs import CODECS, CodecSpec

__all__ = ["CODECS", "CodecSpec", "available", "decode", "encode", "encoder_of", "round_trip"]
