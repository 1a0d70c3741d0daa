"""Matrices that lie in a temporary file, for layers larger than the memory they may take.

Enters: a shape and a folder. Leaves: an array mapped from a file that has no name any more, so that nothing is left
behind however the process ends. The file's blocks are reserved before it is mapped; a full disk is an error here, and
not a signal in the middle of a fit.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ResourceError


def zeros(shape: tuple[int, ...], folder: Path | None) -> NDArray[np.float32]:
    """Return zeros of float32, in memory or (with a folder) in a temporary file of it.

    Raises
    ------
    ResourceError
        The folder cannot be written, or has no room.
    """
    size = 4 * int(np.prod(shape))
    if folder is None or size == 0:
        return np.zeros(shape, np.float32)
    path = None
    try:
        handle, path = tempfile.mkstemp(prefix=".probekit-", suffix=".matrix", dir=folder)
        try:
            os.posix_fallocate(handle, 0, size)
        finally:
            os.close(handle)
        return np.memmap(path, np.float32, "r+", shape=shape)
    except OSError as error:
        raise ResourceError(
            f"A layer's matrix of {size / 1e9:.1f} GB does not go into a temporary file in {folder}: {error.strerror}. "
            "Free some space, set TMPDIR to a folder with more, or raise --max-ram."
        ) from error
    finally:
        if path is not None:
            os.unlink(path)


def zeros_like(X: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return zeros where ``X`` lies: in memory, or in a file of the same folder."""
    name = X.filename if isinstance(X, np.memmap) else None
    return zeros(shape, None if name is None else Path(name).parent)
