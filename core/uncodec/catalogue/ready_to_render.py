"""What ``uncodec render`` needs, imported: what its processes are copies of."""

from __future__ import annotations

from uncodec.catalogue.forkserver import load_wanted
from uncodec.lazy import uncollected

with uncollected():
    import uncodec.catalogue.run
    import uncodec.catalogue.work
    import uncodec.files.render  # noqa: F401
    from uncodec.networks import load_diffusion

load_wanted(load_diffusion)
