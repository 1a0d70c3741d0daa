"""What a model loses as its weights are masked: :class:`PruningReport`.

Enters: a curve and how it was made. Leaves: rows, a table, a figure, a file. The rows are those of every report (stage
``ablate-weights``); the share of weights that is zero stands in ``strength``, as ``sparsity``.
"""

from __future__ import annotations

from dataclasses import replace

from probekit.ablation.curves import Curve
from probekit.ablation.report import AblationReport, rows_of
from probekit.report import Measurement

STAGE, SPARSITY, RANDOM = "ablate-weights", "sparsity", "random_mask"


class PruningReport(AblationReport):
    """Scores of a model without some of its weights.

    ``random`` in its provenance has the score of every random mask, ``matrices`` how many weights each matrix has and
    how many of them are gone at the highest sparsity.
    """

    _across, _drawn = SPARSITY, "random masks"

    @property
    def heading(self) -> str:
        """What was masked in which model, and what was measured."""
        return f"{self.provenance.get('task', '')} · {self.provenance.get('model', {}).get('name', '')} without weights"

    @property
    def _along(self) -> str:
        return "share of the weights left out"

    @staticmethod
    def _step(removed: float) -> str:
        return f"{removed:.1%}"

    def _below(self) -> list[str]:
        matrices = self.provenance.get("matrices", ())
        ranked = sorted(matrices, key=lambda its: its[2] / its[1])
        ends = [f"{name} ({gone / n:.1%})" for name, n, gone in (ranked[:1] + ranked[-1:])]
        at = max((row.strength or 0.0 for row in self.rows), default=0.0)
        return [f"at {at:.1%} of {len(matrices):,} matrices the least and the most is gone of {', '.join(ends)}"]


def pruning_rows(curve: Curve, blank: Measurement) -> list[Measurement]:
    """Return the rows of a curve over sparsities.

    Parameters
    ----------
    curve : Curve
    blank : Measurement
        Names of the stage, task, model, method, metric and unit.
    """
    made = rows_of(curve, blank)
    drawn = f"mean of {len(curve.random)} masks"
    return [
        replace(
            row, strength_name=SPARSITY, note=drawn if row.role == "control" else row.note,
            method=RANDOM if row.role == "control" else row.method,
        )
        for row in made
    ]  # fmt: skip
