"""Peak memory of restoring files of growing length: it must not grow with them.

Run with `make bench-memory`; with ARGS="--render" it is the offline engine's, on files that sound
for 20 s of every 10 minutes: silence is held like sound, but not computed. Every length is restored
in a process of its own, because the peak that the system reports never goes down.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from measure import Row, print_rows

SAMPLE_RATE = 44_100
LIMIT_MB = 1500
# Beyond the first minute every buffer has its size; what still grows grows with the file.
ALLOWED_GROWTH_MB = 50


def write_programme(path: Path, minutes: float, sparse: bool) -> None:
    """A long WAV file, written minute by minute so that this process stays small."""
    import soundfile

    rng = np.random.default_rng(0)
    minute = rng.normal(0, 0.1, (60 * SAMPLE_RATE, 2)).astype(np.float32)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 2, "PCM_16") as file:
        for number in range(int(minutes)):
            if sparse:
                minute[20 * SAMPLE_RATE :] = 0
            file.write(minute if number % 10 == 0 or not sparse else np.zeros_like(minute))


def restore_here(source: str, target: str, render: bool) -> None:
    """Restore one file and print the peak; runs in the child."""
    import torch

    from uncodec import GANRestorer
    from uncodec.files import render_file, restore_file

    if render:
        report = render_file(source, target)
    else:
        torch.set_num_threads(1)  # as the command line does
        report = restore_file(source, target, GANRestorer())
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if sys.platform == "darwin":  # counts bytes there
        peak_mb /= 1024
    print(json.dumps({"peak_mb": peak_mb, "speed": report.times_real_time}))


def measure(minutes: float, folder: Path, render: bool) -> tuple[float, float]:
    """Peak in MB and multiples of real time for a file of that length."""
    source, target = folder / "long.wav", folder / "long.flac"
    write_programme(source, minutes, sparse=render)
    command = [sys.executable, __file__, "--child", str(source), str(target)]
    command += ["--render"] * render
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    source.unlink()
    target.unlink()
    result = json.loads(done.stdout)
    return result["peak_mb"], result["speed"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60])
    parser.add_argument("--render", action="store_true", help="the offline engine")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        source, target = arguments.child
        restore_here(source, target, arguments.render)
        return 0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        peaks = []
        for minutes in arguments.minutes:
            peak, speed = measure(minutes, Path(folder), arguments.render)
            peaks.append(peak)
            rows.append(
                Row(
                    f"{minutes:g} min of stereo at {speed:.1f} x real time",
                    f"{peak:.0f} MB",
                    f"<= {LIMIT_MB} MB",
                    peak <= LIMIT_MB,
                )
            )
    growth = peaks[-1] - peaks[0]
    rows.append(
        Row(
            "growth from the shortest to the longest",
            f"{growth:.0f} MB",
            f"<= {ALLOWED_GROWTH_MB} MB",
            growth <= ALLOWED_GROWTH_MB,
        )
    )
    name = "render_file" if arguments.render else "restore_file"
    print_rows(f"Peak memory of {name}", rows)
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
