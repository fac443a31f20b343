"""The page of `uncodec web`: how soon a moved knob is heard, and how smooth the list of files is.

Run as ``python bench/web.py [--files 200]``; it needs chromium, chromium-driver and selenium.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from uncodec.io import write_audio

RATE = 44_100
MOVES = 12
REST_MS = 50
"""A knob rests so long before it is listened to."""

FRAMES = """
const done = arguments[0], list = document.getElementById("list"), times = [];
let last = performance.now(), n = 0;
function step(now) {
  times.push(now - last);
  last = now;
  list.scrollTop = (n * 97) % list.scrollHeight;
  window.scrollTo(0, (n * 31) % document.documentElement.scrollHeight);
  n += 1;
  if (n < 300) requestAnimationFrame(step);
  else done(times.slice(1));
}
requestAnimationFrame(step);
"""
UPDATE = """
const ids = [...uncodec.files.files.keys()], start = performance.now();
const files = ids.map((id) => ({ ...uncodec.files.files.get(id) }));
uncodec.files.changed({ files: files, removed: [] });
document.body.offsetHeight;
return performance.now() - start;
"""


def open_browser() -> Any:
    """Debian's Chromium, without a window."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
        "--window-size=1280,900",
    ):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver") or ""))


def wait(driver: Any, expression: str, seconds: float = 300.0) -> None:
    """Wait until something on the page is so."""
    until = time.monotonic() + seconds
    while not driver.execute_script(f"return Boolean({expression})"):
        if time.monotonic() > until:
            raise SystemExit(f"never true: {expression}")
        time.sleep(0.02)


def latencies(driver: Any) -> list[float]:
    """Milliseconds from a moved knob to its sound in the player, while it plays."""
    driver.execute_script("uncodec.files.choose([...uncodec.files.files.keys()][0])")
    wait(driver, "uncodec.state.packed && !uncodec.hear.state.running")
    driver.execute_script("document.getElementById('play').click()")
    found = []
    for move in range(MOVES):
        driver.execute_script(
            "uncodec.hear.state.latency = null; const e = document.getElementById('amount');"
            "e.value = arguments[0]; e.dispatchEvent(new Event('input'))",
            30 + 5 * move,
        )
        wait(driver, "uncodec.hear.state.latency !== null")
        found.append(driver.execute_script("return uncodec.hear.state.latency") + REST_MS)
        wait(driver, "!uncodec.hear.state.running")
    driver.execute_script("document.getElementById('play').click()")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "music")
        folder.mkdir()
        noise = np.random.default_rng(0).normal(0, 0.05, (2, 40 * RATE)).astype(np.float32)
        write_audio(folder / "000 first.flac", noise, RATE)
        for number in range(1, arguments.files):
            write_audio(folder / f"{number:03d} song.flac", noise[:, :RATE], RATE)
        environment = {**os.environ, "XDG_STATE_HOME": str(Path(place, "state"))}
        words = [sys.executable, "-m", "uncodec", "web", "--no-browser", str(folder)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as server:
            try:
                found = re.search(r"http\S+", server.stdout.readline() if server.stdout else "")
                driver = open_browser()
                try:
                    driver.get(found[0] if found else "")
                    wait(driver, f"uncodec.files.files.size === {arguments.files}")
                    # Warm: the first preview of all compiles and loads.
                    wait(driver, "!document.getElementById('engine-state').textContent")
                    heard = latencies(driver)
                    driver.set_script_timeout(120)
                    frames = driver.execute_async_script(FRAMES)
                    update = driver.execute_script(UPDATE)
                finally:
                    driver.quit()
            finally:
                server.terminate()
    load = os.getloadavg()[0]
    print(f"cores {os.cpu_count()}, load {load:.1f}")
    print(
        f"knob to sound: median {statistics.median(heard):.0f} ms, longest {max(heard):.0f} ms "
        f"of {len(heard)}"
    )
    print(
        f"{arguments.files} files, scrolling: frames median {statistics.median(frames):.1f} ms, "
        f"99 % {np.percentile(frames, 99):.1f} ms, longest {max(frames):.1f} ms of {len(frames)}; "
        f"all rows updated in {update:.1f} ms"
    )


if __name__ == "__main__":
    main()
