"""A listening page

Sends a lossless recording through MP3, restores it with two engines, and writes a page that opens
in any browser: players at matched loudness, spectrograms, tables, and a blind test.

    python examples/listening_page.py song.flac report/ [seconds]
"""

import sys

from uncodec.analysis import compare
from uncodec.analysis.sources import read_source

original, folder, *seconds = sys.argv[1:]

source = read_source(original, codec="mp3", kbps=64, seconds=float(seconds[0]) if seconds else 10)
report = compare(
    source, engines=["gan", "exciter"], seeds=1, noise=False, cost=False, perceptual=False
)
for path in report.save(folder, overwrite=True):
    print(path)
