"""Write a region of a file through the page cache, or past it where that is dear.

Rows that follow one another enter, their bytes reach the file. Where the page cache has to take fresh memory for every
page (virtual machines), it can cost more processor time than hashing the data does, and the model needs that time:
then whole pages go to the disk in large aligned pieces while the thread sleeps. Nothing depends on it. Rows out of
order, and file systems that refuse, are written in the ordinary way, and the bytes are the same.

The page in which the way changes goes through the page cache alone: none is written both ways.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
from pathlib import Path
from typing import Any

from probekit.storage.files import write_all

PAGE = 4096
PIECE = 4 << 20
"""Bytes written at once: a request takes milliseconds however small it is."""
BUDGET = 64 << 20
"""Bytes of buffers over all regions of a file."""
TRIAL = 16 << 20
"""Bytes written through the page cache before it is judged."""
FAIR_RATE = 1.5e9
"""Bytes a second of processor time; a page cache that copies only reaches several times that."""
_REFUSALS = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


def open_direct(path: Path) -> int | None:
    """Open an existing file for writing past the page cache, where system and file system can."""
    flag = getattr(os, "O_DIRECT", 0)
    if not flag:
        return None
    try:
        return os.open(path, os.O_WRONLY | flag | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None


class PageCacheCost:
    """What writing through the page cache has cost so far, in processor time of the writing threads."""

    def __init__(self) -> None:
        self._bytes = 0
        self._seconds = 0.0

    def add(self, count: int, seconds: float) -> None:
        """Count bytes written and the processor time it took."""
        self._bytes += count
        self._seconds += seconds

    @property
    def slow(self) -> bool:
        """Whether it is worth going past the page cache."""
        return self._bytes >= TRIAL and self._seconds * FAIR_RATE > self._bytes


class Region:
    """Bytes ``start .. stop`` of a file, written mostly in order.

    Parameters
    ----------
    fd, direct : int
        Descriptors of the same file, the second opened with O_DIRECT (None: the ordinary way only).
    cost : PageCacheCost
        Shared by all regions of a writer.
    start, stop : int
    piece : int
        Bytes of the buffer.
    """

    def __init__(
        self, fd: int, direct: int | None, *, cost: PageCacheCost, start: int, stop: int, piece: int = PIECE
    ) -> None:
        self._fd = fd
        self._may = direct
        self._direct: int | None = None
        self._cost = cost
        self._next = start
        self._last = stop // PAGE * PAGE
        self._piece = piece
        self._buffer: mmap.mmap | None = None
        # The bytes `_held .. _stop` wait in the buffer; before `_held` all is written.
        self._held = self._stop = start

    def write(self, data: Any, offset: int) -> None:
        """Write a C-contiguous buffer at an offset of the file."""
        view = memoryview(data)
        if view.nbytes == 0:
            return
        view = view.cast("B")
        if offset != self._next:
            self.finish()
        elif self._may is not None and self._direct is None and self._cost.slow:
            self._begin(offset)
        self._next = offset + len(view)
        if self._direct is None:
            started = time.thread_time()
            write_all(self._fd, view, offset)
            self._cost.add(len(view), time.thread_time() - started)
            return
        head = max(0, min(self._stop - offset, len(view)))
        inside = max(head, min(self._last - offset, len(view)))
        write_all(self._fd, view[:head], offset)
        self._collect(view[head:inside])
        write_all(self._fd, view[inside:], offset + inside)

    def _begin(self, offset: int) -> None:
        first = -(-offset // PAGE) * PAGE
        if first < self._last:
            self._direct = self._may
            self._held = self._stop = first
            self._buffer = mmap.mmap(-1, max(PAGE, min(self._piece, self._last - first) // PAGE * PAGE))

    def finish(self) -> None:
        """Write what waits in the buffer, and everything from now on, in the ordinary way."""
        self._may = self._direct = None
        self._send()
        self._buffer = None

    def _collect(self, view: memoryview) -> None:
        while len(view):
            assert self._buffer is not None
            filled = self._stop - self._held
            count = min(len(self._buffer) - filled, len(view))
            self._buffer[filled : filled + count] = view[:count]
            self._stop += count
            view = view[count:]
            if filled + count == len(self._buffer) or self._stop == self._last:
                self._send()

    def _send(self) -> None:
        if self._buffer is None or self._held == self._stop:
            return
        with memoryview(self._buffer) as whole, whole[: self._stop - self._held] as view:
            if self._direct is None or not self._sent_directly(view):
                write_all(self._fd, view, self._held)
        self._held = self._stop

    def _sent_directly(self, view: memoryview) -> bool:
        assert self._direct is not None
        try:
            write_all(self._direct, view, self._held)
        except OSError as error:
            # A file system may accept the flag and refuse the write; a short write leaves an offset
            # that is not aligned.
            if error.errno not in _REFUSALS:
                raise
            return False
        return True
