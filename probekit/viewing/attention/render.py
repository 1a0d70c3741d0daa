"""The table of the heads of one sentence.

Enters: an :class:`~probekit.viewing.attention.report.AttentionMap`. Leaves: text. Of each head it has what goes to
special tokens, to the word itself and to its neighbours, and the pair of two words that it joins most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probekit.report.render.numbers import number
from probekit.report.render.table import shortened
from probekit.report.render.text import render_plain

if TYPE_CHECKING:
    from probekit.viewing.attention.report import AttentionMap

COLUMNS = ("head", "special", "itself", "word before", "word after", "strongest", "weight")
BELOW = "head: block-number; means over the words that have such a one; strongest: of two different words"


def summaries(report: AttentionMap) -> list[tuple[str, ...]]:
    """Return a line of :data:`COLUMNS` of each head."""
    units = report.provenance["units"]
    words = np.array([place for place, unit in enumerate(units) if unit["word"] >= 0])
    texts = [shortened(str(units[place]["text"]), 16) for place in words]
    lines = []
    inside = report.all_weights[:, words][:, :, words]
    for name, row, matrix in zip(report.names, report.rows, inside, strict=True):
        line = [name, number(row.value), number(float(np.trace(matrix)) / len(words))]
        if len(words) == 1:
            lines.append((*line, "-", "-", "-", "-"))
            continue
        apart = matrix - np.diag(np.diag(matrix))
        source, target = np.unravel_index(int(apart.argmax()), apart.shape)
        beside = (number(float(np.trace(matrix, offset)) / (len(words) - 1)) for offset in (-1, 1))
        lines.append((*line, *beside, f"{texts[source]} -> {texts[target]}", number(float(apart.max()))))
    return lines


def render(report: AttentionMap, width: int | None = None) -> str:
    """Return the table as text, a line a head."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in COLUMNS:
        grid.add_column(head, justify="left" if head in ("head", "strongest") else "right", no_wrap=True)
    for line in summaries(report):
        grid.add_row(*line)
    text = " ".join(str(unit["text"]) for unit in report.provenance["units"] if unit["word"] >= 0)
    notes = (f"note: {note}" for note in report.notes)
    return "\n".join([report.heading, text, render_plain(grid, width), BELOW, *notes])
