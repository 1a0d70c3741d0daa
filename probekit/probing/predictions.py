"""Predictions of the chosen layer, one test target a line, for error analysis.

Enters: a probing run. Leaves: a JSONL file. Surprise: the layer is the one chosen on dev.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from probekit.errors import ResourceError

if TYPE_CHECKING:
    from probekit.probing.sweep import Probing


def write_predictions(probing: Probing, path: Path) -> Path:
    """Write ``{"layer", "example", "spans", "form", "gold", "predicted", "right"}`` a line.

    Returns
    -------
    Path
        The file written.
    """
    layer = probing.report.best_layer().layer
    outcome = next(outcome for outcome in probing.outcomes if outcome.layer == layer)
    question = probing.question
    table, part = question.table, question.parts["test"]
    lines = []
    for row, (code, gold) in enumerate(zip(outcome.task.test_codes, part.y, strict=True), start=part.rows.start):
        lines.append(
            json.dumps(
                {
                    "layer": layer,
                    "example": table.ids[table.example[row]],
                    "spans": table.spans[row].tolist(),
                    "form": table.forms[row],
                    "gold": question.labels[row],
                    "predicted": question.classes[code],
                    "right": bool(code == gold),
                },
                ensure_ascii=False,
            )
        )
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"{path} cannot be written: {error.strerror}. Choose another --predictions file."
        ) from error
    return path
