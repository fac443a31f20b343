"""The plugin's bundle: where it is, and into the folder where audio hosts look for it."""

from __future__ import annotations

import platform
import shutil
import tempfile
from pathlib import Path

from uncodec.errors import CoreError

__all__ = ["BUNDLE", "find_bundle", "find_library", "hosts_folder", "install_bundle"]

BUNDLE = "Uncodec.vst3"
_BINARY = Path("Contents") / f"{platform.machine()}-linux" / "Uncodec.so"

_PACKAGED = Path(__file__).resolve().parents[1] / "plugin" / BUNDLE
# A source tree used in place has it where `make plugin` puts it.
_BUILT = Path(__file__).resolve().parents[3] / "target" / BUNDLE


def find_bundle() -> Path:
    """Folder of the plugin that belongs to this package.

    Raises
    ------
    CoreError
        It was not built.
    """
    for bundle in (_PACKAGED, _BUILT):
        if (bundle / _BINARY).is_file():
            return bundle
    raise CoreError(
        f"{BUNDLE}: must be at {_PACKAGED} or {_BUILT} and is not; run `make plugin` in the source "
        "tree, and after it `pip install .` if that is how the package got here"
    )


def find_library(bundle: Path | None = None) -> Path:
    """The shared library in a bundle, or in `find_bundle`'s.

    Raises
    ------
    CoreError
        It is not there.
    """
    library = (find_bundle() if bundle is None else bundle) / _BINARY
    if not library.is_file():
        raise CoreError(f"{library}: is not there; `make plugin` in the source tree builds it")
    return library


def hosts_folder() -> Path:
    """Where hosts look for a user's plugins."""
    return Path.home() / ".vst3"


def install_bundle(folder: Path | None = None) -> Path:
    """Copy the bundle to where hosts look for it, in place of one that is there.

    Parameters
    ----------
    folder : Path, optional
        Instead of `hosts_folder`.

    Returns
    -------
    Path
        The copy. It is complete or not there at all; a host that has the earlier one loaded keeps
        it until it is started again.

    Raises
    ------
    CoreError
        There is no bundle, or the folder cannot be written to.
    """
    source = find_bundle()
    folder = hosts_folder() if folder is None else folder
    target = folder / BUNDLE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".uncodec-", dir=folder) as staging:
            fresh, old = Path(staging) / BUNDLE, Path(staging) / "old"
            shutil.copytree(source, fresh)
            if target.is_symlink():
                target.unlink()
            elif target.exists():
                # Two renames, because a folder can only take the place of an empty one.
                target.rename(old)
            fresh.rename(target)
    except OSError as error:
        raise CoreError(f"{target}: cannot be written ({error.strerror or error})") from error
    return target
