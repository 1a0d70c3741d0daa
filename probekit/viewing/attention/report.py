"""What heads give from word to word in one sentence: :class:`AttentionMap`.

Enters: rows, and the weights in the provenance. Leaves: frames, a table, figures, a page, a file from which all of them
are made again without the cache. Special tokens are always in the file, and shown where that was asked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit import plain
from probekit.cache.format.names import model_name
from probekit.errors import UsageError
from probekit.report.render.drawing import save_figure
from probekit.report.render.table import shortened
from probekit.report.rows import RowReport
from probekit.viewing.attention.names import DRAWINGS, LINES, MODEL
from probekit.viewing.pages import write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STAGE = "view-attention"
MOST_PANELS = 12
"""Heads that are drawn large."""


@dataclass(frozen=True)
class AttentionMap(RowReport):
    """The heads of one sentence.

    Attributes
    ----------
    rows : tuple of Measurement
        Of each head the mean share that words give to special tokens (role ``companion``; it speaks of this sentence,
        so it has no interval).
    provenance : mapping
        ``model``, ``corpus``, ``cache``, ``settings``, ``sentence``, ``units`` (words and special tokens, in order),
        ``weights`` (of each head a square table over the units), ``notes``.
    """

    def __repr__(self) -> str:
        return f"AttentionMap({self.heading!r}, heads={len(self.heads)}, words={len(self.words)})"

    @property
    def heads(self) -> tuple[tuple[int | str, int], ...]:
        """Block (``"3.weights"``) and number of each head, bottom to top."""
        return tuple((entry["layer"], int(entry["head"])) for entry in self.provenance["weights"])

    @property
    def names(self) -> tuple[str, ...]:
        """The heads as they are written: ``3-8``, of an encoder-decoder ``encoder:3-8``."""
        return tuple(f"{str(layer).removesuffix('.weights')}-{head}" for layer, head in self.heads)

    @property
    def special(self) -> bool:
        """Whether special tokens are shown."""
        return bool(self.provenance["settings"]["special"])

    @property
    def heading(self) -> str:
        """Whose heads, in which sentence."""
        made = self.provenance
        ident = shortened(str(made["sentence"]["id"]), 24)
        return f"attention of {model_name(made['model'])} · {shortened(made['corpus']['name'])}, sentence {ident}"

    @property
    def caption(self) -> str:
        """What goes to special tokens, in one line."""
        shares = [row.value for row in self.rows if row.value is not None]
        ends = sorted({round(100 * end) for end in (min(shares), max(shares))})
        told = f"{' to '.join(map(str, ends))} %"
        if not self.has_special:
            return "the model read no special tokens: what a word gives adds up to 1"
        if self.special:
            return f"special tokens, which take {told} of a head's weight, are shown"
        return f"special tokens are not shown: what is left, {told} of a head's weight, goes to them"

    @property
    def has_special(self) -> bool:
        """Whether the sentence was read with special tokens."""
        return any(unit["word"] < 0 for unit in self.provenance["units"])

    @cached_property
    def _shown(self) -> NDArray[np.int64]:
        units = self.provenance["units"]
        return np.array([place for place, unit in enumerate(units) if self.special or unit["word"] >= 0], np.int64)

    @property
    def words(self) -> tuple[str, ...]:
        """What is shown, in the order of the sentence."""
        units = self.provenance["units"]
        return tuple(str(units[place]["text"]) for place in self._shown)

    @cached_property
    def all_weights(self) -> NDArray[np.float64]:
        """Of every head and unit, float64 [heads, units, units]: each row adds up to 1."""
        return np.array([entry["weights"] for entry in self.provenance["weights"]], np.float64)

    def matrices(self) -> NDArray[np.float64]:
        """Return what is shown of every head, float64 [heads, words, words]: entry [h, i, j] is what i takes from j."""
        return self.all_weights[:, self._shown][:, :, self._shown]

    def matrix(self, head: str) -> NDArray[np.float64]:
        """Return what is shown of one head, ``3-8``, float64 [words, words].

        Raises
        ------
        UsageError
            There is no such head.
        """
        if head not in self.names:
            raise UsageError(f"The heads shown are {', '.join(self.names)}. Got '{head}'.")
        return np.asarray(self.matrices()[self.names.index(head)])

    @property
    def weights(self) -> pd.DataFrame:
        """One line a head and pair: layer, head, source, target (from 0), the two words, weight.

        With special tokens shown the weights of each head and source add up to 1.
        """
        import pandas as pd

        n = len(self.words)
        source, target = np.divmod(np.arange(n * n), n)
        words = np.array(self.words, object)
        parts = [
            pd.DataFrame({
                "layer": layer, "head": head, "source": source, "target": target, "source_word": words[source],
                "target_word": words[target], "weight": matrix.ravel(),
            })
            for (layer, head), matrix in zip(self.heads, self.matrices(), strict=True)
        ]  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    @property
    def left_out(self) -> pd.DataFrame:
        """One line a head and word: what it gives to special tokens, whether or not they are shown."""
        import pandas as pd

        units = self.provenance["units"]
        words = np.array([unit["word"] for unit in units])
        given = self.all_weights[:, words >= 0][:, :, words < 0].sum(axis=2)
        texts = [unit["text"] for unit in units if unit["word"] >= 0]
        return pd.concat(
            [
                pd.DataFrame({"layer": layer, "head": head, "word": texts, "special": shares})
                for (layer, head), shares in zip(self.heads, given, strict=True)
            ],
            ignore_index=True,
        )

    @property
    def drawing(self) -> str:
        """How the figure is drawn unless said otherwise: few heads as lines, more as one small matrix each."""
        return LINES if len(self.heads) <= MOST_PANELS else MODEL

    def table(self, width: int | None = None) -> str:
        """Return the table as text: a line a head."""
        from probekit.viewing.attention.render import render

        return render(self, width)

    def plot(self, ax: Axes | None = None, *, drawing: str | None = None) -> Axes:
        """Draw the heads; see :attr:`drawing`.

        Parameters
        ----------
        ax : Axes, optional
        drawing : {"lines", "matrix", "model"}, optional
            A line from each word to each word, as thick as its weight; a matrix of words; all heads as small matrices,
            a row a block.

        Raises
        ------
        UsageError
            More than 12 heads as lines or large matrices.
        """
        from probekit.viewing.attention.draw import draw

        return draw(self, self.check_drawing(drawing), ax)

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height of the figure, in inches."""
        from probekit.viewing.attention.draw import size_for

        return size_for(self, self.drawing)

    def save_plot(self, path: str | os.PathLike[str], *, drawing: str | None = None) -> Path:
        """Write the figure as PNG, SVG or PDF, by the suffix; see :meth:`plot`."""
        from probekit.viewing.attention.draw import size_for

        how = self.check_drawing(drawing)
        return save_figure(plain.path(path, "path"), lambda ax: self.plot(ax, drawing=how), size=size_for(self, how))

    def check_drawing(self, drawing: Any) -> str:
        """Return how the figure is drawn.

        Raises
        ------
        UsageError
            It is none of the drawings, or of too many heads.
        """
        how = self.drawing if drawing is None else plain.choice(drawing, "drawing", DRAWINGS)
        if how != MODEL and len(self.heads) > MOST_PANELS:
            raise UsageError(
                f"{len(self.heads)} heads cannot be drawn as {how}: at most {MOST_PANELS} can be told apart. Name "
                "some with --heads or --layers, or draw the model."
            )
        return how

    def save_weights(self, path: str | os.PathLike[str]) -> Path:
        """Write :attr:`weights` as CSV; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        place = plain.path(path, "path")
        return write_bytes(place, self.weights.to_csv(index=False).encode("utf-8", "surrogatepass"), "weights")

    def save_page(self, path: str | os.PathLike[str]) -> Path:
        """Write the sentence as one HTML file that needs no network and no server; return the path.

        Raises
        ------
        ResourceError
            The place cannot be written.
        """
        from probekit.viewing.attention.page import page_of

        return write_bytes(plain.path(path, "path"), page_of(self).encode("utf-8", "surrogatepass"), "page")
