"""What ``uncodec inspect`` does to its files: one by one, or side by side in several processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from uncodec.catalogue.workers import each_in_processes
from uncodec.errors import InvalidValue, UncodecError
from uncodec.inspection.inspector import examine

if TYPE_CHECKING:
    from uncodec.inspection.inspector import Examined
    from uncodec.inspection.results import Inspection

__all__ = ["Inspecting", "side_by_side"]


@dataclass(frozen=True)
class Inspecting:
    """Inspects one file, here or in another process, and draws its picture if asked for.

    Attributes
    ----------
    picture : Path or None
        A file, or the folder for the pictures of several.
    alone : bool
        It is a file.
    overwrite : bool
        Pictures that exist are replaced.
    """

    picture: Path | None = None
    alone: bool = True
    overwrite: bool = False

    def begin(self) -> None:
        """Nothing is loaded before the first file."""

    def do(self, path: Path, tell: Callable[..., None]) -> Inspection | UncodecError | OSError:
        """Inspect a file; tells "progress" with frames done and, if it is known, of how many."""
        try:
            examined = examine(path, progress=partial(tell, "progress"))
            if self.picture is not None:
                self._draw(examined, path, self.picture)
        except (UncodecError, OSError) as error:
            return error
        return examined.inspection

    def lost(self, path: Path, error: UncodecError, tell: Callable[..., None]) -> UncodecError:
        """The process ended that worked on a file."""
        return UncodecError(f"{path}: {error}")

    def abandoned(self, path: Path) -> None:
        """Nothing is removed."""

    def _draw(self, examined: Examined, path: Path, out: Path) -> None:
        from uncodec.inspection.picture import draw

        target = out
        if not self.alone:
            out.mkdir(parents=True, exist_ok=True)
            target = out / f"{path.name}.png"
            number = 2
            while target.exists() and not self.overwrite:
                target = out / f"{path.name}.{number}.png"
                number += 1
        elif target.exists() and not self.overwrite:
            raise InvalidValue(f"{target}: exists already; --overwrite replaces it")
        draw(examined, target)


def side_by_side(
    paths: Sequence[Path], work: Inspecting, processes: int
) -> Iterator[tuple[Path, Inspection | UncodecError | OSError]]:
    """Inspect files in several processes; what is found comes in the order of the files.

    Raises
    ------
    UncodecError
        A process cannot be started.
    """
    early: defaultdict[Path, list[Inspection | UncodecError | OSError]] = defaultdict(list)
    waiting = iter(paths)
    path = next(waiting, None)
    for done, found in each_in_processes(paths, work, _no_one, processes):
        early[done].append(found)
        while path is not None and early[path]:
            yield path, early[path].pop()
            path = next(waiting, None)


def _no_one(*_: object) -> None:
    """Hears how far each file is."""
