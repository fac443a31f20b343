"""How long a host waits for the plugin without a core: from opening its file to an instance.

Each load is the first one of a fresh process; contenders take turns.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Row
from uncodec.bridge.bundle import BUNDLES, find_bundle, find_library
from uncodec.errors import CoreError

__all__ = ["rows"]

RUNS = 15
GOAL_S = 0.1
# Where hosts look for plugins.
FOLDERS = (Path.home() / ".vst3", Path("/usr/local/lib/vst3"), Path("/usr/lib/vst3"))
TIMED = """
import sys, time
{prepare}
start = time.perf_counter()
loaded = {load}
print(time.perf_counter() - start)
"""
PEDALBOARD = TIMED.format(prepare="import pedalboard", load="pedalboard.load_plugin(sys.argv[1])")
DLOPEN = TIMED.format(prepare="import ctypes, os", load="ctypes.CDLL(sys.argv[1], os.RTLD_NOW)")
BARE = TIMED.format(
    prepare="from uncodec._native import PluginHost",
    load="PluginHost(sys.argv[1], sample_rate=48000, channels=2, max_block=512, "
    "settings=lambda state: state)",
)


def _load_s(program: str, plugin: Path, environment: dict[str, str]) -> float:
    command = [sys.executable, "-c", program, str(plugin)]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return float(done.stdout)


def find_peer() -> Path | None:
    """Another VST3 that is installed here."""
    for folder in FOLDERS:
        for bundle in sorted(folder.glob("*.vst3")):
            if bundle.name != BUNDLES["vst3"]:
                return bundle
    return None


def rows() -> list[Row]:
    """Measure loads of ours, in a bare host and in pedalboard, beside two peers.

    They are the system's own loading of the same file, and another VST3 where one is installed.
    """
    try:
        bundle, library = find_bundle(), find_library()
    except CoreError as error:
        return [Row("the plugin", f"not measured: {error}")]
    contenders = {
        "dlopen of the same file": (DLOPEN, library),
        "bare host: scan, instance, set-up, activation": (BARE, library),
        "pedalboard.load_plugin": (PEDALBOARD, bundle),
    }
    peer = find_peer()
    if peer is not None:
        contenders[f"pedalboard.load_plugin of {peer.stem}"] = (PEDALBOARD, peer)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"UNCODEC_CORE_SOCKET": str(Path(folder) / "core.sock")}
        for _ in range(RUNS):
            for name, (program, plugin) in contenders.items():
                times[name].append(_load_s(program, plugin, environment))
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = next(iter(medians.values()))
    found = []
    for name, median in medians.items():
        ours = contenders[name][1] == bundle or contenders[name][0] == BARE
        found.append(
            Row(
                f"{name}: median {median * 1e3:.1f} ms, at most {max(times[name]) * 1e3:.1f} ms",
                f"{median / base:.1f} x dlopen",
                f"< {GOAL_S * 1e3:.0f} ms" if ours else "",
                median < GOAL_S if ours else None,
            )
        )
    if peer is None:
        found.append(Row("pedalboard.load_plugin of another VST3", "none is installed"))
    return found
