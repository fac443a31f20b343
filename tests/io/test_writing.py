"""What is written is what was given, rounded as told, tagged, and complete or not there at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile

from uncodec.errors import AudioFileError, InvalidType, InvalidValue, OutputExists
from uncodec.io import create_audio, open_audio, read_audio, write_audio
from uncodec.io.staging import remove_abandoned

KINDS = [
    (".wav", "PCM_16"),
    (".wav", "PCM_24"),
    (".wav", "FLOAT"),
    (".flac", "PCM_16"),
    (".flac", "PCM_24"),
]
STEP = {"PCM_16": 2.0**-15, "PCM_24": 2.0**-23, "FLOAT": 0.0}


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("ending", "subtype"), KINDS)
@pytest.mark.parametrize("dither", [True, False])
def test_samples_come_back_to_within_the_step(ending, subtype, dither, noise, tmp_path):
    audio = noise(30011, 2, 44100)
    path = tmp_path / f"out{ending}"
    write_audio(path, audio, 44100, subtype=subtype, dither=dither)
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.frames) == (44100, 2, 30011)
    assert info.subtype == subtype
    got, _ = read_audio(path)
    assert np.max(np.abs(got - audio)) <= STEP[subtype] * (1.51 if dither else 0.51)
    assert left_in(tmp_path) == [f"out{ending}"]


@pytest.mark.parametrize("channels", [1, 3, 6, 8])
@pytest.mark.parametrize("rate", [8000, 192000])
@pytest.mark.parametrize("ending", [".wav", ".flac"])
@pytest.mark.parametrize("frames", [1, 4609])
def test_all_rates_channels_and_lengths(ending, rate, channels, frames, tmp_path):
    values = np.linspace(-0.9, 0.9, channels * frames).reshape(channels, frames)
    path = tmp_path / f"out{ending}"
    write_audio(path, values, rate, dither=False)
    got, got_rate = read_audio(path)
    assert (got.shape, got_rate) == ((channels, frames), rate)
    assert np.max(np.abs(got - values)) < 2.0**-23


@pytest.mark.parametrize(("ending", "subtype"), KINDS)
def test_the_file_does_not_depend_on_the_blocks(ending, subtype, noise, tmp_path):
    audio = noise(40000, 2, 44100)
    files = []
    for number, sizes in enumerate(([40000], [1, 7, 4096, 16384, 19512], [16384, 16384, 7232])):
        path = tmp_path / f"{number}{ending}"
        with create_audio(path, 44100, 2, subtype=subtype, seed=5) as writer:
            start = 0
            for size in sizes:
                writer.write(audio[:, start : start + size])
                start += size
            assert writer.frames == 40000
        files.append(path.read_bytes())
    assert files[0] == files[1] == files[2]


def test_dither_is_triangular_and_follows_the_seed(tmp_path):
    silence = np.zeros((2, 100000), np.float32)
    takes = {}
    for seed in (0, 1):
        path = tmp_path / f"{seed}.wav"
        write_audio(path, silence, 44100, subtype="PCM_16", seed=seed)
        takes[seed] = soundfile.read(path, dtype="int16")[0].T.astype(float)
    first = takes[0]
    # A triangular density of two steps, rounded: -1, 0, 1 with 1/8, 3/4, 1/8.
    assert set(np.unique(first)) == {-1.0, 0.0, 1.0}
    assert np.mean(first) == pytest.approx(0.0, abs=0.01)
    assert np.mean(first**2) == pytest.approx(0.25, abs=0.01)
    assert abs(np.corrcoef(first)[0, 1]) < 0.02
    assert not np.array_equal(takes[0], takes[1])
    spectrum = np.abs(np.fft.rfft(first[0])) ** 2
    low, high = spectrum[1:10000].mean(), spectrum[-10000:].mean()
    assert low / high == pytest.approx(1.0, abs=0.1)


def test_dither_keeps_what_rounding_would_lose(tmp_path):
    # A tone of a third of a step: without dither it rounds to nothing.
    tone = np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000) * 2.0**-15 / 3
    for dither in (False, True):
        path = tmp_path / f"{dither}.wav"
        write_audio(path, tone, 48000, subtype="PCM_16", dither=dither)
        got = read_audio(path)[0][0].astype(np.float64)
        kept = 2 * np.abs(np.mean(got * np.exp(-2j * np.pi * 1000 * np.arange(48000) / 48000)))
        assert kept == pytest.approx(2.0**-15 / 3 if dither else 0.0, rel=0.1, abs=1e-9)


def test_clipping_is_counted_and_does_not_wrap(tmp_path):
    audio = np.array([[0.5, 1.0, 1.01, -1.0, -1.5, 3.0]])
    for ending, subtype in KINDS:
        path = tmp_path / f"out{ending}"
        with create_audio(path, 8000, 1, subtype=subtype, overwrite=True, dither=False) as writer:
            writer.write(audio)
            assert writer.clipped == (0 if subtype == "FLOAT" else 3)
        got = read_audio(path)[0]
        wanted = audio if subtype == "FLOAT" else np.clip(audio, -1, 1)
        assert np.max(np.abs(got - wanted)) <= 2.0**-15


def test_an_exception_leaves_nothing(tmp_path):
    class Own(Exception):
        pass

    def fail(error):
        with create_audio(tmp_path / "out.wav", 8000, 1) as writer:
            writer.write(np.zeros((1, 10000)))
            assert len(left_in(tmp_path)) == 1
            assert left_in(tmp_path) != ["out.wav"]
            raise error

    for error in (Own, KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            fail(error)
        assert left_in(tmp_path) == []


def test_a_writer_that_is_dropped_leaves_nothing(tmp_path):
    writer = create_audio(tmp_path / "out.flac", 8000, 1)
    writer.write(np.zeros((1, 100)))
    del writer
    assert left_in(tmp_path) == []


def test_an_existing_file_is_not_touched(tmp_path):
    path = tmp_path / "out.wav"
    path.write_bytes(b"precious")
    with pytest.raises(OutputExists, match="exists already"):
        create_audio(path, 8000, 1)
    assert path.read_bytes() == b"precious"

    def fail():
        with create_audio(path, 8000, 1, overwrite=True) as writer:
            writer.write(np.zeros((1, 10)))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"precious"
    write_audio(path, np.zeros(10), 8000, overwrite=True)
    assert read_audio(path)[0].shape == (1, 10)
    assert left_in(tmp_path) == ["out.wav"]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "out.wav"
    writer = create_audio(path, 8000, 1)
    writer.write(np.zeros((1, 10)))
    path.write_bytes(b"somebody else's")
    with pytest.raises(OutputExists):
        writer.close()
    assert path.read_bytes() == b"somebody else's"
    assert left_in(tmp_path) == ["out.wav"]


def test_the_source_may_be_the_target(noise, tmp_path):
    path = tmp_path / "song.wav"
    audio = noise(200000, 2, 44100)
    write_audio(path, audio, 44100, subtype="FLOAT")
    with (
        open_audio(path) as reader,
        create_audio(path, 44100, 2, subtype="FLOAT", overwrite=True, tags_from=reader) as writer,
    ):
        for block in reader.blocks(5000):
            writer.write(block * 0.5)
    assert np.array_equal(read_audio(path)[0], audio * np.float32(0.5))


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "a.wav", tmp_path / "link.wav"
    write_audio(real, np.zeros(10), 8000)
    link.symlink_to(real)
    write_audio(link, np.zeros(20), 8000, overwrite=True)
    assert link.is_symlink()
    assert read_audio(real)[0].shape == (1, 20)


def test_the_mode_of_a_replaced_file_is_kept(tmp_path):
    path = tmp_path / "out.wav"
    write_audio(path, np.zeros(10), 8000)
    path.chmod(0o640)
    write_audio(path, np.zeros(20), 8000, overwrite=True)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "no space left on the disk"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("ending", [".wav", ".flac"])
@pytest.mark.parametrize("when", ["write", "flush", "fsync"])
def test_what_the_disk_refuses(code, words, ending, when, noise, tmp_path, monkeypatch, capfd):
    path = tmp_path / f"out{ending}"

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    def fail():
        with create_audio(path, 44100, 2) as writer:
            writer.write(noise(50000, 2, 44100))
            if when == "fsync":
                monkeypatch.setattr(os, "fsync", refuse)
            else:
                real = writer._file._file
                full = SimpleNamespace(
                    closed=False,
                    write=refuse if when == "write" else real.write,
                    seek=real.seek,
                    tell=real.tell,
                    read=real.read,
                    flush=refuse,
                    close=real.close,
                    fileno=real.fileno,
                )
                monkeypatch.setattr(writer._file, "_file", full)
            writer.write(noise(50000, 2, 44100))

    with pytest.raises(AudioFileError, match=words) as caught:
        fail()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_a_really_full_disk(ending, tmp_path):
    """A limit on the size of files stands in for a full disk: the system itself refuses."""
    program = textwrap.dedent(
        """
        import resource, sys
        import numpy as np
        from uncodec.errors import AudioFileError
        from uncodec.io import write_audio
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 200_000))
        try:
            write_audio(sys.argv[1], noise, 44100)
        except AudioFileError as error:
            print(error)
        """
    )
    path = tmp_path / f"out{ending}"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert (
        done.stdout == f"{path}: cannot be written: the file grew beyond the largest size allowed\n"
    )
    assert done.stderr == ""
    assert left_in(tmp_path) == []


def test_places_where_nothing_can_be_made(tmp_path, monkeypatch):
    with pytest.raises(AudioFileError, match="the folder does not exist"):
        create_audio(tmp_path / "no" / "out.wav", 8000, 1)
    (tmp_path / "dir.wav").mkdir()
    with pytest.raises(AudioFileError, match="is a folder"):
        create_audio(tmp_path / "dir.wav", 8000, 1, overwrite=True)
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioFileError, match="not a regular file"):
        create_audio(tmp_path / "pipe.wav", 8000, 1, overwrite=True)
    with pytest.raises(AudioFileError, match="the name is too long"):
        create_audio(tmp_path / ("x" * 300 + ".wav"), 8000, 1)
    for code, words in ((errno.EACCES, "permission denied"), (errno.EROFS, "read-only")):

        def refuse(*_, code=code):
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse)
            with pytest.raises(AudioFileError, match=words):
                create_audio(tmp_path / "out.wav", 8000, 1)
    assert left_in(tmp_path) == ["dir.wav", "pipe.wav"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(AudioFileError, match="permission denied"):
            create_audio(tmp_path / "out.wav", 8000, 1)
    finally:
        tmp_path.chmod(0o755)


def test_the_arguments_are_checked(tmp_path):
    path = tmp_path / "out.wav"
    for call, kind, words in (
        (lambda: create_audio(tmp_path / "out.mp3", 8000, 1), InvalidValue, "must end in"),
        (lambda: create_audio(path, 8000, 1, subtype="PCM_8"), InvalidValue, "subtype='PCM_8'"),
        (
            lambda: create_audio(tmp_path / "o.flac", 8000, 1, subtype="FLOAT"),
            InvalidValue,
            "flac takes PCM_16, PCM_24",
        ),
        (lambda: create_audio(path, 0, 1), InvalidValue, "sample_rate=0"),
        (lambda: create_audio(path, "fast", 1), InvalidType, "sample_rate='fast'"),
        (lambda: create_audio(path, 8000, 0), InvalidValue, "channels=0"),
        (lambda: create_audio(tmp_path / "o.flac", 8000, 9), InvalidValue, "channels=9"),
        (lambda: create_audio(path, 8000, 1, seed=-1), InvalidValue, "seed=-1"),
        (lambda: create_audio(3, 8000, 1), InvalidType, "path=3"),
        (
            lambda: create_audio(path, 8000, 1, tags_from=tmp_path / "missing.mp3"),
            AudioFileError,
            "does not exist",
        ),
    ):
        with pytest.raises(kind, match=words):
            call()
    assert left_in(tmp_path) == []


def test_blocks_are_checked_and_a_bad_one_writes_nothing(tmp_path):
    path = tmp_path / "out.wav"
    with create_audio(path, 8000, 2, subtype="FLOAT") as writer:
        writer.write(np.zeros((2, 5)))
        with pytest.raises(InvalidValue, match=r"shape \(5, 2\): must be \(2, n\)"):
            writer.write(np.zeros((5, 2)))
        with pytest.raises(InvalidType, match="int16"):
            writer.write(np.zeros((2, 5), np.int16))
        bad = np.zeros((2, 5))
        bad[1, 3] = np.nan
        with pytest.raises(InvalidValue, match="channel 1, sample 8"):
            writer.write(bad)
        writer.write(np.zeros((2, 0)))
        assert writer.frames == 5
    assert read_audio(path)[0].shape == (2, 5)
    with pytest.raises(AudioFileError, match="is closed"):
        writer.write(np.zeros((2, 5)))
    writer.close()


def test_a_wav_keeps_room_for_a_64_bit_header(tmp_path):
    """FFmpeg turns the reserved chunk into ds64 when a file passes 4 GiB."""
    if av.library_versions["libavformat"][0] >= 63:
        pytest.skip("FFmpeg 9 moves the sound when a file passes 4 GiB")
    path = tmp_path / "out.wav"
    write_audio(path, np.zeros(10), 8000)
    head = path.read_bytes()[:60]
    assert head[:4] == b"RIFF"
    assert head[12:16] == b"JUNK"


@pytest.mark.nightly
def test_beyond_4_gib_the_file_is_rf64(tmp_path):
    path = tmp_path / "long.wav"
    block = np.zeros((16, 1 << 20), np.float32)
    block[:, 0] = 0.25
    with create_audio(path, 192000, 16, subtype="FLOAT") as writer:
        for _ in range(65):
            writer.write(block)
    assert path.stat().st_size > 1 << 32
    with path.open("rb") as file:
        assert file.read(4) == b"RF64"
    info = soundfile.info(path)
    assert info.frames == 65 << 20
    with soundfile.SoundFile(path) as file:
        for number in (0, 1, 64):
            file.seek(number << 20)
            np.testing.assert_array_equal(file.read(2)[:, 0], [0.25, 0.0])
    path.unlink()


def test_files_of_killed_processes_are_removed_and_others_stay(tmp_path):
    code = (
        "import os, sys; from uncodec.io import create_audio; "
        "kept = create_audio(sys.argv[1], 44100, 1); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "killed.wav")], check=False)
    with create_audio(tmp_path / "alive.wav", 44100, 1) as alive:
        assert len(list(tmp_path.iterdir())) == 2
        assert remove_abandoned(tmp_path) == 1
        assert len(list(tmp_path.iterdir())) == 1
        alive.write(np.zeros((1, 10), np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["alive.wav"]
