"""What each layer of a model would predict: :class:`LensReport`.

Enters: measurements and provenance. Leaves: a table, a figure of curves, one of a sentence, frames, files. The rows are
those of every report (stage ``view-lens``): the method is the lens.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.report import Measurement
from probekit.report.rows import RowReport
from probekit.viewing.predictions.metrics import CROSS_ENTROPY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class LensReport(RowReport):
    """Layers read by the model's own head, through one lens or several.

    Attributes
    ----------
    rows : tuple of Measurement
        By lens, layer and part: ``cross_entropy`` (nats a token), ``accuracy``, ``agreement`` with the last layer,
        ``kl`` (nats, of the last layer's distribution from this one's).
    provenance : mapping
        ``task``, ``model``, ``corpus``, ``cache``, ``settings``, ``lenses``, ``certificate``, ``massive``,
        ``sentence``, ``notes``.
    """

    def __repr__(self) -> str:
        return f"LensReport({', '.join(self.lenses)}, layers={list(self.layers)}, rows={len(self.rows)})"

    @property
    def task(self) -> str:
        """``next-token`` or ``masked-token``."""
        return str(self.provenance.get("task", ""))

    @property
    def lenses(self) -> tuple[str, ...]:
        """Lenses, in their order."""
        return tuple(dict.fromkeys(row.method for row in self.rows if row.role == "estimator"))

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers, bottom to top."""
        return tuple(dict.fromkeys(row.layer for row in self.rows if isinstance(row.layer, int)))

    def curve(self, method: str, metric: str = CROSS_ENTROPY, *, split: str = "test") -> dict[int, Measurement]:
        """Return the rows of a lens, of a control or of a lens without massive dimensions, by layer."""
        wanted = (method, metric, split)
        return {
            row.layer: row
            for row in self.rows
            if (row.method, row.metric, row.split) == wanted and isinstance(row.layer, int)
        }

    def floor(self, metric: str = CROSS_ENTROPY, *, split: str = "test") -> Measurement | None:
        """Return what the frequencies of tokens alone come to."""
        wanted = ("floor", metric, split)
        return next((row for row in self.rows if (row.role, row.metric, row.split) == wanted), None)

    @property
    def tokens(self) -> pd.DataFrame:
        """One line a guess: lens, layer, place, what was read, the target with its log-probability and rank, the guess.

        ``order`` is 1 of the likeliest.
        """
        import pandas as pd

        shown: dict[str, Any] = self.provenance.get("sentence", {})
        lines = []
        for lens, layers in shown.get("readings", {}).items():
            for layer, found in layers.items():
                for i, (place, read, target) in enumerate(
                    zip(shown["place"], shown["read"], shown["target"], strict=True)
                ):
                    fixed = (lens, int(layer), place, read, target, found["logprob"][i], found["rank"][i])
                    guesses = zip(found["tokens"][i], found["probabilities"][i], strict=True)
                    lines += [(*fixed, order, *guess) for order, guess in enumerate(guesses, start=1)]
        names = ["lens", "layer", "place", "read", "target", "target_logprob", "target_rank", "order", "token"]
        return pd.DataFrame(lines, columns=[*names, "probability"])

    @property
    def massive(self) -> pd.DataFrame:
        """One line a massive dimension: layer, dim, tokens, first, largest, median, mean."""
        import pandas as pd

        names = ["layer", "dim", "tokens", "first", "largest", "median", "mean"]
        return pd.DataFrame(list(self.provenance.get("massive", ())), columns=names)

    def table(self) -> str:
        """Return the tables as text."""
        from probekit.viewing.predictions.tables import render

        return render(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the cross-entropy of every lens by layer, with control and floor."""
        from probekit.viewing.predictions.figures import plot

        return plot(self, ax)

    def plot_sentence(self, ax: Axes | None = None, *, lens: str | None = None) -> Axes:
        """Draw the likeliest token of every layer at every place of the sentence."""
        from probekit.viewing.predictions.figures import plot_sentence

        return plot_sentence(self, ax, lens=lens)

    def save_sentence(self, path: str | os.PathLike[str], *, lens: str | None = None) -> Path:
        """Write :meth:`plot_sentence` as PNG, SVG or PDF, by the suffix."""
        from probekit.report.render.drawing import save_figure
        from probekit.viewing.predictions.figures import size_of_sentence

        return save_figure(
            plain.path(path, "path"), lambda ax: self.plot_sentence(ax, lens=lens), size=size_of_sentence(self)
        )
