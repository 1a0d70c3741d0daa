"""The strokes that every figure of a report is made of, and how a figure becomes a file.

What enters is points by layer, what leaves is artists on the axes given. Lines are labelled where they end instead of
in a legend, colours are Okabe and Ito's (told apart by all kinds of sight) and never speak alone: shape and dashes
differ too. Files are drawn without pyplot and with the default style, so that the same report gives the same bytes on
one machine.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.errors import ResourceError, UsageError
from probekit.report.conclusions import Point
from probekit.sites import FINAL, Layer, site_of, split_layer
from probekit.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_LOG = logging.getLogger(__name__)

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
INK, GREY, PALE = "#222222", "#6B6B6B", "#DDDDDD"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")

Dashes = str | tuple[int, tuple[int, ...]]
DOTS: Dashes = (0, (1, 2))
STROKES: Dashes = (0, (5, 3))

SIZE = (7.2, 4.4)
"""Of a figure, in inches. Pages show figures small: panels go below one another rather than beside ever more others,
so that texts of 8 points can be read at a width of 400 pixels."""
_MOST_TICKS = 13
_LONG_TITLE = 48
"""Characters from which a title may need more room than there is; the layout is computed once more."""
_SMALLEST = 6.5
"""Points of a title that would run over the edge."""
_MOST_LETTERS = 12
_EDGE = 0.96
"""Of the width: text in an SVG is drawn by the reader's font, which may be a little wider."""
_CONTRAST = 4.55
"""Of text: 4.5, and what rounding to 256 steps may cost."""
_METADATA: Mapping[str, Mapping[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": "probekit"},
    ".pdf": {"CreationDate": None, "Creator": "probekit", "Producer": None},
}


@dataclass(frozen=True, slots=True)
class CurveStyle:
    """How one curve looks."""

    color: str
    marker: str = "o"
    dashes: str = "-"
    width: float = 2.0


@dataclass(frozen=True, slots=True)
class Label:
    """A text at the right edge, beside the height it speaks of."""

    height: float
    text: str
    color: str
    marker: str | None = None
    """Of its curve, where curves that end together are to be told apart without colours."""


class LayerAxis:
    """Where layers stand on the horizontal axis: ``final`` is not a depth, so it stands apart."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        places = {place for layer in layers if (place := split_layer(layer)[1]) is not None}
        self._names = {depth: str(place) for place in places if (depth := site_of(place).depth) is not None}
        self.depths = sorted(self._names)
        self.has_final = FINAL in places
        span = self.depths[-1] - self.depths[0] if self.depths else 0
        self.final = (self.depths[-1] if self.depths else 0) + max(1.0, 0.06 * span)

    def at(self, layer: Layer) -> float:
        """Return the horizontal position of a layer."""
        depth = _depth(layer)
        return self.final if depth is None else depth

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return positions and texts; at most a dozen numbers, ``final`` always."""
        step = next(step for step in (1, 2, 3, 4, 6, 8, 12, 24, 1 << 30) if len(self.depths) <= _MOST_TICKS * step)
        shown = self.depths[::step]
        positions, texts = list(shown), [self._names[depth] for depth in shown]
        if self.has_final:
            positions.append(self.final)
            texts.append("final")
        return positions, texts


def _depth(layer: Layer) -> float | None:
    return None if layer is None else site_of(layer).depth


def draw_curve(
    ax: Axes, points: Mapping[Layer, Point], columns: LayerAxis, pen: CurveStyle, *, label: str | None = None
) -> None:
    """Draw one stack's points: a line with its band over the depths, ``final`` as a mark apart."""
    inner = [point for layer, point in points.items() if _depth(layer) is not None]
    x = [columns.at(point.layer) for point in inner]
    style: dict[str, Any] = {"color": pen.color, "marker": pen.marker, "markersize": 5, "zorder": 3}
    ax.plot(x, [point.value for point in inner], linestyle=pen.dashes, linewidth=pen.width, label=label, **style)
    nan = float("nan")
    low = [nan if point.low is None else point.low for point in inner]
    high = [nan if point.high is None else point.high for point in inner]
    ax.fill_between(x, low, high, color=pen.color, alpha=0.22, linewidth=0, zorder=2)
    apart = [point for layer, point in points.items() if split_layer(layer)[1] == "final"]
    for point in apart:
        ax.plot([columns.final], [point.value], linestyle="none", markerfacecolor="white", **style)
    for point in apart + (inner if len(inner) == 1 else []):
        if point.low is not None and point.high is not None:
            ax.vlines(columns.at(point.layer), point.low, point.high, color=pen.color, linewidth=2, alpha=0.4, zorder=2)


def legible(color: str) -> str:
    """Return a colour for text on white: itself, or darker until the contrast is 4.5 to 1 (WCAG 2.1, 1.4.3)."""
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    for share in range(100, 0, -2):
        dark = [channel * share / 100 for channel in channels]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in dark]
        if 1.05 / (0.05 + 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]) >= _CONTRAST:
            return "#" + "".join(f"{round(255 * each):02X}" for each in dark)
    return INK


