"""A worker of several: it loads the model once and is then given shards; what it writes goes to the shared folder.

Enters: what was asked for, as the command checked it. Leaves: shards in a cache that the command has opened; only
counts of rows go back. Surprise: a worker trusts nothing that it can see for itself. It reads a token that the command
wrote, so that its folder is the same one, and hashes its model, so that it is the same model.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.errors import CacheError, ResourceError
from probekit.storage.files import read_small

if TYPE_CHECKING:
    from probekit.cache.format.names import ShardSpec
    from probekit.cache.write.staging import StagedCorpus
    from probekit.extraction.filling import Filling
    from probekit.extraction.request import Request

PATIENCE = 3.0
"""Seconds that a file may take to be seen on another node; network file systems keep what they saw for a while."""


@dataclass(frozen=True, slots=True)
class Token:
    """A file in the folder of caches and what it says, so that another node can tell whether it sees this folder."""

    path: Path
    text: str


class Worker:
    """A model on some node.

    Parameters
    ----------
    request : Request
    identity : mapping
        What names the cache; the model here must have its digests.
    """

    def __init__(self, request: Request, identity: Mapping[str, Any]) -> None:
        self.request = request
        self.identity = identity
        self._stop = threading.Event()
        self._open = ExitStack()
        self._plan: dict[str, Any] = {}
        self._filling: Filling | None = None

    def sees(self, token: Token) -> bool:
        """Whether the folder of caches is the one that the command wrote a token into."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return read_small(token.path).decode() == token.text
            except CacheError:
                if time.monotonic() > until:
                    return False
                time.sleep(0.1)

    def load(self, threads: int) -> dict[str, Any]:
        """Load the model on this many threads; return what shards are made with.

        Raises
        ------
        CacheError
            It is another model than the command's.
        """
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        import torch

        from probekit.extraction.filling import made_with
        from probekit.extraction.opening import load_for, tokeniser_for
        from probekit.extraction.places import chosen_tensors
        from probekit.models.sources.find import check_unchanged, find_model, stamps

        torch.set_num_threads(threads)
        source = find_model(self.request.model, revision=self.request.revision)
        before = stamps(source)
        digests = source.digests()
        self.loaded = load_for(self.request, source)
        check_unchanged(source, before)
        if self.request.spec.control is not None:
            digests["weights"] = self.loaded.weights_digest()
        wanted = {name: self.identity["model"].get(name) for name in digests}
        if other := sorted(name for name in digests if digests[name] != wanted[name]):
            raise CacheError(
                f"The model '{self.request.model}' on {os.uname().nodename} is another than the command's: its "
                f"{' and '.join(other)} differ. Put the same files on every node, or name a folder that all share."
            )
        self.tokeniser = tokeniser_for(self.loaded, self.request.spec)
        self.tensors = chosen_tensors(self.loaded, self.request.spec)
        self._open.enter_context(self.request.spec.at_work(self.loaded))
        self._plan = made_with(self.loaded, self.request.spec, self.tokeniser)
        return self._plan

    def certify(self, staged: StagedCorpus) -> dict[str, Any]:
        """Return what the certificate of chats adds to the plan; see :func:`probekit.extraction.chats.certify`."""
        from probekit.corpus import open_corpus
        from probekit.extraction.chats import certify

        return certify(staged, self.tokeniser, open_corpus(self.request.corpus))

    def run(self, shard: ShardSpec, folder: Path, key: str, more: Mapping[str, Any]) -> int:
        """Run a shard and publish it; return its rows. Stopped or failed in between, nothing of it is left.

        Parameters
        ----------
        shard : ShardSpec
        folder : Path
            Of the cache that the command opened, with its `key`; it is joined before the first shard.
        key : str
        more : mapping
            What the plan says beside what this worker's shards are made with.
        """
        try:
            at_work = self._filling = self._filling or self._join(folder, key, {**self._plan, **more})
            ready = at_work.prepare(shard)
            for _ in at_work.run(shard, ready):
                if self._stop.is_set():
                    raise ResourceError("The command ended before this shard was done.")
            at_work.runner.drain()
        except BaseException:
            self._open.close()
            raise
        return ready.rows

    def _join(self, folder: Path, key: str, plan: Mapping[str, Any]) -> Filling:
        from probekit.cache.write.writer import CacheWriter
        from probekit.extraction.filling import filling

        writer = self._open.enter_context(CacheWriter.join(folder, key, plan, mixed=self.request.mixed))
        at_work = filling(self.loaded, self.request.spec, self.tokeniser, writer=writer, tensors=self.tensors)
        return self._open.enter_context(at_work)

    def stop(self) -> None:
        """Leave off after the batch at hand."""
        self._stop.set()
