"""Files that Git LFS left as a pointer to what they should hold."""

from __future__ import annotations

from pathlib import Path

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"


def is_pointer(path: Path) -> bool:
    """Whether Git LFS left a file as a pointer to the real one."""
    try:
        with path.open("rb") as handle:
            return handle.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        return False
