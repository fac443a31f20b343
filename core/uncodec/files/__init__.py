"""Whole-file work: one file restored or rendered into a new one, or a batch of them.

Names are loaded on first use: rendering brings torch, restoring with one's own effect does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.lazy import lazy_names

if TYPE_CHECKING:
    from uncodec.files.render import render_file as render_file
    from uncodec.files.render_settings import RenderSettings as RenderSettings
    from uncodec.files.restore import RestoreReport as RestoreReport
    from uncodec.files.restore import restore_file as restore_file

__all__ = ["RenderSettings", "RestoreReport", "render_file", "restore_file"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "RenderSettings": "uncodec.files.render_settings",
        "RestoreReport": "uncodec.files.restore",
        "render_file": "uncodec.files.render",
        "restore_file": "uncodec.files.restore",
    },
)
