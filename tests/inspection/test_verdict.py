"""Which codecs are told, where windows that are alike see each other's frames."""

from __future__ import annotations

import numpy as np
import pytest

from uncodec.inspection.lattice import CORES, FAMILIES, Lattice
from uncodec.inspection.verdict import _distinct, is_shown

NAMED = {family.name: family for family in (*FAMILIES, *CORES)}


def lattice(name, share, offset=100, contrast=1.0):
    count = 20
    spans = tuple((float(n), n + 1.0, 9.0 if n < share * count else 0.0) for n in range(count))
    depth = np.zeros((4, 3), np.float32)
    rate = 22050 if name.startswith("he-") else 44100
    return Lattice(NAMED[name], rate, 0.0, offset, 9.0, 300.0, contrast, depth, spans)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        # Nothing is like MP3's bank: a few excerpts of it are a second coding.
        ([("aac", 1.0, 5), ("mp3", 0.2, 7)], ["aac", "mp3"]),
        # Vorbis' window at a few excerpts of MP3's frames is a shadow of them.
        ([("mp3", 1.0, 5), ("vorbis", 0.25, 7)], ["mp3"]),
        ([("mp3", 1.0, 5), ("aac", 0.6, 7)], ["mp3", "aac"]),
        # The same frames, seen with another window of the same size.
        ([("aac", 1.0, 5), ("vorbis", 1.0, 5), ("aac-sine", 0.9, 5)], ["aac"]),
        # Frames of 1024 at half of the rate are frames of 2048, half a sample aside.
        ([("he-aac", 1.0, 5, 2.0), ("wma", 0.9, 10, 0.5)], ["he-aac"]),
        ([("he-aac", 1.0, 5, 2.0), ("wma", 0.9, 15, 0.5)], ["he-aac", "wma"]),
        # Faintly, long frames show on the grid of those of half their size; clearly, these do.
        ([("he-aac", 1.0, 5, 2.0), ("aac-sine", 0.9, 10 + 512, 0.2)], ["he-aac"]),
        ([("wma", 1.0, 5, 2.0), ("vorbis", 0.9, 5 + 128, 0.2)], ["wma"]),
        ([("wma", 1.0, 5, 2.0), ("vorbis", 0.9, 5 + 60, 0.2)], ["wma", "vorbis"]),
        ([("wma", 1.0, 5, 2.0), ("aac", 0.9, 5, 1.0)], ["wma", "aac"]),
    ],
)
def test_a_second_codec_is_told_where_it_is_no_shadow_of_the_first(found, told):
    shown = [lattice(*each) for each in found]
    assert [each.family.codec for each in _distinct(shown)] == told


def test_one_event_in_a_long_sound_shows_no_frames():
    assert not is_shown(score=50.0, share=0.05, shown=1)
    assert not is_shown(score=9.0, share=1.0, shown=20)
    assert is_shown(score=50.0, share=1.0, shown=1)
    assert is_shown(score=50.0, share=0.2, shown=4)
    # At a rate that is not the sound's own it takes one excerpt more.
    assert is_shown(score=50.0, share=0.2, shown=3)
    assert not is_shown(score=50.0, share=0.2, shown=3, own_rate=False)
    assert is_shown(score=50.0, share=0.2, shown=4, own_rate=False)
