"""Compiling the kernels of the live path.

A kernel is compiled for its one signature when its module is imported, never inside an audio call.
The compiled code is kept in Numba's cache when there is a writable place for it; Numba renews that
cache when the kernel's file or the processor changes, and kernels call nothing outside their file
that could make the cache stale. Without a writable place they are compiled at every import, which
takes about eight seconds.
"""

from __future__ import annotations

from typing import Any

import numba

__all__ = ["compiled"]


def compiled(signature: Any, function: Any, *, fastmath: Any = False) -> Any:
    """Compile `function` for `signature`.

    It gives the interpreter's lock away while it runs. `fastmath` is Numba's.
    """
    how = {"nogil": True, "fastmath": fastmath}
    try:
        return numba.njit(signature, cache=True, **how)(function)
    except RuntimeError:
        # Numba found no folder it may write its cache to.
        return numba.njit(signature, **how)(function)
