"""Restore a file

Reads a file of any length in constant memory, restores it, and keeps its tags. With a third
argument it draws spectrograms of the source and the result.

    python examples/restore_file.py song.mp3 song.restored.flac [picture.png]
"""

import sys

from uncodec import GANRestorer
from uncodec.files import restore_file

source, result, *picture = sys.argv[1:]

report = restore_file(source, result, GANRestorer(amount=1.0, seed=0), overwrite=True)
print(f"{result}: {report.duration_s:.1f} s, {report.times_real_time:.0f} times real time")

if picture:
    from uncodec.analysis.comparison import ComparedClip
    from uncodec.analysis.comparison_picture import draw_comparison
    from uncodec.analysis.sources import Source
    from uncodec.io import read_audio

    coded, sample_rate = read_audio(source)
    restored, _ = read_audio(result)
    clip = Source("song", original=None, coded=coded, sample_rate=sample_rate, codec="mp3")
    draw_comparison(ComparedClip(clip, {"Restored": restored}), picture[0])
