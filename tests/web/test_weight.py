"""The server computes nothing, and loads nothing that computes."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"torch", "numba", "scipy", "pedalboard", "matplotlib"}


def test_the_server_needs_nothing_heavy_to_write_scripts():
    code = """
import sys
import uncodec.web.server
from uncodec.web.knobs import Knobs

for engine in ("live", "offline"):
    knobs = Knobs(engine=engine, repairs=True)
    for like in (None, "old.flac"):
        assert "restore_file(" in knobs.python("a.mp3", "b.flac", like) or engine == "offline"
        assert knobs.command("a.mp3", "b.flac", like).startswith("uncodec re")
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in done.stdout.split()} & HEAVY == set()
