"""A chain with pedalboard's plugins

`Board` behaves like `pedalboard.Pedalboard` and takes plugins of both kinds, in any order. The
restorer comes before whatever changes level and tone, because it goes by what the codec left.

    python examples/chain_with_pedalboard.py song.mp3 louder.flac
"""

import sys

import pedalboard

from uncodec import Board, GANRestorer
from uncodec.io import read_audio, write_audio

source, result = sys.argv[1:]

audio, sample_rate = read_audio(source)
board = Board(
    [
        GANRestorer(amount=0.8),
        pedalboard.HighpassFilter(cutoff_frequency_hz=30),
        pedalboard.Compressor(threshold_db=-18, ratio=2),
        pedalboard.Limiter(threshold_db=-1),
    ]
)
louder = board(audio, sample_rate)
write_audio(result, louder, sample_rate, tags_from=source, overwrite=True)
print(f"{len(board)} effects, latency {board.latency_samples} samples, compensated")
