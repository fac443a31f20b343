"""Speed, as ratios to named peers that are measured in the same run.

Run with `make bench`, or `make bench ARGS="overlap-add"` for some sections. Goals are printed
beside what was measured; a missed one does not fail the run, because the machine may be busy.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable

from measure import Row, print_rows


def _transforms() -> list[Row]:
    import transforms

    return transforms.rows()


def _overlap() -> list[Row]:
    import overlap

    return overlap.rows()


def _hop() -> list[Row]:
    import hop

    return hop.rows()


def _copies() -> list[Row]:
    import copies

    return copies.rows()


def _whole_file() -> list[Row]:
    import whole_file

    return whole_file.rows()


def _live_path() -> list[Row]:
    import live_path

    return live_path.rows()


def _plugin() -> list[Row]:
    import plugin

    return plugin.rows()


SECTIONS: dict[str, tuple[str, Callable[[], list[Row]]]] = {
    "transforms": ("STFT and inverse STFT of one hop, 2 channels, one thread", _transforms),
    "overlap-add": ("Overlap-add, one thread", _overlap),
    "hop": ("A hop of the live engine, 2 channels, one thread", _hop),
    "copies": ("Copies of a block between the public face and the engine", _copies),
    "restore": ("Whole files", _whole_file),
    "live-path": ("Live paths in real time, 48 kHz, stereo, budget of ours 10 ms", _live_path),
    "plugin": ("Loading the plugin without a core, in fresh processes", _plugin),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure speed against named peers.")
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="SECTION")
    wanted = parser.parse_args().sections or list(SECTIONS)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", end=""
    )
    print(f", load {load:.1f} before the start")
    for name in wanted:
        title, measure = SECTIONS[name]
        print_rows(title, measure())


if __name__ == "__main__":
    main()
