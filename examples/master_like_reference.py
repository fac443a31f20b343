"""A master, towards a reference

Renders a file with the offline engine. What it adds is drawn towards the tonal balance of a
lossless recording that you like, by 12 dB at most; what was there stays. True peaks stay below -1
dB.

    python examples/master_like_reference.py song.mp3 reference.flac master.flac
"""

import sys

import torch

from uncodec.balance import Like
from uncodec.effects.reference import as_balance
from uncodec.files import RenderSettings, render_file

source, reference, result = sys.argv[1:]

torch.set_num_threads(1)
settings = RenderSettings(steps=4, ceiling_db=-1.0, like=Like(as_balance(reference), 0.7))
report = render_file(source, result, settings, overwrite=True)
print(f"{result}: peak {report.peak:.2f}, {report.clipped} samples clipped")
