"""The tokens of a corpus, as a live model reads them or as a cache holds them.

Enters: a corpus, and a model or a cache of it. Leaves: :class:`ReadTokens`. Surprise: both roads end in one
:class:`~probekit.cache.index.CacheIndex`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probekit.cache.index import CacheIndex
from probekit.cache.keep import need_tokens
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus
from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.extraction.layout import lay_out_shard
from probekit.extraction.opening import tokeniser_for
from probekit.extraction.spec import ExtractionSpec
from probekit.features import matched

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel


@dataclass(frozen=True, slots=True)
class ReadTokens:
    """Examples with their tokens.

    Attributes
    ----------
    examples : sequence of Example
    index : CacheIndex
        Example, word and token of every row.
    textless : tuple of int
        Ids of tokens that are spaces alone.
    notes : list of str
    """

    examples: Sequence[Example]
    index: CacheIndex
    textless: tuple[int, ...]
    notes: list[str]


def read_model(loaded: LoadedModel, corpus: Corpus, spec: ExtractionSpec) -> ReadTokens:
    """Read the tokens of a corpus by a model; raises as :func:`from_model`."""
    if spec.overflow == "window":
        raise UsageError("Training reads every example at once: choose --overflow truncate, not window.")
    examples = list(corpus)
    index, textless, notes = tokens_of(loaded, examples, spec, where=f"the corpus '{corpus.name}'")
    return ReadTokens(examples, index, textless, [*corpus.remarks, *notes])


def tokens_of(
    loaded: LoadedModel, examples: Sequence[Example], spec: ExtractionSpec, *, where: str
) -> tuple[CacheIndex, tuple[int, ...], list[str]]:
    """Return the tokens that a model reads of some examples, those that are spaces alone, and what was cut off.

    Raises
    ------
    InputError
        There is no example, or one that is longer than the model reads.
    """
    if not examples:
        raise InputError(f"There is no example in {where}.")
    tokeniser = tokeniser_for(loaded, spec)
    ids = [example.id for example in examples]
    layout = lay_out_shard(tokeniser.encode(examples), ids, 0, limit=tokeniser.limit, overflow=spec.overflow)
    notes = []
    if cut := layout.truncated:
        notes.append(f"{len(cut):,} examples are cut to the model's limit and lose {cut.total():,} words.")
    index = CacheIndex(layout.examples_of(""), layout.word, layout.token)
    return index, tuple(tokeniser.encoder.textless), notes


def read_cache(cache: ActivationCache, corpus: Corpus) -> ReadTokens:
    """Read the tokens of a corpus from a cache of it; raises as :func:`from_cache`."""
    need_tokens(cache, "Training from cached states")
    if cache.stacks != ("",):
        raise UsageError("Models with an encoder and a decoder are not tuned: name a model with one stack of blocks.")
    if cache.identity.get("overflow") == "window":
        raise UsageError(
            f"{cache.path.name} was made with --overflow window, and training reads every example at once. Extract "
            "with --overflow truncate."
        )
    examples = list(matched(cache.examples(), corpus, f"the corpus '{corpus.name}'"))
    return ReadTokens(examples, cache.index(), cache.textless or (), list(corpus.remarks))
