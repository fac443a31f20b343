"""Odd files give the audio that is in them, in its place, or a refusal in clear words."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from tests.corpus.entries import ENTRIES
from tests.corpus.measuring import read
from tests.corpus.signals import common_lag

from uncodec.errors import AudioFileError
from uncodec.io import open_audio, probe_audio, write_audio

READ = [entry for entry in ENTRIES if entry.refused is None]
REFUSED = [entry for entry in ENTRIES if entry.refused is not None]


def test_every_entry_has_a_name_of_its_own():
    assert [
        name for name, count in Counter(entry.name for entry in ENTRIES).items() if count > 1
    ] == []


@pytest.mark.parametrize("entry", READ, ids=lambda entry: entry.name)
def test_what_is_in_a_file_is_read(entry, built, capfd):
    reading = read(built(entry))
    assert reading.sample_rate == entry.rate
    assert reading.audio.shape[0] == entry.channels
    assert entry.frames[0] <= reading.audio.shape[1] <= entry.frames[1]
    assert np.all(np.isfinite(reading.audio))
    if entry.warns is not None:
        assert bool(reading.problems) == entry.warns, reading.problems
    if entry.audio is not None and entry.lag is not None:
        lag, likeness = common_lag(entry.audio(), reading.audio)
        assert lag == entry.lag
        assert likeness > 0.7
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("entry", REFUSED, ids=lambda entry: entry.name)
def test_what_is_no_audio_is_refused_in_clear_words(entry, built, capfd):
    path = built(entry)
    with pytest.raises(AudioFileError, match=entry.refused) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_probe_says_what_the_reader_opens(entry, built):
    path = built(entry)
    probe = probe_audio(path)
    try:
        with open_audio(path) as reader:
            opened = (reader.format, reader.subtype, reader.sample_rate, reader.channels)
    except AudioFileError:
        opened = None
    assert probe.found == (opened is not None)
    if opened:
        assert (probe.format, probe.subtype, probe.sample_rate, probe.channels) == opened
    else:
        assert probe.reason
        assert "\n" not in probe.reason


@pytest.mark.parametrize(
    "entry", [entry for entry in READ if "cover" in entry.name], ids=lambda entry: entry.name
)
@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_a_cover_that_is_no_picture_does_not_spoil_the_result(entry, ending, built, tmp_path):
    source, target = built(entry), tmp_path / f"out{ending}"
    reading = read(source)
    write_audio(target, reading.audio, reading.sample_rate, tags_from=source)
    again = read(target)
    assert again.audio.shape == reading.audio.shape
    assert again.problems == ()
