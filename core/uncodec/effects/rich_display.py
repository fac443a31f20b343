"""How effects show themselves in a notebook: a small table of their parameters."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["effect_html", "list_html"]


def effect_html(name: str, summary: str, parameters: Mapping[str, Any]) -> str:
    """An effect as HTML.

    Parameters
    ----------
    name : str
        Of its class.
    summary : str
        One line about it.
    parameters : mapping of str to object
        Shown in this order.

    Returns
    -------
    str
        Everything in it is escaped: the name of a model may hold anything.
    """
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(key)}</th>'
        f'<td style="text-align:left">{html.escape(repr(value))}</td></tr>'
        for key, value in parameters.items()
    )
    table = f"<table><tbody>{rows}</tbody></table>" if rows else ""
    return f"<div><strong>{html.escape(name)}</strong> {html.escape(summary)}{table}</div>"


def list_html(name: str, effects: Iterable[Any]) -> str:
    """Effects in their order, each as HTML where it has one and by its ``repr`` where not."""
    items = []
    for effect in effects:
        shown = getattr(effect, "_repr_html_", None)
        items.append(f"<li>{shown() if shown is not None else html.escape(repr(effect))}</li>")
    return f"<div><strong>{html.escape(name)}</strong><ol>{''.join(items)}</ol></div>"
