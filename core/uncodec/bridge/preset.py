"""Presets: the plugin's settings in a file, as a host that has loaded the plugin reads them."""

from __future__ import annotations

import struct
from pathlib import Path

from uncodec.balance import Like
from uncodec.bridge.plugin import new_state
from uncodec.errors import InvalidValue
from uncodec.whole_files import write_whole

__all__ = ["CLASS_ID", "presets_folder", "vst3_preset", "write_preset"]

CLASS_ID = "5C116E0A8F0B4B7E9D2A37C461E8A95D"
"""Of the VST3, as in plugin_bridge/vst3; a host takes no preset of another one."""

# A file in the format of VST3: a header, chunks of data, and a list of where they are. "Comp" is
# what the plugin itself saves.
_HEADER = struct.Struct("<4si32sq")
_LIST = struct.Struct("<4si")
_ENTRY = struct.Struct("<4sqq")


def presets_folder() -> Path:
    """Where hosts look for a user's presets of the VST3."""
    return Path.home() / ".vst3" / "presets" / "Uncodec" / "Uncodec"


def vst3_preset(state: bytes) -> bytes:
    """A state as the content of a ``.vstpreset`` file.

    Parameters
    ----------
    state : bytes
        Of the plugin, see `uncodec.bridge.plugin.new_state`.
    """
    end = _HEADER.size + len(state)
    header = _HEADER.pack(b"VST3", 1, CLASS_ID.encode(), end)
    entry = _ENTRY.pack(b"Comp", _HEADER.size, len(state))
    return header + state + _LIST.pack(b"List", 1) + entry


def write_preset(
    path: Path,
    like: Like,
    *,
    amount: float = 1.0,
    brightness_db: float = 0.0,
    model: str = "live-gan",
) -> None:
    """Write a preset with a reference; it is there as a whole or not at all.

    Parameters
    ----------
    path : Path
        ``.vstpreset`` for hosts of the VST3, ``.state`` for the plugin's state alone, which both
        formats read.
    like : Like
    amount : float
    brightness_db : float
    model : str
        A released one.

    Raises
    ------
    InvalidValue
        The name has another ending.
    UncodecError
        It cannot be written.
    """
    state = new_state(amount=amount, model=model, brightness_db=brightness_db, like=like)
    ending = path.suffix.lower()
    if ending == ".vstpreset":
        write_whole(path, vst3_preset(state))
    elif ending == ".state":
        write_whole(path, state)
    else:
        raise InvalidValue(f"output={path}: must end in .vstpreset or .state")
