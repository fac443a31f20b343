"""Inspect a folder

Says of each file whether it was coded lossily, also where a FLAC hides an MP3, and which are
worth restoring. With a second argument it draws the evidence of the last file.

    python examples/inspect_folder.py Music/ [picture.png]
"""

import sys
from pathlib import Path

from uncodec import UncodecError
from uncodec.inspection import examine

folder = Path(sys.argv[1])

last = None
for path in sorted(path for path in folder.rglob("*") if path.is_file()):
    try:
        last = examine(path)
    except UncodecError as error:
        print(f"{path.name}: {error}")
        continue
    found = last.inspection
    advice = "restore it" if found.restore else "leave it"
    print(f"{path.name}: {found.verdict}, {found.confidence:.0%} sure, {advice}")
    for reason in found.reasons[:2]:
        print(f"    {reason}")

if last is not None and len(sys.argv) > 2:
    from uncodec.inspection.picture import draw

    draw(last, Path(sys.argv[2]))
