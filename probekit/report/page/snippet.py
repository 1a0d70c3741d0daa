"""What a notebook shows of a report or a cache: its table as text, and its figure.

Enters: text and what draws. Leaves: a small piece of HTML, escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from probekit.report.page.figures import inline_svg
from probekit.report.render.drawing import SIZE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def report_snippet(text: str, draw: Callable[[Axes], object] | None, *, size: tuple[float, float] = SIZE) -> str:
    """Return the table of a report as preformatted text, and its figure where there is one to draw."""
    first = text.partition("\n")[0]
    name = f"probekit-{sha256(text.encode()).hexdigest()[:12]}"
    picture = ""
    if draw is not None:
        svg = inline_svg(draw, name=name, title=first, description="The numbers stand in the table above.", size=size)
        picture = f'<div style="max-width:46em;background:#fff">{svg}</div>'
    return f'<div><pre style="overflow-x:auto">{escape(text)}</pre>{picture}</div>'


def facts_snippet(title: str, facts: Mapping[str, str]) -> str:
    """Return a table of names and values."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(value)}'
        "</td></tr>"
        for name, value in facts.items()
    )
    return f'<table><caption style="text-align:left">{escape(title)}</caption><tbody>{rows}</tbody></table>'
