"""The command ``uncodec doctor``: what is installed here, and whether it works.

Exit codes: 0 all that is needed is there; 1 something that is needed is missing or broken.
"""

from __future__ import annotations

import json as json_module
import os
import platform
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from uncodec.cli.common import FAILED, loading, told_errors
from uncodec.version import __version__

__all__ = ["examine", "register"]

# These extras serve those who work on the package.
_FOR_DEVELOPERS = {"bench", "bench-live", "dev", "docs"}
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:.*extra *== *['\"]([\w-]+)['\"])?")
# Where hosts look for plugins on Linux: VST3, then CLAP.
_PLUGIN_FOLDERS = (
    *("~/.vst3", "/usr/local/lib/vst3", "/usr/lib/vst3"),
    *("~/.clap", "/usr/local/lib/clap", "/usr/lib/clap"),
)

Facts = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(doctor)


def doctor(
    json: Annotated[
        bool, typer.Option("--json", help="Report in JSON on standard output.")
    ] = False,
) -> None:
    """Tell what is installed here and whether it works: put this into a bug report.

    Looks at versions, devices, codecs, models (their weights against the digest that they were
    released with), the plugin and its core. Changes nothing. Takes some seconds, most of them
    PyTorch's. The exit code is 1 if something that is needed is missing or broken.
    """
    with told_errors():
        with loading():
            facts = examine()
        typer.echo(json_module.dumps(facts) if json else _show(facts))
        if facts["problems"]:
            raise typer.Exit(FAILED)


def examine() -> Facts:
    """Find out everything; nothing that is broken ends it.

    Returns
    -------
    dict
        Plain values, ready for JSON. ``problems`` lists in words what is needed and not there.
    """
    problems: list[str] = []
    facts: Facts = {
        "uncodec": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "installed_at": _short(Path(__file__).resolve().parents[1]),
    }
    sections: dict[str, Callable[[list[str]], Any]] = {
        "packages": _packages,
        "optional": _optional,
        "native": _native,
        "devices": _devices,
        "codecs": _codecs,
        "models": _models,
        "plugin": _plugin,
        "core": _core,
    }
    for name, look in sections.items():
        # Exception: whatever is wrong with an installation is what this command is to tell.
        try:
            facts[name] = look(problems)
        except Exception as error:
            facts[name] = None
            problems.append(f"{name}: {type(error).__name__}: {_one_line(error)}")
    facts["problems"] = problems
    return facts


def _packages(problems: list[str]) -> dict[str, str | None]:
    """The packages that are needed, with their versions."""
    found: dict[str, str | None] = {}
    for package, extra in _requirements():
        if extra is None:
            found[package] = _version(package)
            if found[package] is None:
                problems.append(f"packages: {package} is needed and not installed")
            elif (reason := _cannot_be_loaded(package)) is not None:
                problems.append(f"packages: {package} cannot be loaded: {reason}")
    return found


def _cannot_be_loaded(package: str) -> str | None:
    """Why; most often a library of the system is missing that the package takes for given."""
    try:
        import_module(package)
    except (ImportError, OSError) as error:
        return _one_line(error)
    return None


def _optional(problems: list[str]) -> dict[str, dict[str, str | None]]:
    """The extras, each with its packages and their versions."""
    found: dict[str, dict[str, str | None]] = {}
    for package, extra in _requirements():
        if extra is not None and extra not in _FOR_DEVELOPERS:
            found.setdefault(extra, {})[package] = _version(package)
    return found


def _requirements() -> list[tuple[str, str | None]]:
    """Packages, and the extra that asks for each."""
    try:
        lines = metadata.requires("uncodec") or []
    except metadata.PackageNotFoundError:
        # A source tree that is used in place and was not installed.
        return []
    matches = [_REQUIREMENT.match(line) for line in lines]
    return [(match[1], match[2]) for match in matches if match]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _native(problems: list[str]) -> Facts:
    """The Rust module: whether it loads."""
    module = import_module("uncodec._native")
    return {"file": Path(module.__file__ or "").name}


def _devices(problems: list[str]) -> list[Facts]:
    """Where networks can run."""
    import torch

    devices: list[Facts] = [{"name": "cpu", "what": f"{torch.get_num_threads()} threads"}]
    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory / 2**30
        what = f"{torch.cuda.get_device_name(index)}, {memory:.0f} GiB"
        devices.append({"name": f"cuda:{index}", "what": what})
    if torch.backends.mps.is_available():
        devices.append({"name": "mps", "what": "Metal"})
    return devices


