"""A worker that seed 3 ends, as a decoder that crashes would, and that finds fault with seed 6."""

from __future__ import annotations

import faulthandler
import json
import os
import sys

if __name__ == "__main__":
    faulthandler.enable()
    for seed in range(*map(int, sys.argv[2:5])):
        print(json.dumps({"seed": seed}), flush=True)
        if seed == 3:
            os.abort()
        if seed == 6:
            print(json.dumps({"seed": seed, "fault": "is told"}), flush=True)
    print(json.dumps({"done": True}), flush=True)
