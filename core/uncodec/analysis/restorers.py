"""Restorers by name, as they stand in score tables."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncodec.analysis.baselines import EXCITER, exciter
from uncodec.errors import InvalidValue, ModelError

__all__ = ["BASELINES", "EFFECTS", "PLAIN", "Restore", "Restorer", "find_restorers"]

Restore = Callable[[NDArray[np.float32], float], Any]
"""``restore(audio (channels, samples), sample_rate)`` -> array of that shape, aligned to it."""

PLAIN: dict[str, tuple[str, Restore]] = {"exciter": (EXCITER, exciter)}
"""Restorers without weights: by name what their rows are called, and the function."""

EFFECTS: dict[str, tuple[str, str]] = {
    "generator": ("uncodec.effects", "GANRestorer"),
    "diffusion": ("uncodec.effects", "DiffusionRestorer"),
    "study": ("uncodec.diffusion.study", "StudyRestorer"),
}
"""For each kind of model, as its weights name it, the module and the name of what runs it; it is
called with ``model=`` and has to take ``(audio, sample_rate)``."""

BASELINES = ("exciter",)
"""What stands in a table besides the untouched input without being asked for."""


@dataclass(frozen=True)
class Restorer:
    """A restorer that can be named to another process and opened there.

    Attributes
    ----------
    label : str
        What its rows are called.
    source : str
        A name of `PLAIN`, or a model as `uncodec.model_folders.find_model` takes it.
    fingerprint : str
        Changes with the weights; empty where there are none.
    """

    label: str
    source: str
    fingerprint: str = ""

    def open(self, **settings: Any) -> Restore:
        """Load it.

        Parameters
        ----------
        **settings
            For its effect, ``seed`` and ``steps`` for instance; what it does not know is left out.

        Raises
        ------
        ModelError
            The weights cannot be used.
        """
        if self.source in PLAIN:
            return PLAIN[self.source][1]
        module, name = EFFECTS[self.kind]
        make = getattr(import_module(module), name)
        known = {key: value for key, value in settings.items() if key in self._parameters(make)}
        effect: Restore = make(model=self.source, **known)
        return effect

    def takes(self, setting: str) -> bool:
        """Whether its effect has a parameter of this name."""
        if self.source in PLAIN:
            return False
        module, name = EFFECTS[self.kind]
        return setting in self._parameters(getattr(import_module(module), name))

    @property
    def kind(self) -> str:
        """Kind of its model, a key of `EFFECTS`; empty without weights."""
        return "" if self.source in PLAIN else _read_header(self.source)["kind"]

    @staticmethod
    def _parameters(make: Any) -> Mapping[str, Any]:
        return inspect.signature(make).parameters


def find_restorers(names: Iterable[str]) -> list[Restorer]:
    """Look restorers up.

    Parameters
    ----------
    names : iterable of str
        Names of `PLAIN`, of released models, or folders of models; ``LABEL=NAME`` gives the rows
        another name than that of the model or of its folder.

    Raises
    ------
    ModelError
        No such model, or one of a kind that no effect runs.
    InvalidValue
        Two would be called the same.
    """
    found: list[Restorer] = []
    for name in names:
        label, _, source = name.rpartition("=")
        if source in PLAIN:
            restorer = Restorer(label or PLAIN[source][0], source)
        else:
            header = _read_header(source)
            label = label or Path(source).name
            restorer = Restorer(label, source, header.get("sha256", "")[:16])
        if restorer in found:
            continue
        if any(other.label == restorer.label for other in found):
            raise InvalidValue(
                f"model={name!r}: another one is called {restorer.label!r} already; "
                "name it with LABEL=MODEL"
            )
        found.append(restorer)
    return found


def _read_header(model: str) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    from uncodec.model_folders import weight_files

    headers = []
    for path in weight_files(model):
        try:
            with safe_open(path, framework="numpy") as file:
                headers.append(file.metadata() or {})
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path}: cannot be read as safetensors ({error})") from error
    header = headers[0]
    if header.get("kind") not in EFFECTS:
        kinds = ", ".join(EFFECTS)
        raise ModelError(
            f"model={model!r}: must be of a kind that restores ({kinds}), got {header.get('kind')}"
        )
    # Weights of both files decide what a model does.
    digest = "".join(each.get("sha256", "") for each in headers)
    return header | {"sha256": digest if len(headers) == 1 else _digest(digest)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
