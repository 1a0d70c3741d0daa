"""Write one shard: rows go to their final offsets as they come, and appear all at once or never.

Row counts and blocks of rows enter, ``shards/00042.safetensors`` and its receipt leave. The file's
space is allocated before the first row (a full disk shows before the model runs), each tensor is
hashed while its rows arrive in order, and the file is linked under its name when it is whole.
Surprise: losing the race for a shard is no error, as the winner's bytes are as good.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from probekit.cache.format.header import Header, Placed, build_header, file_size, parse_header, place
from probekit.cache.format.names import NUMPY, ShardSpec, TensorSpec, receipt_name, shard_key, shard_name, with_indexes
from probekit.cache.format.plan import CachePlan
from probekit.cache.keep import Keep
from probekit.cache.write import crashes
from probekit.errors import ResourceError
from probekit.storage.direct_io import BUDGET, PIECE, PageCacheCost, Region, open_direct
from probekit.storage.files import Temporary, disk_errors, free_bytes, publish_bytes, write_all
from probekit.storage.strict import pretty

"""How the stored dtypes come and go; numpy has no bfloat16, so its bits travel as uint16."""

_READ_BACK = 4 << 20
_NO_ALLOCATE = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class ShardWriter:
    """Writer of one shard; a context manager that leaves no temporary file behind.

    Parameters
    ----------
    plan : CachePlan
        Of the cache.
    spec : ShardSpec
    rows : mapping of str to int
        Rows of each stack, and its pairs of tokens where attention weights are kept.
    tensors : sequence of TensorSpec
        The layers; index tensors are added for each stack.
    cost : PageCacheCost, optional
        What earlier shards have learned about the page cache.

    Raises
    ------
    ResourceError
        If there is no room for the shard, or the folder cannot be written.
    """

    def __init__(
        self,
        plan: CachePlan,
        spec: ShardSpec,
        *,
        rows: Mapping[str, int],
        tensors: Sequence[TensorSpec],
        cost: PageCacheCost | None = None,
    ) -> None:
        self.folder = folder = plan.folder
        self._key = shard_key(plan.key, spec)
        self.spec = spec
        self._placed = place(with_indexes(tensors, pooled=Keep.of(plan.identity).pooled), rows)
        self.nbytes = file_size(self._placed)
        what = f"shard {spec.number}"
        with disk_errors(folder, what, needed=self.nbytes):
            self._temporary = Temporary(folder / "shards", shard_name(spec.number))
            try:
                self._allocate()
                self._direct = open_direct(self._temporary.path)
            except BaseException:
                self._temporary.close()
                raise
        cost = cost or PageCacheCost()
        piece = min(PIECE, BUDGET // len(self._placed))
        self._states = {
            name: _TensorProgress(
                placed,
                Region(
                    self._temporary.fd,
                    self._direct,
                    cost=cost,
                    start=placed.offset,
                    stop=placed.offset + placed.nbytes,
                    piece=piece,
                ),
            )
            for name, placed in self._placed.items()
        }

    def _allocate(self) -> None:
        fd = self._temporary.fd
        try:
            while True:
                with contextlib.suppress(InterruptedError):
                    return os.posix_fallocate(fd, 0, self.nbytes)
        except AttributeError:  # macOS has no posix_fallocate
            pass
        except OSError as error:
            if error.errno not in _NO_ALLOCATE:
                raise
        free = free_bytes(self.folder)
        if free < self.nbytes:
            raise ResourceError(
                f"Cannot write shard {self.spec.number} in {self.folder}: {self.nbytes:,} bytes are needed, "
                f"{free:,} bytes are free. Make room, or put the cache elsewhere with --cache or PROBEKIT_CACHE."
            )
        os.ftruncate(fd, self.nbytes)

    def put(self, name: str, row: int, block: NDArray[Any]) -> None:
        """Write rows ``row .. row + len(block)`` of a tensor; may be called from any thread.

        Parameters
        ----------
        name : str
            A layer (``layer.03``) or an index tensor (``index.word``).
        row : int
            First row in this shard.
        block : ndarray [n, width], or [n] for an index tensor
            C-contiguous, of the tensor's own dtype (bfloat16: its bits as uint16).
        """
        state = self._states[name]
        placed = state.placed
        spec = placed.spec
        shape = (len(block), spec.width) if spec.width else (len(block),)
        if block.dtype != NUMPY[spec.dtype] or block.shape != shape or not block.flags.c_contiguous:
            raise ValueError(
                f"{name} takes C-contiguous blocks of {NUMPY[spec.dtype].__name__} [n, {spec.width}]; "
                f"got {block.dtype} {list(block.shape)}."
            )
        if not 0 <= row <= row + len(block) <= placed.rows:
            raise ValueError(f"Rows {row}..{row + len(block)} of {name} lie outside its {placed.rows} rows.")
        with disk_errors(self.folder, f"shard {self.spec.number}"):
            state.put(row, block)

    def publish(self, receipt: Mapping[str, Any]) -> bool:
        """Make the shard and its receipt visible and durable; False where another writer was faster.

        Parameters
        ----------
        receipt : mapping
            JSON-able findings of the shard: alignment counts, largest magnitudes (see
            :func:`probekit.cache.format.manifest.merge_findings` for how shards are added up).

        Raises
        ------
        ValueError
            If rows are missing, or the receipt is too long for the header.
        """
        with disk_errors(self.folder, f"shard {self.spec.number}", needed=self.nbytes):
            for state in self._states.values():
                state.finish()
            digests = {name: state.digest(self._temporary.fd) for name, state in self._states.items()}
            header = build_header(self.spec.number, self._key, self._placed, digests=digests, receipt=receipt)
            write_all(self._temporary.fd, header, 0)
            won = self._temporary.publish()
            if won or self._same(header):
                parsed = parse_header(header, self.nbytes, f"shard {self.spec.number}")
                data = receipt_bytes(parsed, hashlib.sha256(header).hexdigest())
                publish_bytes(self.folder / "receipts" / receipt_name(self.spec.number), data)
            crashes.forget(self.folder, self.spec)
        return won

    def _same(self, header: bytes) -> bool:
        with contextlib.suppress(OSError):
            fd = os.open(self._temporary.final, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                return os.pread(fd, len(header), 0) == header
            finally:
                os.close(fd)
        return False

    def close(self) -> None:
        """Remove what was not published."""
        if self._direct is not None:
            os.close(self._direct)
            self._direct = None
        self._temporary.close()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _TensorProgress:
    """Which rows of one tensor have arrived, and the digest of those that came in order."""

    def __init__(self, placed: Placed, region: Region) -> None:
        self.placed = placed
        self._region = region
        self._lock = threading.Lock()
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._stop = 0
        self._early: dict[int, int] = {}

    def put(self, row: int, block: NDArray[Any]) -> None:
        with self._lock:
            if row < self._stop or row in self._early:
                raise ValueError(f"Row {row} of {self.placed.spec.name} was put twice.")
            if len(block) == 0:
                return
            self._region.write(block, self.placed.offset + row * self.placed.spec.row_bytes)
            if row == self._hashed:
                self._hash.update(block.data)
                self._hashed += len(block)
            self._early[row] = row + len(block)
            while self._stop in self._early:
                self._stop = self._early.pop(self._stop)

    def finish(self) -> None:
        if self._stop != self.placed.rows or self._early:
            raise ValueError(f"{self.placed.spec.name}: row {self._stop} of {self.placed.rows} was never put.")
        self._region.finish()

    def digest(self, fd: int) -> str:
        """Hash the rows that came out of order from the file, and return the whole digest."""
        offset = self.placed.offset + self._hashed * self.placed.spec.row_bytes
        end = self.placed.offset + self.placed.nbytes
        hash_range(self._hash, fd, offset, end)
        return self._hash.hexdigest()


def hash_range(digest: Any, fd: int, start: int, stop: int) -> None:
    """Feed bytes ``start .. stop`` of a file to a hash."""
    while start < stop:
        part = os.pread(fd, min(_READ_BACK, stop - start), start)
        if not part:
            raise OSError(errno.EIO, "the file ends early")
        digest.update(part)
        start += len(part)


def receipt_bytes(header: Header, sha256: str) -> bytes:
    """Return the receipt of a shard from its checked header and the sha256 of the header's bytes."""
    return pretty(
        {
            "number": header.number,
            "size": header.size,
            "rows": header.rows,
            "header_sha256": sha256,
            "data_sha256": header.sha256,
            "receipt": header.receipt,
        }
    )
