"""Whole-file work: one file restored or rendered into a new one, or a batch of them.

Names are loaded on first use: rendering brings torch, restoring with one's own effect does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uncodec.files.render import RenderSettings as RenderSettings
    from uncodec.files.render import render_file as render_file
    from uncodec.files.restore import RestoreReport as RestoreReport
    from uncodec.files.restore import restore_file as restore_file

__all__ = ["RenderSettings", "RestoreReport", "render_file", "restore_file"]

_LAZY = {
    "RenderSettings": "uncodec.files.render",
    "RestoreReport": "uncodec.files.restore",
    "render_file": "uncodec.files.render",
    "restore_file": "uncodec.files.restore",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'uncodec.files' has no attribute {name!r}")
