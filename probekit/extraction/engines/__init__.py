"""Who runs the shards of an extraction, ``--engine NAME``: one file each, found by scanning this folder.

Enters: a :class:`Job`, which knows its model, its staged corpus and the name of its cache. Leaves: an
:class:`~probekit.extraction.result.Extraction`. A file sets ``ENGINE = Engine(name, run, help)`` and is its own
registration. The plan on disk decides what is missing, so an engine keeps nothing of its own: killed at any moment,
the same command goes on, by the same engine or another.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.cache.format.names import ShardSpec
from probekit.cache.write.writer import CacheWriter
from probekit.errors import UsageError
from probekit.extraction.result import Extraction, summarise
from probekit.registry import Registry

if TYPE_CHECKING:
    from probekit.cache.write.staging import StagedCorpus
    from probekit.corpus.corpus import Corpus
    from probekit.extraction.request import Request
    from probekit.models.sources.find import ModelSource
    from probekit.models.sources.load import LoadedModel


@dataclass(frozen=True, slots=True)
class Job:
    """An extraction that is not done yet.

    Attributes
    ----------
    request : Request
        It knows its template, where chats are read.
    source : ModelSource
    before : list
        Stamps of the model's files, taken before they were hashed.
    corpus : Corpus
    staged : StagedCorpus
    identity : mapping
        What names the cache.
    loaded : LoadedModel or None
        A control model, which was made to be named.
    progress : callable or None
        Called with the share done (0..1) and a note.
    tell : callable
        Told what a person should know, in sentences.
    """

    request: Request
    source: ModelSource
    before: Any
    corpus: Corpus
    staged: StagedCorpus
    identity: Mapping[str, Any]
    loaded: LoadedModel | None
    progress: Callable[[float, str], None] | None
    tell: Callable[[str], None]

    def open(self, plan: Mapping[str, Any]) -> CacheWriter:
        """Create the cache, or join it where it exists; `plan` is what its shards are made with."""
        asked = self.request
        return CacheWriter.open(
            asked.root, self.identity, plan, self.staged, mixed=asked.mixed, resume_command=asked.resume_command
        )

    def missing(self, writer: CacheWriter) -> list[ShardSpec]:
        """Return the shards that are still to be written, of the part that was asked for."""
        part, of = self.request.shard or (1, 1)
        return [shard for shard in writer.missing() if shard.number % of == part - 1]

    def finish(
        self, writer: CacheWriter, plan: Mapping[str, Any], *, tokens: int, ran: Mapping[str, Any]
    ) -> Extraction:
        """Write the manifest if every shard is there, record the run, and say what was made.

        Parameters
        ----------
        writer : CacheWriter
        plan : mapping
            What the shards of this run are made with.
        tokens : int
            Rows that this run wrote.
        ran : mapping
            ``began`` (of ``time.perf_counter``), ``shards``, and what else the record shall keep.
        """
        manifest = writer.finish()
        seconds = time.perf_counter() - ran["began"]
        kept = {name: value for name, value in ran.items() if name != "began"}
        record = {"seconds": seconds, "tokens": tokens, **kept, "host": platform.node()}
        writer.record({**record, "model": str(self.source.files()[0]), **plan})
        return summarise(
            manifest if manifest is not None else writer.progress(),
            writer.folder,
            self.request.spec,
            self.staged.summary(),
            made_with=writer.plan.made_with,
            seconds=seconds,
            tokens=tokens,
        )


@dataclass(frozen=True, slots=True)
class Engine:
    """A way to run the shards of an extraction.

    Attributes
    ----------
    name : str
        What the user types.
    run : callable
        ``run(job)`` gives the :class:`~probekit.extraction.result.Extraction`.
    help : str
        One line.
    shared : bool
        Several workers do it, so ``--workers`` and ``--address`` mean something.
    """

    name: str
    run: Callable[[Job], Extraction]
    help: str
    shared: bool = False


ENGINES = Registry("engine", Engine, attribute="ENGINE", group="probekit.engines", home=__name__)


def get_engine(name: str) -> Engine:
    """Find an engine by name."""
    return ENGINES.get(name, "engine")


def asked_engine(engine: Any, workers: Any, address: Any) -> tuple[str, int | None, str | None]:
    """Check what was asked for: the name of an engine, how many workers, where they are.

    Raises
    ------
    UsageError
        There is no such engine, or workers are asked for of one that has none.
    """
    name = plain.text(engine, "engine")
    chosen = get_engine(name)
    for option, given in (("workers", workers), ("address", address)):
        if given is not None and not chosen.shared:
            several = ", ".join(other.name for other in ENGINES.members().values() if other.shared)
            raise UsageError(
                f"The `{option}` option is of an engine with several workers ({several}), and the engine is {name}. "
                f"Add --engine {several.partition(',')[0]}, or leave it out."
            )
    return (
        name,
        None if workers is None else plain.whole(workers, "workers", least=1),
        None if address is None else plain.text(address, "address"),
    )
