"""What ``uncodec render`` needs, imported: what its processes are copies of."""

from __future__ import annotations

from uncodec.lazy import uncollected

with uncollected():
    import uncodec.catalogue.run
    import uncodec.catalogue.work
    import uncodec.files.render  # noqa: F401
