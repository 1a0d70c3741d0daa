"""The folder of a run: its plan, its log, its checkpoint, what came of it.

Enters: plain data and tensors. Leaves: files that another process, or the same one after ``kill -9``, goes on from.
Nothing is pickled: tensors are safetensors, the rest is strict JSON. Surprise: a checkpoint is a folder that appears
whole under its name, the number of steps done; an older one goes when the newer stands.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.errors import CacheError, UsageError
from probekit.storage.files import (
    digest_of,
    disk_errors,
    lacks_locks,
    lock,
    remove_stale,
    replace_bytes,
    sync,
    sync_folder,
)
from probekit.storage.strict import dump, parse_object, pretty

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "Tensor"]
CHECKPOINT = "checkpoint-"
MANIFEST = "manifest.json"
LOG = "log.jsonl"
SAVING = ".model-*"
"""Folders in which a model is written before its files are moved."""


def run_disk_errors(folder: Path, what: str) -> contextlib.AbstractContextManager[None]:
    """Turn every `OSError` inside into a :class:`~probekit.errors.ResourceError` that says how a run goes on."""
    put = "the run (the same command goes on from its last checkpoint)"
    return disk_errors(folder, what, put=put, options="--out")


class RunFolder:
    """The files of one run.

    Parameters
    ----------
    path : Path
        Made where it is not there.
    writes : bool
        Whether this process writes; of several that train together one does.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        if not writes:
            return
        with run_disk_errors(path, "the run"):
            path.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep another process from training in this folder meanwhile.

        Raises
        ------
        CacheError
            One does.
        """
        if not self.writes:
            yield
            return
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB) and not lacks_locks(fd):
                raise CacheError(f"Another process trains in {self.path}. Wait for it, or name another folder (--out).")
            yield
        finally:
            os.close(fd)

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """Open a folder that must be there.

        Raises
        ------
        UsageError
        """
        if not path.is_dir():
            raise UsageError(f"There is no folder {path}. Name the folder that `probekit tune --out` wrote.")
        return cls(path)

    def write(self, name: str, document: Mapping[str, Any]) -> Path:
        """Write a JSON document, whole or not at all."""
        return self._put(self.path / name, pretty(document))

    def read(self, name: str) -> dict[str, Any] | None:
        """Read a JSON document; None where it is not there."""
        place = self.path / name
        if not place.exists():
            return None
        return parse_object(place.read_bytes(), place)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text, whole or not at all."""
        return self._put(self.path / name, text.encode())

    def write_tensors(self, name: str, tensors: Tensors) -> Path:
        """Write tensors, whole or not at all."""
        return _write_tensors(self.path / name, tensors)

    def read_tensors(self, name: str) -> dict[str, Tensor]:
        """Read tensors."""
        return read_tensors(self.path / name)

    def save_checkpoint(self, step: int, state: Mapping[str, Any], tensors: Mapping[str, Tensors]) -> Path:
        """Keep what a run needs to go on behind so many steps; the checkpoint before it goes.

        Parameters
        ----------
        step : int
        state : mapping
            Plain data.
        tensors : mapping of str to mapping
            Files by name, each of tensors by name.
        """
        final = self.path / f"{CHECKPOINT}{step:08d}"
        building = self.path / f".{final.name}.{os.getpid()}"
        with run_disk_errors(self.path, "the checkpoint"):
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            try:
                for name, some in tensors.items():
                    _write_tensors(building / f"{name}.safetensors", some)
                replace_bytes(building / "state.json", pretty(dict(state)))
                sums = {file.name: digest_of(file) for file in sorted(building.iterdir())}
                replace_bytes(building / MANIFEST, pretty({"sha256": sums}))
                if final.exists():
                    shutil.rmtree(final)
                building.rename(final)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
            sync_folder(self.path)
        for other in self._checkpoints():
            if other != final:
                shutil.rmtree(other, ignore_errors=True)
        return final

    def checkpoint(self) -> Path | None:
        """Return the newest checkpoint, checked; what a killed run left half done is removed.

        Raises
        ------
        CacheError
            A checkpoint does not have the digests that it was written with.
        """
        found = self._checkpoints()
        if self.writes:
            for left in (
                *self.path.glob(f".{CHECKPOINT}*"),
                *self.path.glob(f"{CHECKPOINT}*"),
                *self.path.glob(SAVING),
            ):
                if left not in found:
                    shutil.rmtree(left, ignore_errors=True)
            remove_stale(self.path)
        if not found:
            return None
        newest = found[-1]
        manifest = newest / MANIFEST
        sums = parse_object(manifest.read_bytes(), manifest).get("sha256", {})
        for name, value in sums.items():
            if not (newest / name).is_file() or digest_of(newest / name) != value:
                raise CacheError(f"{newest / name} is damaged: remove {newest} and run the same command again.")
        return newest

    def kept(self) -> str:
        """Say which checkpoint a run that stops now leaves."""
        found = self._checkpoints()
        if not found:
            return f"No checkpoint was due yet in {self.path}."
        return f"The last checkpoint, {found[-1]}, is kept."

    def drop_checkpoints(self) -> None:
        """Remove checkpoints: the run is done."""
        if not self.writes:
            return
        for one in self._checkpoints():
            shutil.rmtree(one, ignore_errors=True)

    def _checkpoints(self) -> list[Path]:
        return sorted(place for place in self.path.glob(f"{CHECKPOINT}*") if (place / MANIFEST).is_file())

    def _put(self, place: Path, data: bytes) -> Path:
        if self.writes:
            with run_disk_errors(self.path, "the run"):
                replace_bytes(place, data)
        return place


class RunLog:
    """One JSON line a step; what stands behind the last checkpoint is cut off when a run goes on.

    Parameters
    ----------
    path : Path or None
        None: nothing is written, another process does.
    keep : int
        Bytes that stay.
    """

    def __init__(self, path: Path | None, keep: int = 0) -> None:
        self.path = path
        self._file: FileIO | None = None
        if path is None:
            return
        self._folder = path.parent
        with run_disk_errors(path.parent, "the log"):
            # Without a buffer: what a full disk did not take would be written again when the file is closed.
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115  (closed by close)
            if self._file.tell() < keep:
                self._file.close()
                raise CacheError(
                    f"{path} is shorter than the checkpoint says. Remove the run's folder and start again."
                )
            self._file.truncate(keep)
            self._file.seek(0, os.SEEK_END)

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a line."""
        if self._file is None:
            return
        with run_disk_errors(self._folder, "the log"):
            line = memoryview(dump(dict(row)).encode() + b"\n")
            while line:
                line = line[self._file.write(line) :]

    def sync(self) -> int:
        """Force what is written to the disk; return its size."""
        if self._file is None:
            return 0
        with run_disk_errors(self._folder, "the log"):
            sync(self._file.fileno())
            return self._file.tell()

    def close(self) -> None:
        """Close the file; every line was written by :meth:`add`, or it raised."""
        if self._file is not None:
            self._file.close()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file; its header is checked first.

    Raises
    ------
    CacheError
        The file is no safetensors, or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise CacheError(f"{path} cannot be read: {error}.") from error


def _write_tensors(path: Path, tensors: Tensors) -> Path:
    from safetensors.torch import save

    with run_disk_errors(path.parent, "the tensors of the run"):
        replace_bytes(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))
    return path
