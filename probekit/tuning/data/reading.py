"""The tokens of a corpus, as a live model reads them or as a cache holds them.

Enters: a corpus, and a model or a cache of it. Leaves: :class:`ReadTokens`. Surprise: both roads end in one
:class:`~probekit.cache.index.CacheIndex`, and how texts were read is written down, so that a tuned model reads others
in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.cache.index import CacheIndex
from probekit.cache.keep import need_tokens
from probekit.cache.notes import cache_notes
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus
from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.extraction.layout import lay_out_shard
from probekit.extraction.opening import tokeniser_for
from probekit.extraction.spec import ExtractionSpec
from probekit.features import matched
from probekit.models.sources.digests import text_digest
from probekit.models.sources.templates import chat_template

if TYPE_CHECKING:
    from probekit.models.sources.find import ModelSource
    from probekit.models.sources.load import LoadedModel

HOW = ("input", "template", "max_length", "overflow")
"""Fields of an :class:`~probekit.extraction.spec.ExtractionSpec` that say how texts become tokens."""
USUAL = ExtractionSpec()
"""As texts are read where nothing else is said."""


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
    how : ExtractionSpec
        How the texts became tokens; of a cache of chats without the template, of which a cache keeps the digest.
    """

    examples: Sequence[Example]
    index: CacheIndex
    textless: tuple[int, ...]
    notes: list[str]
    how: ExtractionSpec = USUAL


@dataclass(frozen=True, slots=True)
class AskedReading:
    """How texts are to be read, as far as it was said.

    Attributes
    ----------
    input, max_length, overflow : optional
        As :class:`~probekit.extraction.spec.ExtractionSpec` has them; None: it was not said.
    """

    input: str | None = None
    max_length: int | None = None
    overflow: str | None = None

    def __post_init__(self) -> None:
        checked = self.over(USUAL)
        for name in self.given:
            object.__setattr__(self, name, getattr(checked, name))

    @property
    def given(self) -> dict[str, Any]:
        """What was said, by name."""
        return {name: value for name in HOW if (value := getattr(self, name, None)) is not None}

    def over(self, own: ExtractionSpec) -> ExtractionSpec:
        """Return another reading with what was said in the place of its own."""
        return replace(own, **self.given)

    def against(self, own: ExtractionSpec, limit: Callable[[ExtractionSpec], int | None]) -> str:
        """Say in which way another reading is not what was asked for; empty: in none.

        Parameters
        ----------
        own : ExtractionSpec
        limit : callable
            ``limit(own)`` gives the tokens that the model reads at once so; asked only where nothing else tells.
        """
        unsaid = {"max_length": "the model's own limit"}
        said = [
            f"`{name}` {unsaid.get(name) if its is None else its}, and {value} is asked for"
            for name, value in self.given.items()
            if (its := getattr(own, name)) != value and not (its is None and name in unsaid and limit(own) == value)
        ]
        return "; ".join(said)


def reading_of(record: Mapping[str, Any] | None) -> ExtractionSpec:
    """Return how texts were read, by what a run wrote down; of a run that wrote nothing, as texts usually are."""
    written = record or {}
    return replace(USUAL, **{name: written[name] for name in HOW if name in written})


def reading_in(cache: ActivationCache) -> ExtractionSpec:
    """Return how the texts of a cache were read, of chats without the template, of which it keeps the digest."""
    return reading_of({name: value for name, value in cache.identity.items() if name != "template"})


def further(own: ExtractionSpec) -> ExtractionSpec:
    """Return how texts are read beside those of a run: as its own, and longer ones are cut off.

    Raises
    ------
    UsageError
        The run reads chats, which are never cut.
    """
    return replace(own, overflow="truncate")


def beside_chats(what: str) -> UsageError:
    """Return the error of what reads further texts, beside a model that is tuned on chats.

    Parameters
    ----------
    what : str
        The subject of the message.
    """
    return UsageError(
        f"{what} reads texts as they are, and this model is tuned on chats under a template: the two would be "
        "different inputs. Leave it out, or extract without --chat."
    )


def read_so(
    cache: ActivationCache | None,
    asked: AskedReading,
    notes: list[str],
    *,
    named: bool,
    limit: Callable[[ExtractionSpec], int | None],
) -> ActivationCache | None:
    """Return a cache whose texts were read as is asked for; the one of a report is left aside, with a note, else.

    A length that is the model's own limit is asked for in vain: texts are read so without it.

    Raises
    ------
    UsageError
        The cache was named, and its texts were read otherwise.
    """
    if cache is None or not (otherwise := asked.against(reading_in(cache), limit)):
        return cache
    if named:
        raise UsageError(
            f"{cache.path.name} was made with {otherwise}: its states are of the texts as it read them. Leave that "
            "out, or leave out --on, or extract again with it."
        )
    notes.append(
        f"{cache.path.name}, the report's cache, was made with {otherwise}, so nothing is read from it: the model "
        "computes its frozen layers itself."
    )
    return None


def reading_for(
    cache: ActivationCache | None,
    told: Mapping[str, Any],
    asked: AskedReading,
    source: ModelSource,
    template_file: Any,
) -> ExtractionSpec:
    """Return how texts become tokens: as is asked for; else as in the cache, or in that of a report, where it is gone.

    Parameters
    ----------
    cache : ActivationCache or None
    told : mapping
        The settings of the report, if there is one: whether its cache holds words, text or chats.
    asked : AskedReading
    source : ModelSource
        Whose template chats have.
    template_file : path or None
        A file of a template in the place of the model's own.

    Raises
    ------
    UsageError
        A template where there are no chats; another one than that of the cache.
    """
    made = told if cache is None else cache.identity
    says = ("input", "max_length", "overflow") if cache is not None else ("input",)  # a report: words, text or chats
    how = {**{name: made[name] for name in says if name in made}, **asked.given}
    if how.get("input") != "chat":
        if template_file is not None:
            raise UsageError(
                "Only chats are read by a template, and what is trained on is none. Leave out --chat-template, or name "
                "a cache that was extracted with --chat."
            )
        return replace(USUAL, **how)
    template = chat_template(source, None if template_file is None else plain.path(template_file, "chat_template"))
    wanted = made.get("template")
    if wanted is not None and text_digest([template]) != wanted:
        which = "its own" if template_file is None else f"that of {template_file}"
        raise UsageError(
            f"The chats were read by another template than '{source.name}' would read them by now ({which}). Name the "
            "file that --chat-template named then."
        )
    return replace(USUAL, **how, template=template)


def read_model(loaded: LoadedModel, corpus: Corpus, spec: ExtractionSpec) -> ReadTokens:
    """Read the tokens of a corpus by a model; raises as :func:`from_model`."""
    examples = list(corpus)
    index, textless, notes = tokens_of(loaded, examples, spec, where=f"the corpus '{corpus.name}'")
    return ReadTokens(examples, index, textless, [*corpus.remarks, *notes], spec)


def tokens_of(
    loaded: LoadedModel, examples: Sequence[Example], spec: ExtractionSpec, *, where: str
) -> tuple[CacheIndex, tuple[int, ...], list[str]]:
    """Return the tokens that a model reads of some examples, those that are spaces alone, and what was cut off.

    Raises
    ------
    InputError
        There is no example, or one that is longer than the model reads.
    UsageError
        Overlapping windows are asked for.
    """
    if spec.overflow == "window":
        raise UsageError("A head reads every example at once: choose --overflow truncate, not window.")
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
    notes = [*corpus.remarks, *cache_notes(cache)]
    return ReadTokens(examples, cache.index(), cache.textless or (), notes, reading_in(cache))
