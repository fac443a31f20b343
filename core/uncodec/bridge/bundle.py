"""The plugin's bundles: where they are, and into the folders where audio hosts look for them."""

from __future__ import annotations

import platform
import shutil
import tempfile
from pathlib import Path
from typing import Literal, get_args

from uncodec.errors import CoreError, InvalidValue

__all__ = [
    "BUNDLES",
    "FORMATS",
    "PluginFormat",
    "find_bundle",
    "find_library",
    "hosts_folder",
    "install_bundle",
    "uninstall_bundle",
]

PluginFormat = Literal["vst3", "clap"]
FORMATS: tuple[PluginFormat, ...] = get_args(PluginFormat)
BUNDLES: dict[PluginFormat, str] = {name: f"Uncodec.{name}" for name in FORMATS}
# Of a VST3, which is a folder; a CLAP is the library itself.
_BINARY = Path("Contents") / f"{platform.machine()}-linux" / "Uncodec.so"

_PACKAGED = Path(__file__).resolve().parents[1] / "plugin"
# A source tree used in place has them where `make plugin` puts them.
_BUILT = Path(__file__).resolve().parents[3] / "target"


def _check_format(plugin_format: PluginFormat) -> None:
    if plugin_format not in FORMATS:
        raise InvalidValue(f"format={plugin_format!r}: must be {' or '.join(FORMATS)}")


def _library_of(bundle: Path) -> Path:
    return bundle if bundle.suffix == ".clap" else bundle / _BINARY


def find_bundle(plugin_format: PluginFormat = "vst3") -> Path:
    """The plugin that belongs to this package: a folder, or in CLAP a file.

    Raises
    ------
    InvalidValue
        There is no such format.
    CoreError
        It was not built.
    """
    _check_format(plugin_format)
    name = BUNDLES[plugin_format]
    for folder in (_PACKAGED, _BUILT):
        if _library_of(folder / name).is_file():
            return folder / name
    raise CoreError(
        f"{name}: must be in {_PACKAGED} or {_BUILT} and is not; run `make plugin` in the source "
        "tree, and after it `pip install .` if that is how the package got here"
    )


def find_library(bundle: Path | None = None) -> Path:
    """The shared library in a bundle, or in `find_bundle`'s.

    Raises
    ------
    CoreError
        It is not there.
    """
    library = _library_of(find_bundle() if bundle is None else bundle)
    if not library.is_file():
        raise CoreError(f"{library}: is not there; `make plugin` in the source tree builds it")
    return library


def hosts_folder(plugin_format: PluginFormat = "vst3") -> Path:
    """Where hosts look for a user's plugins."""
    _check_format(plugin_format)
    return Path.home() / f".{plugin_format}"


def install_bundle(folder: Path | None = None, plugin_format: PluginFormat = "vst3") -> Path:
    """Copy the bundle to where hosts look for it, in place of one that is there.

    Parameters
    ----------
    folder : Path, optional
        Instead of `hosts_folder`.
    plugin_format : {"vst3", "clap"}

    Returns
    -------
    Path
        The copy. It is complete or not there at all; a host that has the earlier one loaded keeps
        it until it is started again.

    Raises
    ------
    InvalidValue
        There is no such format.
    CoreError
        There is no bundle, or the folder cannot be written to.
    """
    source = find_bundle(plugin_format)
    folder = hosts_folder(plugin_format) if folder is None else folder
    target = folder / source.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".uncodec-", dir=folder) as staging:
            fresh, old = Path(staging) / source.name, Path(staging) / "old"
            if source.is_dir():
                shutil.copytree(source, fresh)
            else:
                shutil.copy2(source, fresh)
            if target.is_dir() and not target.is_symlink():
                # Two renames, because a folder can only take the place of an empty one.
                target.rename(old)
            elif source.is_dir():
                target.unlink(missing_ok=True)
            fresh.replace(target)
    except OSError as error:
        raise CoreError(f"{target}: cannot be written ({error.strerror or error})") from error
    return target


def uninstall_bundle(folder: Path | None = None, plugin_format: PluginFormat = "vst3") -> bool:
    """Remove the bundle from where hosts look for it.

    Parameters
    ----------
    folder : Path, optional
        Instead of `hosts_folder`.
    plugin_format : {"vst3", "clap"}

    Returns
    -------
    bool
        Whether it was there.

    Raises
    ------
    InvalidValue
        There is no such format.
    CoreError
        It cannot be removed.
    """
    _check_format(plugin_format)
    folder = hosts_folder(plugin_format) if folder is None else folder
    target = folder / BUNDLES[plugin_format]
    try:
        if target.is_dir() and not target.is_symlink():
            # Out of the hosts' sight at once, whatever happens on the way.
            with tempfile.TemporaryDirectory(prefix=".uncodec-", dir=folder) as staging:
                target.rename(Path(staging) / "old")
        elif target.is_symlink() or target.exists():
            target.unlink()
        else:
            return False
    except OSError as error:
        raise CoreError(f"{target}: cannot be removed ({error.strerror or error})") from error
    return True
