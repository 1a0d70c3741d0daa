"""The online code: how many bits the training labels cost, layer by layer.

Enters: each layer's training vectors. Leaves: rows of bits and compression, of the task and of its
control. Surprise: these rows are of the train split, because the labels that are sent are those of
training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from probekit.probing.analyses import Analysis, Context
from probekit.probing.analyses._scoring import training_row
from probekit.probing.analyses.code_length.online import OnlineCode, online_codes
from probekit.probing.estimators import LayerMatrix
from probekit.probing.problem import Result
from probekit.report import Measurement

METHOD, CONTROL_METHOD = "online_code", "online_code_control"


class OnlineCodes:
    """Prices the labels of each layer as its matrix passes by [1]_.

    References
    ----------
    .. [1] Voita & Titov 2020, Information-theoretic probing with minimum description length.
    """

    def __init__(self, context: Context) -> None:
        self.problems, self.study = context.question.problems, context.study
        self.codes: dict[int | str, list[OnlineCode]] = {}

    def see(self, matrix: LayerMatrix, results: Sequence[Result]) -> None:
        """Send the labels of a layer."""
        self.codes[matrix.layer] = online_codes(
            matrix.train,
            self.problems,
            groups=self.study.sentences,
            seed=self.study.seed,
            device=self.study.device,
        )

    def rows(self, blank: Measurement) -> Iterator[Measurement]:
        """Yield bits and compression of every layer, of the task and of the mean of its control draws."""
        blank = replace(training_row(blank, self.study), seed=self.study.seed)
        for layer, (task, *controls) in self.codes.items():
            yield from _rows(replace(blank, layer=layer, method=METHOD), [task])
            if controls:
                yield from _rows(replace(blank, layer=layer, method=CONTROL_METHOD, role="control"), controls)

    def notes(self) -> list[str]:
        """Say in one sentence where the labels are cheapest."""
        best = min(self.codes, key=lambda layer: self.codes[layer][0].bits)
        task, *controls = self.codes[best]
        control = f"; control {_mean([code.compression for code in controls]):.2f}" if controls else ""
        said = (
            f"Online code of {task.n:,} training labels ({task.uniform_bits:,.0f} bits uniform): layer {best} takes "
            f"fewest, {task.bits:,.0f} bits (compression {task.compression:.2f}{control})."
        )
        return [said]


def _rows(row: Measurement, codes: Sequence[OnlineCode]) -> Iterator[Measurement]:
    notes = [f"mean of {len(codes)} draws"] if len(codes) > 1 else []
    edges = sorted({code.strength for code in codes if code.at_edge})
    if edges:
        notes.append(f"the strength is at the edge of the grid: {', '.join(f'{C:g}' for C in edges)}")
    if not all(code.converged for code in codes):
        notes.append("a fit did not converge")
    single = len(codes) == 1
    row = replace(row, strength=codes[0].strength if single else None, strength_name="C")
    row = replace(row, seed=row.seed if single else None, note="; ".join(notes))
    yield replace(row, metric="bits", value=_mean([code.bits for code in codes]))
    yield replace(row, metric="compression", value=_mean([code.compression for code in codes]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


ANALYSIS = Analysis(
    "online-code",
    OnlineCodes,
    "Bits that the training labels cost, sent block by block.",
    needs=("linear",),
)
