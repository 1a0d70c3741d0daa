"""Some of the rows that an estimator reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probekit.features import TokenRows

Part = NDArray[np.float32] | TokenRows


def taken(part: Part, rows: NDArray[np.int64]) -> Part:
    """Return some rows of what an estimator reads of a split."""
    return part.take(rows) if isinstance(part, TokenRows) else part[rows]
