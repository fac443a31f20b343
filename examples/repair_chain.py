"""A chain of repairs

Undoes one kind of damage after another, the last one first, without a network: a narrowed image,
flickering bands, pre-echo, a delay between the channels. The gain comes last, and is measured in
a first run.

    python examples/repair_chain.py song.ogg repaired.flac
"""

import sys

from uncodec import (
    ArtefactRepair,
    Board,
    MakeupGain,
    PhaseAligner,
    StereoRepair,
    TransientRepair,
)
from uncodec.io import read_audio, write_audio

source, result = sys.argv[1:]

audio, sample_rate = read_audio(source)
aligner = PhaseAligner(lookahead_s=4)
makeup = MakeupGain(target_lufs=-16)
board = Board([StereoRepair(), ArtefactRepair(), TransientRepair(), aligner, makeup])

board(audio, sample_rate)  # measures the loudness
makeup.gain_db, makeup.target_lufs = makeup.wanted_db, None
write_audio(result, board(audio, sample_rate), sample_rate, tags_from=source, overwrite=True)
print(f"delay {aligner.delay_samples:.2f} samples, gain {makeup.gain_db:+.1f} dB")
