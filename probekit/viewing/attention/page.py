"""One sentence as one page: heads to choose, words that tell what they look at, without a network.

Enters: an :class:`~probekit.viewing.attention.report.AttentionMap`. Leaves: HTML. Words travel as JSON and are
written as texts only. Weights are on the page in ten-thousandths.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.errors import UsageError
from probekit.viewing.attention.draw import FAINTEST
from probekit.viewing.attention.render import COLUMNS, summaries
from probekit.viewing.pages import embedded

if TYPE_CHECKING:
    from probekit.viewing.attention.report import AttentionMap

MOST = 5_000_000
"""Weights of a page."""
PARTS = 10_000
"""A weight of 1, as it stands on the page."""


def page_of(report: AttentionMap) -> str:
    """Return the page, whole: its script, its style and its data are inside.

    Raises
    ------
    UsageError
        More weights than a browser takes.
    """
    weights = report.all_weights
    if weights.size > MOST:
        raise UsageError(
            f"The page would hold {weights.size:,} weights, and a browser takes {MOST:,}. Name fewer heads with "
            "--heads or --layers."
        )
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    pages = Environment(autoescape=True, loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return pages.get_template("sentence.html.jinja").render(
        title=report.heading,
        sentence=[{"text": str(unit["text"]), "special": unit["word"] < 0} for unit in report.provenance["units"]],
        special=report.special,
        has_special=report.has_special,
        columns=COLUMNS,
        summaries=summaries(report),
        notes=report.notes,
        data=embedded(_data(report)),
    )


def _data(report: AttentionMap) -> dict[str, Any]:
    units = report.provenance["units"]
    blocks = list(dict.fromkeys(layer for layer, _ in report.heads))
    parts = np.rint(report.all_weights * PARTS).astype(int).reshape(len(report.heads), -1)
    return {
        "units": [str(unit["text"]) for unit in units],
        "special": [unit["word"] < 0 for unit in units],
        "blocks": [str(layer).removesuffix(".weights") for layer in blocks],
        "heads": [
            {"name": name, "block": blocks.index(layer), "number": head, "weights": flat}
            for name, (layer, head), flat in zip(report.names, report.heads, parts.tolist(), strict=True)
        ],
        "one": PARTS,
        "faintest": round(FAINTEST * PARTS),
    }
