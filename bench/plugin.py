"""How long a host waits for the plugin: pedalboard in a fresh process, without a core.

Run with ``python bench/plugin.py`` after ``make plugin``.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[1] / "target" / "Uncodec.vst3"
RUNS = 15
LOAD = """
import sys, time
import pedalboard
start = time.perf_counter()
pedalboard.load_plugin(sys.argv[1])
print(time.perf_counter() - start)
"""


def main() -> None:
    """Print the median and the longest of some loads."""
    if not BUNDLE.is_dir():
        sys.exit(f"{BUNDLE} is missing: build it with `make plugin`")
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"UNCODEC_CORE_SOCKET": str(Path(folder) / "core.sock")}
        command = [sys.executable, "-c", LOAD, str(BUNDLE)]
        seconds = [
            float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
            for _ in range(RUNS)
        ]
    print(
        f"load_plugin without a core, {RUNS} fresh processes: "
        f"median {statistics.median(seconds) * 1e3:.0f} ms, longest {max(seconds) * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
