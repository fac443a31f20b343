"""What ``uncodec render`` needs, imported: what its processes are copies of."""

from __future__ import annotations

import gc

from uncodec.lazy import uncollected

with uncollected():
    import uncodec.catalogue.run
    import uncodec.catalogue.work
    import uncodec.files.render  # noqa: F401

# All of it stays: nothing needs to look for garbage there, and copies go on sharing its memory.
gc.freeze()
