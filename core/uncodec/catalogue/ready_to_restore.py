"""What ``uncodec restore`` needs, imported: what its processes are copies of."""

from __future__ import annotations

from uncodec.catalogue.forkserver import load_wanted
from uncodec.lazy import uncollected

with uncollected():
    import uncodec.catalogue.run
    import uncodec.catalogue.work
    import uncodec.effects.gan_restorer
    import uncodec.live.stream  # noqa: F401
    from uncodec.networks import load_model

load_wanted(load_model)
