"""Objects with a state that can be copied as a whole."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np

__all__ = ["Cloneable"]


class Cloneable:
    """Base of streams, engines and their parts.

    A copy has arrays and parts of its own; what cannot be cloned, such as a model, is shared.
    """

    def clone(self) -> Self:
        """An independent copy that goes on from the same state."""
        twin = copy(self)
        known: dict[int, Any] = {}
        for name, value in vars(self).items():
            setattr(twin, name, _copied(value, known))
        return twin


def _copied(value: Any, known: dict[int, Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(each, known) for each in value)
    if id(value) not in known:
        if isinstance(value, np.ndarray):
            known[id(value)] = value.copy()
        else:
            known[id(value)] = value.clone() if hasattr(value, "clone") else value
    return known[id(value)]
