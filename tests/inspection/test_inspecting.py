"""What ``uncodec.inspect`` says of files and arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.inspection.conftest import RATE, music, sixteen_bits

import uncodec
from uncodec.codecs import available, encode, round_trip
from uncodec.errors import AudioFileError, InvalidType, InvalidValue, ModelError
from uncodec.inspection import examine, trees


def test_coded_sound_in_a_lossless_file_is_fake(save, coded):
    found = uncodec.inspect(save("master.flac", coded("mp3", 128)))
    assert (found.verdict, found.sound, found.codec) == ("fake", "lossy", "mp3")
    assert found.codings == ("mp3",)
    assert found.confidence >= 0.99
    assert found.kbps[0] < found.kbps[1]
    assert "MP3" in found.reasons[0]
    assert found.restore


def test_a_recording_is_not_accused(save, clean):
    found = uncodec.inspect(save("song.wav", clean))
    assert found.verdict in ("lossless", "unknown")
    assert found.codings == ()
    assert found.kbps is None
    assert not found.restore


def test_a_lossy_file_says_so_itself(tmp_path, clean):
    path = tmp_path / "song.mp3"
    path.write_bytes(encode(clean, RATE, "mp3", kbps=128))
    found = uncodec.inspect(path)
    assert (found.verdict, found.declared_lossy, found.sound) == ("lossy", True, "lossy")
    assert (found.container, found.coding, found.bits) == ("MP3", "MP3", None)
    assert found.file_kbps == pytest.approx(128, rel=0.1)


@pytest.mark.parametrize("kind", ["coded", "clean"])
def test_the_same_samples_get_the_same_answer_in_any_container(save, clean, kind):
    audio = clean[:1, :30_000]
    if kind == "coded":
        audio = sixteen_bits(round_trip(audio, RATE, "aac", kbps=64))[:, 777:]
    files = [
        save("a.wav", audio),
        save("b.flac", audio),
        save("mp3 of a friend.flac", audio, subtype="PCM_24"),
        save("d.aiff", audio),
        save("e.wav", audio, subtype="FLOAT"),
    ]
    told = [uncodec.inspect(path).as_dict() for path in files]
    for values in told:
        for name in ("path", "container", "coding", "file_kbps", "declared_bits", "padded"):
            del values[name]
    assert all(values == told[0] for values in told)
    assert told[0]["codings"] == (("aac",) if kind == "coded" else ())
    array = uncodec.inspect(audio, RATE)
    assert (array.sound, array.reasons) == (told[0]["sound"], tuple(told[0]["reasons"]))


def test_padding_is_told(save, clean):
    found = uncodec.inspect(save("hires.wav", clean, subtype="PCM_24"))
    assert (found.bits, found.declared_bits, found.padded) == (16, 24, True)


def test_two_channels_of_one_sound_are_told(save, clean):
    clean = clean[:, :RATE]
    assert uncodec.inspect(save("up.wav", np.tile(clean[:1], (2, 1)))).stereo == "same"
    assert uncodec.inspect(save("mono.wav", clean[:1])).stereo == "mono"
    assert uncodec.inspect(save("wide.wav", clean)).stereo == "left/right"


def test_an_encoders_cut_off_is_told(save, coded):
    found = uncodec.inspect(save("a.wav", coded("mp3", 128, codec_rate=RATE, cutoff_hz=14000)))
    assert found.cutoff_hz == pytest.approx(14000, rel=0.05)


def test_a_sound_put_together_shows_frames_where_it_was_coded(save, coded):
    clean_part = music(4.0, seed=5)
    both = np.concatenate([clean_part, coded("aac", 96)], axis=1)
    found = uncodec.inspect(save("edit.wav", both))
    assert found.codings == ("aac",)
    middle = clean_part.shape[1] / RATE
    shown = [s for s in found.spans if s.shows == "aac"]
    assert shown
    assert min(s.start_s for s in shown) > middle - 0.5


def test_a_second_coding_is_told(save, coded):
    twice = sixteen_bits(round_trip(coded("mp3", 96), RATE, "aac", kbps=256))
    assert "aac" in uncodec.inspect(save("twice.wav", twice)).codings


def test_frames_below_a_treble_of_its_own_are_told_as_he_aac(save, extended):
    found = uncodec.inspect(save("song.wav", extended[:, 777:]))
    assert (found.verdict, found.codec, found.codings) == ("fake", "he-aac", ("he-aac",))
    # The sound is at the codec's own rate: only the core runs at half of it.
    assert found.inner_rate is None
    assert "HE-AAC" in found.reasons[0]


def test_aac_brought_to_twice_its_rate_is_told_with_its_rate(save, at_half_rate):
    found = uncodec.inspect(save("song.wav", sixteen_bits(at_half_rate)[:, 777:]))
    assert (found.verdict, found.codings, found.inner_rate) == ("fake", ("aac",), RATE // 2)


@pytest.mark.skipif("he-aac" not in available(), reason="the program fdkaac is not on PATH")
@pytest.mark.parametrize("kbps", [24, 48, 64])
def test_he_aac_is_told(save, clean, kbps):
    coded = sixteen_bits(round_trip(clean, RATE, "he-aac", kbps=kbps))[:, 777:]
    found = uncodec.inspect(save("song.wav", coded))
    assert (found.verdict, found.codings, found.inner_rate) == ("fake", ("he-aac",), None)


def test_wma_is_told(save, coded):
    found = uncodec.inspect(save("song.wav", coded("wma", 64)))
    assert (found.verdict, found.codings) == ("fake", ("wma",))


def test_silence_and_a_sample_are_unknown(save):
    for name, count in (("silence.wav", RATE), ("one.wav", 1)):
        found = uncodec.inspect(save(name, np.zeros((2, count), np.float32)))
        assert (found.verdict, found.lufs, found.true_peak_db) == ("unknown", None, None)
        assert found.reasons


def test_high_rates_and_surround_are_inspected(save):
    x = music(0.5, channels=6, rate=96000)
    found = uncodec.inspect(save("surround.wav", x, rate=96000))
    assert (found.stereo, found.channels, found.sample_rate) == ("surround", 6, 96000)
    assert found.codings == ()


def test_results_are_plain_values(save, coded):
    found = uncodec.inspect(save("a.wav", coded("mp3", 128)))
    values = json.loads(json.dumps(found.as_dict()))
    assert values["verdict"] == "fake"
    assert values["spans"][0]["shows"] == "mp3"
    assert len(found.as_row()) == len(uncodec.inspection.results.COLUMNS)


def test_arrays_of_any_layout(clean):
    clean = clean[:, :20_000]
    first = uncodec.inspect(clean, RATE)
    assert uncodec.inspect(clean.T.astype(np.float64), RATE) == first
    assert uncodec.inspect(clean[0], RATE).stereo == "mono"


@pytest.mark.parametrize(
    ("audio", "rate", "error", "told"),
    [
        (np.zeros(100, np.float32), None, InvalidValue, "sample_rate=None"),
        (np.zeros(100, np.int16), RATE, InvalidType, "int16"),
        (np.zeros((1, 2, 3), np.float32), RATE, InvalidValue, "shape"),
        (np.zeros(0, np.float32), RATE, InvalidValue, "empty"),
        (np.full(100, np.nan, np.float32), RATE, InvalidValue, "finite"),
        (np.zeros(100, np.float32), 100, InvalidValue, "8000"),
    ],
)
def test_wrong_arrays_are_refused(audio, rate, error, told):
    with pytest.raises(error, match=told):
        uncodec.inspect(audio, rate)


def test_files_that_cannot_be_inspected_are_refused(tmp_path, save):
    (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(50))
    for path, told in (
        (tmp_path / "a.flac", "cannot be decoded"),
        (tmp_path / "none.wav", "does not exist"),
        (save("slow.wav", np.zeros((1, 4000), np.float32), rate=4000), "4000 Hz"),
    ):
        with pytest.raises(AudioFileError, match=told):
            uncodec.inspect(path)
    with pytest.raises(InvalidValue, match="is for arrays"):
        uncodec.inspect(tmp_path / "a.flac", 44100)


def test_progress_is_told(save, clean):
    heard = []
    clean = clean[:1, :20_000]
    uncodec.inspect(save("a.wav", clean), progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (clean.shape[1], clean.shape[1])


def test_a_picture_is_drawn(tmp_path, save, coded):
    from uncodec.inspection.picture import draw

    path = save("a $x^2$.wav", coded("mp3", 128))
    draw(examine(path), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(AudioFileError, match="too short"):
        draw(examine(save("one.wav", np.zeros((1, 1), np.float32))), tmp_path / "b.png")


def test_a_damaged_model_is_refused(tmp_path, monkeypatch, clean):
    monkeypatch.setattr(trees, "model_roots", lambda: [tmp_path])
    trees.load_judge.cache_clear()
    try:
        with pytest.raises(ModelError, match="missing"):
            trees.load_judge()
        (tmp_path / "inspect").mkdir()
        for text in ("", "{}", '{"format": 1}'):
            (tmp_path / "inspect/trees.json").write_text(text)
            with pytest.raises(ModelError, match="must be a model"):
                trees.load_judge()
        circle = {"base": 0.0, "trees": [[[0, 0.5, 0, 0]]]}
        with pytest.raises(ValueError, match="leads to"):
            trees._forest(circle, 3)
    finally:
        trees.load_judge.cache_clear()


def test_trees_are_sums_of_their_leaves():
    forest = trees.Forest(1.0, [[(0, 0.5, 1, 2), (-1, 10.0, 0, 0), (-1, 20.0, 0, 0)]] * 2)
    assert forest(np.array([0.5])) == 21.0
    assert forest(np.array([0.6])) == 41.0
