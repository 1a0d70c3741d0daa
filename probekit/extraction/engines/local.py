"""In this process: the next shard is tokenised ahead, the model runs, and a thread writes and publishes behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from probekit.cache.format.certificate import CHATS
from probekit.cache.format.names import ShardSpec
from probekit.extraction.chats import certify
from probekit.extraction.engines import Engine, Job
from probekit.extraction.filling import Filling, filling, made_with
from probekit.extraction.opening import load_for, tokeniser_for
from probekit.extraction.result import Extraction
from probekit.models.sources.find import check_unchanged


def run(job: Job) -> Extraction:
    """Load the model here and run what is missing."""
    from probekit.extraction.places import chosen_tensors

    spec = job.request.spec
    loaded = job.loaded or load_for(job.request, job.source)
    check_unchanged(job.source, job.before)
    tokeniser = tokeniser_for(loaded, spec)
    chats = {} if tokeniser.chats is None else {CHATS: certify(job.staged, tokeniser, job.corpus)}
    plan = {**made_with(loaded, spec, tokeniser), **chats}
    tensors = chosen_tensors(loaded, spec)
    with (
        spec.at_work(loaded),  # first: what is refused leaves no folder behind
        job.open(plan) as writer,
        filling(loaded, spec, tokeniser, writer=writer, tensors=tensors) as at_work,
    ):
        mine = job.missing(writer)
        began = time.perf_counter()
        tokens = _run_shards(at_work, mine, job.progress)
        if loaded.placement is not None:
            loaded.placement.check_unchanged()
        return job.finish(writer, plan, tokens=tokens, ran={"began": began, "shards": len(mine)})


def _run_shards(at_work: Filling, mine: Sequence[ShardSpec], progress: Callable[[float, str], None] | None) -> int:
    """Tokenise ahead, run, write behind; an error in any of the three stops all. Return the rows written."""
    total = sum(shard.words for shard in mine)
    words = tokens = 0
    started = time.perf_counter()
    with ThreadPoolExecutor(1, "tokenise") as ahead:
        upcoming = [ahead.submit(at_work.prepare, shard) for shard in mine[:1]]
        for number, shard in enumerate(mine):
            ready = upcoming.pop().result()
            upcoming.extend(ahead.submit(at_work.prepare, later) for later in mine[number + 1 : number + 2])
            for rows in at_work.run(shard, ready):
                if progress is not None:
                    rate = (tokens + rows) / (time.perf_counter() - started)
                    progress((words + shard.words * rows / ready.rows) / total, f"{rate:,.0f} tokens/s")
            words += shard.words
            tokens += ready.rows
        at_work.runner.drain()
    return tokens


ENGINE = Engine("local", run, "one process on this machine")