def _codecs(problems: list[str]) -> dict[str, str | None]:
    """What encodes each codec here; reading files needs none of these."""
    from uncodec.codecs import CODECS, available, encoder_of

    here = available()
    return {name: encoder_of(name) if name in here else None for name in CODECS}


def _models(problems: list[str]) -> list[Facts]:
    """Each file of weights, against the digest in its header."""
    from uncodec.errors import ModelError
    from uncodec.networks.store import list_models, verify_weights, weight_files

    models: list[Facts] = []
    for name in list_models():
        for path in weight_files(name):
            model: Facts = {"name": name, "file": path.name}
            try:
                header = verify_weights(path)
            except ModelError as error:
                model |= {"version": None, "sha256": None, "intact": False}
                problems.append(f"models: {_one_line(error)}")
            else:
                model |= {"version": header.get("version"), "sha256": header["sha256"]}
                model["intact"] = True
            models.append(model)
    if "live-gan" not in list_models():
        problems.append("models: live-gan is needed and not installed")
    return models


def _plugin(problems: list[str]) -> Facts:
    """The plugins that belong to the package, and those that hosts find."""
    from uncodec.bridge.bundle import FORMATS, find_bundle
    from uncodec.errors import CoreError

    bundles: dict[str, str | None] = dict.fromkeys(FORMATS)
    facts: Facts = {"system_supported": sys.platform == "linux", "bundles": bundles}
    for plugin_format in FORMATS if sys.platform == "linux" else ():
        # They come with a wheel, and have to be built in a source tree: no fault if one is missing.
        with suppress(CoreError):
            bundles[plugin_format] = _short(find_bundle(plugin_format))
    folders = [Path(folder).expanduser() for folder in _PLUGIN_FOLDERS]
    facts["installed"] = [
        _short(path) for folder in folders for path in sorted(folder.glob("Uncodec.*"))
    ]
    return facts


def _core(problems: list[str]) -> Facts:
    """The process that restores for plugins, if it runs."""
    if sys.platform != "linux":
        return {"running": False}
    from uncodec.bridge.launcher import ask, default_path, is_running

    path = default_path()
    facts: Facts = {"socket": _short(path), "running": is_running(path)}
    if facts["running"]:
        facts["version"] = ask(path, "status")["version"]
        if facts["version"] != __version__:
            problems.append(
                f"core: the one that is running is of version {facts['version']}; "
                "`uncodec core stop` and `uncodec core start` replace it"
            )
    return facts


def _show(facts: Facts) -> str:
    lines = [
        f"uncodec    {facts['uncodec']}, {facts['installed_at']}",
        f"python     {facts['python']}, {facts['system']}, {facts['processors']} processors",
        f"packages   {_listed(facts['packages'])}",
        *(f"  [{extra}] {_listed(found)}" for extra, found in (facts["optional"] or {}).items()),
        f"native     {(facts['native'] or {}).get('file', 'broken')}",
        *(f"device     {device['name']}: {device['what']}" for device in facts["devices"] or []),
        f"codecs     {_listed(facts['codecs'])}",
    ]
    for model in facts["models"] or []:
        state = f"intact, {model['sha256'][:12]}" if model["intact"] else "BROKEN"
        lines.append(f"model      {model['name']} {model['version']} {model['file']}: {state}")
    plugin, core = facts["plugin"] or {}, facts["core"] or {}
    for plugin_format, bundle in plugin.get("bundles", {}).items():
        lines.append(f"plugin     {plugin_format}: {bundle or 'not built'}")
    lines += [f"  hosts find {path}" for path in plugin.get("installed", [])]
    running = f"running, {core.get('version')}" if core.get("running") else "not running"
    lines.append(f"core       {running}")
    lines += [f"problem    {problem}" for problem in facts["problems"]]
    lines.append("" if facts["problems"] else "no problem found")
    return "\n".join(lines).rstrip()


def _listed(found: dict[str, str | None] | None) -> str:
    return ", ".join(f"{name} {version or '-'}" for name, version in (found or {}).items())


def _short(path: Path) -> str:
    """A path for other people's eyes: without the name of who is at home here."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
