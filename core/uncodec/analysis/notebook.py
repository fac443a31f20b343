"""A comparison in a notebook: picture, players and tables as one piece of HTML."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass

from uncodec.analysis.comparison import Comparison
from uncodec.analysis.comparison_picture import picture_png, versions_of
from uncodec.analysis.comparison_tables import TitledTable, tables_of
from uncodec.listening.sounds import encode_flac

__all__ = ["Notebook", "comparison_notebook"]


@dataclass(frozen=True)
class Notebook:
    """What Jupyter shows as HTML when it is the last line of a cell."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<Notebook of {len(self.html) / 1e6:.1f} MB, shown by Jupyter>"


def comparison_notebook(comparison: Comparison) -> Notebook:
    """Picture and players of the first clip, and all tables; see `Comparison.to_notebook`.

    The players are the browser's own. `Comparison.save` writes a page that switches without a gap.
    """
    clip = comparison.clips[0]
    picture = base64.b64encode(picture_png(clip)).decode("ascii")
    parts = [
        f"<h3>{html.escape(clip.source.name)}</h3>",
        f'<img alt="Spectrograms" style="max-width:100%" src="data:image/png;base64,{picture}">',
    ]
    parts += [f"<p>{html.escape(note)}</p>" for note in clip.source.notes]
    for name, audio in versions_of(clip).items():
        sound = base64.b64encode(encode_flac(audio, clip.source.sample_rate)).decode("ascii")
        parts.append(
            f'<div><label>{html.escape(name)}<br><audio controls preload="none" '
            f'src="data:audio/flac;base64,{sound}"></audio></label></div>'
        )
    parts += [_table(table) for table in tables_of(comparison)]
    return Notebook("\n".join(parts))


def _table(table: TitledTable) -> str:
    def line(cells: list[str], tag: str) -> str:
        shown = "".join(
            f'<{tag} style="text-align:{"right" if number else "left"}">{html.escape(cell)}</{tag}>'
            for cell, number in zip(cells, table.cells.numbers, strict=True)
        )
        return f"<tr>{shown}</tr>"

    rows = "".join(line(row, "td") for row in table.cells.rows)
    return (
        f"<h4>{html.escape(table.title)}</h4><table><thead>{line(table.cells.header, 'th')}</thead>"
        f"<tbody>{rows}</tbody></table><p>{html.escape(table.note)}</p>"
    )
