"""The variational code: bits of the probe and of the labels given it, layer by layer.

Enters: each layer's training vectors. Leaves: rows of bits and compression, of the task and of its control.
At most :data:`ROWS` training rows are sent, whole sentences, the same at every layer; the compression,
not the bits, compares with the online code of all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses.code_length.variational import VariationalCode, variational_codes
from probekit.probing.estimators import LayerMatrix
from probekit.probing.problem import Result
from probekit.report import Measurement
from probekit.statistics.units import whole_units

METHOD, CONTROL_METHOD = "variational_code", "variational_code_control"
ROWS = 20_000


class VariationalCodes:
    """Prices the labels of each layer as its matrix passes by [1]_.

    References
    ----------
    .. [1] Voita & Titov 2020, Information-theoretic probing with minimum description length.
    """

    def __init__(self, context: Context) -> None:
        self.study, problems = context.study, context.question.problems
        self.sample = whole_units(self.study.sentences, ROWS, np.random.default_rng(self.study.seed))
        self.problems = [replace(problem, y_train=problem.y_train[self.sample]) for problem in problems]
        self.codes: dict[int | str, list[VariationalCode]] = {}

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Send the labels of a layer."""
        self.codes[matrix.layer] = variational_codes(
            matrix.train[self.sample], self.problems, seed=self.study.seed, device=self.study.device
        )

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield bits and compression of every layer, of the task and of the mean of its control draws."""
        units = len(np.unique(self.study.sentences[self.sample]))
        seed = self.study.seed
        blank = replace(
            blank, split="train", n=len(self.sample), n_groups=units, unit="sentence", seed=seed, strength=None
        )
        for layer, (task, *controls) in self.codes.items():
            for method, role, codes in ((METHOD, blank.role, [task]), (CONTROL_METHOD, "control", controls)):
                if codes:
                    notes = [f"mean of {len(codes)} draws"] if len(codes) > 1 else []
                    notes += [] if all(code.converged for code in codes) else ["the fit did not converge"]
                    row = replace(blank, layer=layer, method=method, role=role, note="; ".join(notes))
                    yield replace(row, metric="bits", value=_mean([code.bits for code in codes]))
                    yield replace(row, metric="model_bits", value=_mean([code.model_bits for code in codes]))
                    yield replace(row, metric="compression", value=_mean([code.compression for code in codes]))

    def notes(self) -> list[str]:
        """Say in one sentence where the labels are cheapest."""
        best = min(self.codes, key=lambda layer: self.codes[layer][0].bits)
        task, *controls = self.codes[best]
        control = f"; control {_mean([code.compression for code in controls]):.2f}" if controls else ""
        late = [str(layer) for layer, codes in self.codes.items() if not all(code.converged for code in codes)]
        unsettled = f" Bits of layer {', '.join(late)} are more than need be: the fit did not converge." if late else ""
        return [
            f"Variational code of {task.n:,} training labels ({task.uniform_bits:,.0f} bits uniform): layer {best} "
            f"takes fewest, {task.bits:,.0f} bits, {task.model_bits:,.0f} of them the probe's "
            f"(compression {task.compression:.2f}{control}).{unsettled}"
        ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


ANALYSIS = Analysis(
    "variational-code",
    VariationalCodes,
    "Bits of a compressed probe and of the labels given it.",
    needs=("vectors",),
)
