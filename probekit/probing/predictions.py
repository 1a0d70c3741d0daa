"""Predictions of the chosen layer, one test target (of a tree: one sentence) a line, for error analysis.

Enters: a probing run. Leaves: a JSONL file. Surprise: the layer is the one chosen on dev.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from probekit.errors import ResourceError

if TYPE_CHECKING:
    from probekit.probing.run import Probing


def write_predictions(probing: Probing, path: Path) -> Path:
    """Write what a study predicted, one JSON object a line; its fields are the study's.

    Returns
    -------
    Path
        The file written.
    """
    lines = [json.dumps(line, ensure_ascii=False) for line in probing.predictions()]
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"{path} cannot be written: {error.strerror}. Choose another --predictions file."
        ) from error
    return path
