"""A figure as part of a page: SVG inside the HTML, with text as text and identifiers of its own.

Enters: what draws on axes. Leaves: an ``<svg>`` with a title and a description for those who do not see it. Surprise:
text between dollar signs is text here, for a name is never a formula.
"""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

from probekit.report.render.drawing import SIZE, fit_titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def inline_svg(
    draw: Callable[[Axes], object],
    *,
    name: str,
    title: str,
    description: str,
    size: tuple[float, float] = SIZE,
) -> str:
    """Draw a figure and return it as an ``<svg>`` element.

    Parameters
    ----------
    draw : callable
        Draws on the axes it is given.
    name : str
        What every identifier begins with: one of its own for each figure of a page.
    title, description : str
        What the figure is, and what it shows, in words.
    size : tuple of float
        Width and height in inches.
    """
    tree = ET.fromstring(_drawn(draw, size))
    for parent in list(tree.iter()):
        for child in [child for child in parent if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style")]:
            parent.remove(child)
    for element in tree.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif key == f"{{{_LINK}}}href":
                del element.attrib[key]
                # What is drawn point by point is an image inside the page, not a reference.
                inside = value.startswith("data:")
                element.set("href", value if inside else f"#{name}-{value.removeprefix('#')}")
            elif "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        told = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        told.text = text
        tree.insert(place, told)
    tree.set("role", "img")
    tree.set("aria-labelledby", f"{name}-title {name}-desc")
    for attribute in ("width", "height", "version"):
        tree.attrib.pop(attribute, None)
    for element in tree.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
    tree.set("xmlns", _SVG)
    return ET.tostring(tree, encoding="unicode", short_empty_elements=False)


def _drawn(draw: Callable[[Axes], object], size: tuple[float, float]) -> bytes:
    import matplotlib.style
    from matplotlib.figure import Figure

    stream = BytesIO()
    with (
        warnings.catch_warnings(),
        matplotlib.style.context("default"),
        matplotlib.rc_context(
            {
                "svg.hashsalt": "probekit",
                "svg.fonttype": "none",
                "text.parse_math": False,
            }
        ),
    ):
        # Text stays text: a letter that the font here lacks is drawn by the reader's.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        fit_titles(figure)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
