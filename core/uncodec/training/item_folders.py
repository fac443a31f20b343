"""Folders of numbered items: what training learns from, on disk.

An item is an array and a note that tells of it, both under its number. It is a pure function of
what the folder was begun with and of the number, so building again, or more, only adds what is
missing.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncodec.codecs import backends
from uncodec.errors import AudioFileError, InvalidValue, UncodecError
from uncodec.processes import leave_on_ctrl_c, leave_with_parent
from uncodec.training.codings import left_out
from uncodec.training.recordings import Source
from uncodec.whole_files import write_whole

__all__ = [
    "ItemFolder",
    "Progress",
    "begin_folder",
    "check_menu",
    "differences",
    "fill_folder",
    "missing_items",
    "write_item",
]

Progress = Callable[[int, int], None]
"""Called with what is done and what is wanted."""
FORMAT = 3
_CHUNK = 16

_log = logging.getLogger(__name__)


class ItemFolder:
    """The items of a folder.

    Parameters
    ----------
    folder : path
        One ``.npy`` and one ``.json`` for each item.

    Attributes
    ----------
    folder : Path
    notes : list of dict
        What tells of each item.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.notes: list[dict[str, Any]] = []
        self.refresh()

    def __len__(self) -> int:
        return len(self.notes)

    def refresh(self) -> int:
        """Look for items that came since; returns how many there are."""
        known = {_number(note) for note in self.notes}
        for path in sorted(self.folder.glob("[0-9]*.json")):
            if int(path.stem) not in known:
                self.notes.append(_read_json(path))
        return len(self.notes)

    def item(self, place: int) -> NDArray[Any]:
        """Array of the item at a place of `notes`, memory mapped."""
        path = self.folder / f"{_number(self.notes[place]):06d}.npy"
        data: NDArray[Any] = np.load(path, mmap_mode="r")
        return data


def missing_items(folder: Path, numbers: Sequence[int]) -> list[int]:
    """Those of the numbers under which a folder holds no item yet."""
    return [n for n in numbers if not (folder / f"{n:06d}.json").exists()]


def _number(note: Mapping[str, Any]) -> int:
    # Notes of pairs are older and call it an index.
    number: int = note["number"] if "number" in note else note["index"]
    return number


def fill_folder(
    root: Path,
    build: Callable[[Sequence[int]], int],
    count: int,
    workers: int,
    progress: Progress | None,
    check: Callable[[], None],
) -> None:
    """Build what has no note yet of the numbers below `count`, in so many processes.

    `build` is given some numbers at a time and returns how many it built; `check` is called before,
    if there is anything to build.

    Raises
    ------
    UncodecError
        A process died.
    """
    missing = missing_items(root, range(count))
    if not missing:
        return
    check()
    done = count - len(missing)
    chunks = [missing[i : i + _CHUNK] for i in range(0, len(missing), _CHUNK)]
    for built in _built(build, chunks, workers):
        done += built
        if progress is not None:
            progress(done, count)


def _built(
    build: Callable[[Sequence[int]], int], chunks: list[list[int]], workers: int
) -> Iterator[int]:
    """Build chunk after chunk in so many processes; yields how many there are more."""
    if min(workers, len(chunks)) < 2:
        yield from map(build, chunks)
        return
    pool = ProcessPoolExecutor(workers, initializer=_begin_worker)
    try:
        for future in as_completed([pool.submit(build, chunk) for chunk in chunks]):
            yield future.result()
    except BrokenProcessPool as error:
        raise UncodecError(
            "a process that builds items died (out of memory?); try fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def begin_folder(root: Path, sources: Sequence[Source], **settings: Any) -> list[str]:
    """Note what a folder is made of, or check that it goes on with the same.

    Returns what was left out of the menu when it was begun.
    """
    root.mkdir(parents=True, exist_ok=True)
    wanted = {
        "format": FORMAT,
        **settings,
        "recordings": len(sources),
        "digest": _digest(sources),
    }
    head = root / "pairs.json"
    if head.exists():
        begun = _read_json(head)
        lacks: list[str] = begun.pop("left_out", [])
        if begun != wanted:
            was, now = differences(begun, wanted)
            raise InvalidValue(
                f"{root}: was begun with {was}, now asked for {now}: must go on with the same, or "
                "in another folder"
            )
        return lacks
    lacks = left_out()
    _write_json(head, wanted | ({"left_out": lacks} if lacks else {}))
    return lacks


def check_menu(root: Path, lacks: list[str]) -> None:
    """What is to be built now must come out of the menu that the others came out of.

    Raises
    ------
    InvalidValue
        It was begun with other encoders than those that are here.
    """
    now = left_out()
    if now != lacks:
        was, here = (", ".join(names) or "nothing" for names in (lacks, now))
        raise InvalidValue(
            f"{root}: was begun with {was} left out, now with {here}: must go on with the "
            "libraries that it was begun with (PyAV: pip install av), or in another folder"
        )
    if now:
        _log.warning(
            "PyAV is not installed: %s codes the pairs, with %s left out (pip install av)",
            backends.version_of("soundfile"),
            ", ".join(now),
        )


def differences(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, str]:
    """What two sets of settings do not share, as text: ``("seed=1", "seed=2")``."""
    keys = [key for key in {**begun, **wanted} if begun.get(key) != wanted.get(key)]
    was, now = (
        ", ".join(f"{key}={values.get(key)!r}" for key in keys) for values in (begun, wanted)
    )
    return was, now


def _write_json(path: Path, content: Any) -> None:
    write_whole(path, json.dumps(content).encode())


def _read_json(path: Path) -> dict[str, Any]:
    """Read a note.

    Raises
    ------
    AudioFileError
        It is damaged.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise AudioFileError(f"{path}: is damaged ({error}); remove it") from error
    return content


def _digest(sources: Sequence[Source]) -> str:
    """Tells recordings apart by kind, name and length, wherever the folder lies."""
    lines = sorted(f"{s.kind}/{s.path.name} {s.seconds:.3f}" for s in sources)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _begin_worker() -> None:
    leave_with_parent()
    leave_on_ctrl_c()


def write_item(folder: Path, number: int, data: NDArray[Any], note: Mapping[str, Any]) -> None:
    """Write an item of a folder that `fill_folder` fills: its array, and what tells of it."""
    content = io.BytesIO()
    np.save(content, data)
    write_whole(folder / f"{number:06d}.npy", content.getbuffer())
    # The note comes last: an item counts as there only with it.
    _write_json(folder / f"{number:06d}.json", note)
