"""Compiling the kernels of the live path.

A kernel is compiled for its one signature when its module is imported, never inside an audio call.
The compiled code is kept in Numba's cache when there is a writable place for it. Numba renews that
cache when the kernel's file or the processor changes. It does not see the constants that a kernel
takes from other files, though they are compiled into it. So a kernel carries a digest of what it is
made of in its name: with other constants it is another kernel. Without a writable place kernels are
compiled at every import, which takes about eight seconds.
"""

from __future__ import annotations

import hashlib
from types import CodeType, ModuleType
from typing import Any

import numba
import numpy as np

__all__ = ["compiled"]


def compiled(signature: Any, function: Any, *, fastmath: Any = False) -> Any:
    """Compile `function` for `signature`.

    It gives the interpreter's lock away while it runs. `fastmath` is Numba's.
    """
    how = {"nogil": True, "fastmath": fastmath}
    function.__qualname__ += f"_{_digest(function)}"
    try:
        return numba.njit(signature, cache=True, **how)(function)
    except RuntimeError:
        # Numba found no folder it may write its cache to.
        return numba.njit(signature, **how)(function)


def _digest(function: Any) -> str:
    """What a function is made of: its code, the constants that it uses, the kernels it calls."""
    code, outside = function.__code__, function.__globals__
    parts = _code_parts(code)
    for name in code.co_names:
        if isinstance(value := outside.get(name), ModuleType):
            of_it = [other for other in code.co_names if hasattr(value, other)]
            parts += [f"{name}.{other}={_describe(getattr(value, other))}" for other in of_it]
        elif name in outside:
            parts.append(f"{name}={_describe(value)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _describe(value: Any) -> str:
    """The same in every process, unlike the address that an object is printed with."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {value.tobytes().hex()}"
    if isinstance(value, frozenset):
        return repr(sorted(map(repr, value)))
    # A kernel's name has its own digest.
    name: str | None = getattr(getattr(value, "py_func", value), "__qualname__", None)
    return name or repr(value)


def _code_parts(code: CodeType) -> list[str]:
    parts = [code.co_code.hex()]
    for value in code.co_consts:
        parts += _code_parts(value) if isinstance(value, CodeType) else [_describe(value)]
    return parts
