"""Predictions of the chosen layer, one test target (of a tree: one sentence) a line, for error analysis.

Enters: a probing run. Leaves: a JSONL file. Surprise: the layer is the one chosen on dev.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from probekit.errors import ResourceError
from probekit.storage.files import replace_bytes
from probekit.storage.strict import dump

if TYPE_CHECKING:
    from probekit.probing.run import Probing


def write_predictions(probing: Probing, path: Path) -> Path:
    """Write what a study predicted, one JSON object a line; its fields are the study's.

    Returns
    -------
    Path
        The file written.
    """
    lines = [dump(line) for line in probing.predictions()]
    try:
        replace_bytes(path, ("\n".join(lines) + "\n").encode())
    except OSError as error:
        raise ResourceError(
            f"{path} cannot be written: {error.strerror}. Choose another --predictions file."
        ) from error
    return path
