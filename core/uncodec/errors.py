"""Every error this package raises on purpose.

One root, :class:`UncodecError`. What a caller can mend by passing something else also derives from
``ValueError`` or ``TypeError``; what the machine refused also derives from ``OSError``. A message
names the thing, gives the rule and shows what was got: ``buffer_size=0: must be a positive
integer``.
"""

from __future__ import annotations

__all__ = [
    "AudioFileError",
    "CodecError",
    "CoreError",
    "DryRender",
    "InvalidType",
    "InvalidValue",
    "ModelError",
    "OutputExists",
    "UncodecError",
    "UnknownAttribute",
]


class UncodecError(Exception):
    """Root of all errors raised on purpose by this package."""


class InvalidValue(UncodecError, ValueError):
    """An argument of the right type has a value outside its rule."""


class InvalidType(UncodecError, TypeError):
    """An argument has the wrong type."""


class UnknownAttribute(UncodecError, AttributeError):
    """An attribute was set that the object does not have."""


class AudioFileError(UncodecError, OSError):
    """A file cannot be read as audio, or cannot be written."""


class OutputExists(AudioFileError):
    """The output is already there and overwriting was not asked for."""


class CodecError(UncodecError, ValueError):
    """A codec refuses the rate, the channels or the bit rate asked of it."""


class ModelError(UncodecError, ValueError):
    """A model is unknown, damaged, or of a version this release cannot run."""


class CoreError(UncodecError):
    """The core that serves plugins cannot be started or reached, or does not want a session."""


class DryRender(CoreError):
    """A plugin gave out its input where restored audio was asked for."""
