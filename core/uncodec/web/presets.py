"""Settings of the knobs that were saved by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from uncodec.errors import InvalidValue, UncodecError
from uncodec.web.knobs import Knobs
from uncodec.web.names import check_title
from uncodec.whole_files import write_whole

__all__ = ["Presets"]

_MOST = 100


class Presets:
    """Presets in a file.

    Parameters
    ----------
    path : Path
        The file; what is in it that this release does not know is passed over.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.named: dict[str, Knobs] = {}
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError):
            content = {}
        for name, values in content.items() if isinstance(content, dict) else ():
            try:
                self.named[check_title(name)] = Knobs.parse(values)
            except UncodecError:
                continue

    def save(self, name: object, knobs: Knobs) -> None:
        """Keep settings under a name; what had it is replaced.

        Raises
        ------
        InvalidValue
            The name is refused, or there are too many.
        UncodecError
            The file cannot be written.
        """
        title = check_title(name)
        if title not in self.named and len(self.named) >= _MOST:
            raise InvalidValue(f"name: {_MOST} presets are there, and no more fit")
        self._write({**self.named, title: knobs})

    def delete(self, name: object) -> None:
        """Forget a preset.

        Raises
        ------
        InvalidValue
            There is none of this name.
        """
        title = check_title(name)
        if title not in self.named:
            raise InvalidValue(f"name={title!r}: there is no such preset")
        self._write({key: value for key, value in self.named.items() if key != title})

    def _write(self, named: dict[str, Knobs]) -> None:
        content = {name: knobs.as_dict() for name, knobs in named.items()}
        write_whole(self._path, json.dumps(content, indent=1).encode())
        self.named = named

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return {name: self.named[name].as_dict() for name in sorted(self.named, key=str.casefold)}