def mark_chosen(ax: Axes, point: Point, columns: LayerAxis, color: str, *, text: str = "chosen") -> None:
    """Ring the layer that dev chose."""
    x = columns.at(point.layer)
    ax.plot([x], [point.value], "o", markersize=12, markerfacecolor="none", markeredgecolor=color, markeredgewidth=1.6)
    top = point.value if point.high is None else max(point.high, point.value)
    ax.annotate(text, (x, top), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8,
                color=legible(color))  # fmt: skip


def draw_floor(ax: Axes, value: float, dashes: Dashes, color: str = GREY) -> None:
    """Draw a horizontal line that no layer can move."""
    ax.axhline(value, color=color, linestyle=dashes, linewidth=1.2, zorder=1)


def finish_axes(ax: Axes, columns: LayerAxis, values: Sequence[float], labels: Sequence[Label]) -> None:
    """Set limits, ticks, grid and the labels at the right edge, spread so that none overlap."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.08 * (high - low) or 0.05
    bottom = max(0.0, low - room) if low >= 0 else low - room
    top = high + 2 * room
    ax.set_ylim(bottom, top)
    positions, texts = columns.ticks()
    ax.set_xticks(positions, texts)
    left, right = (positions[0], columns.final if columns.has_final else columns.depths[-1]) if positions else (0, 1)
    side = max(0.5, 0.03 * (right - left))
    ax.set_xlim(left - side, right + side)
    if columns.has_final and columns.depths:
        ax.axvline((columns.depths[-1] + columns.final) / 2, color=PALE, linewidth=1, zorder=0)
    ax.set_xlabel("layer")
    ax.grid(axis="y", color=PALE, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=3)
    apart = 0.034 if any(label.marker for label in labels) else 0.012
    heights = spread([(label.height - bottom) / (top - bottom) for label in labels], gap=0.055)
    for label, height in zip(labels, heights, strict=True):
        if label.marker:
            ax.plot([1.018], [height], label.marker, color=label.color, markersize=5, transform=ax.transAxes,
                    clip_on=False)  # fmt: skip
        ax.text(1 + apart, height, label.text, color=legible(label.color), transform=ax.transAxes, fontsize=9,
                va="center", ha="left")  # fmt: skip


def spread(heights: Sequence[float], *, gap: float) -> list[float]:
    """Move heights apart until neighbours are ``gap`` from each other, keeping their order.

    Overlapping neighbours are merged into blocks that stay centred on where they wanted to be
    (pool adjacent violators), so that nothing moves further than it must.
    """
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    blocks: list[tuple[float, int]] = []  # centre of the wanted positions less their offsets, and how many
    for i in order:
        centre, count = heights[i], 1
        while blocks and centre - (count - 1) / 2 * gap < blocks[-1][0] + (blocks[-1][1] + 1) / 2 * gap:
            before, size = blocks.pop()
            centre = (before * size + centre * count) / (size + count)
            count += size
        blocks.append((centre, count))
    placed = [centre + (k - (count - 1) / 2) * gap for centre, count in blocks for k in range(count)]
    moved = [0.0] * len(heights)
    for i, height in zip(order, placed, strict=True):
        moved[i] = height
    return moved


def write_title(ax: Axes, title: str, subtitle: str) -> None:
    """Write what the figure shows, flush left above the axes; long names never squeeze the axes."""
    lines = subtitle.count("\n") + 1
    ax.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=8 + 12 * lines)
    text = ax.annotate(
        subtitle, (0, 1), xytext=(0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=8.5, color=GREY
    )
    text.set_in_layout(False)  # the title's padding keeps its place


def fit_titles(figure: Figure) -> None:
    """Make titles smaller that would run over the edge of the figure."""
    titles: list[Text] = [ax._left_title for ax in figure.axes]  # type: ignore[attr-defined]
    if all(len(title.get_text()) < _LONG_TITLE for title in titles):
        return
    figure.draw_without_rendering()
    edge = _EDGE * figure.bbox.x1
    for title in titles:
        size = float(title.get_fontsize())
        # Letters are fitted to pixels, so a text of nine tenths of the size may have all of its width: look again.
        while (box := title.get_window_extent()).x1 > edge and size > _SMALLEST:
            size = max(_SMALLEST, min(0.98, (edge - box.x0) / box.width) * size)
            title.set_fontsize(size)


def own_axes(ax: Axes | None) -> Axes:
    """Return the axes given, or those of a new figure."""
    if ax is not None:
        if not hasattr(ax, "transAxes"):
            raise plain.refused("ax", "one axes of a figure", ax)
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=SIZE, layout="constrained")[1]


def save_figure(path: Path, draw: Callable[[Axes], object], *, size: tuple[float, float] = SIZE) -> Path:
    """Draw into a figure of its own, ``size`` inches, and write it to ``path``; PNG, SVG or PDF.

    Raises
    ------
    UsageError
        Another suffix.
    ResourceError
        The place cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise UsageError(f"A figure is written as {', '.join(sorted(_METADATA))}. Got '{path.name}'.")
    import matplotlib.style
    from matplotlib.figure import Figure

    with (
        _lacking_letters(),
        matplotlib.style.context("default"),
        # Words are no formulas, though two of them may be dollar signs.
        matplotlib.rc_context({"svg.hashsalt": "probekit", "text.parse_math": False}),
    ):
        figure = Figure(figsize=size, dpi=160, layout="constrained")
        draw(figure.subplots())
        fit_titles(figure)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as beside:
                figure.savefig(beside, format=suffix[1:], metadata=dict(_METADATA[suffix]))
        except OSError as error:
            raise ResourceError(f"The figure cannot be written to '{path}': {error.strerror}. Name another.") from error
    return path


@contextmanager
def _lacking_letters() -> Iterator[None]:
    """Say once, by name, which letters of a figure its font lacks; words of a corpus are of any script."""
    with warnings.catch_warnings(record=True) as seen:
        # What else is raised passes as if nobody had listened; a filter that makes errors of warnings stays in force.
        warnings.filterwarnings("always", message="Glyph .* missing from font")
        yield
    letters: dict[str, str] = {}
    for warning in seen:
        found = re.match(r"Glyph (\d+) .* missing from font\(s\) (.*)\.$", str(warning.message), re.DOTALL)
        if found:
            letters[chr(int(found[1]))] = found[2]
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if letters:
        named = ", ".join(f"'{letter}'" for letter in sorted(letters)[:_MOST_LETTERS])
        more = f" and {len(letters) - _MOST_LETTERS} more" if len(letters) > _MOST_LETTERS else ""
        font = next(iter(letters.values()))
        _LOG.warning("The font of figures (%s) lacks %s%s: boxes stand in their places.", font, named, more)
