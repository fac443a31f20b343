"""Block by block

Streams a file through the live engine as a program would stream what it records or receives.
Together, the blocks that come out and the rest from `flush` are aligned to the input and as long
as it.

    python examples/block_by_block.py song.mp3 streamed.wav
"""

import sys

from uncodec import GANRestorer
from uncodec.io import create_audio, open_audio

source, result = sys.argv[1:]

restorer = GANRestorer()
with open_audio(source) as reader:
    rate = reader.sample_rate
    with create_audio(result, rate, reader.channels, overwrite=True) as writer:
        for block in reader.blocks(512):
            # Less than went in at first: the engine keeps `latency_samples`.
            writer.write(restorer.process(block, rate, reset=False))
        latency = restorer.latency_samples
        writer.write(restorer.flush())
print(f"{result}: latency {latency} samples, {1000 * latency / rate:.1f} ms")
