"""Chats on their way into a cache: the template that reads them, and the proof that it reads all of them.

Enters: what was asked for, a model, a corpus that is staged. Leaves: a request that knows its template, and the
certificate of every chat, made before the model runs: a chat that cannot be read is named with its line, whatever its
place in the corpus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from probekit.cache.write.staging import StagedCorpus
from probekit.errors import InputError, UsageError
from probekit.extraction.request import Request
from probekit.models.sources.templates import chat_template

if TYPE_CHECKING:
    from probekit.corpus.corpus import Corpus
    from probekit.extraction.shard import Tokeniser
    from probekit.models.sources.find import ModelSource

NAMED = 3
"""Chats that are named where several cannot be read."""


def with_template(request: Request, source: ModelSource) -> Request:
    """Return a request whose spec has the template that chats are rendered by; any other as it is.

    Raises
    ------
    UsageError
        The model has none and none was given.
    """
    if request.spec.input != "chat":
        return request
    return replace(request, spec=replace(request.spec, template=chat_template(source, request.chat_template)))


def certify(staged: StagedCorpus, tokeniser: Tokeniser, corpus: Corpus) -> dict[str, Any]:
    """Encode every chat of a corpus, and count what was found; see :mod:`probekit.models.tokens.chat`.

    Raises
    ------
    UsageError
        The corpus holds no chat.
    InputError
        Examples that are no chats, whose contents do not stand in their tokens, or that are longer than the model
        reads; the first few with their lines.
    """
    from probekit.models.tokens.chat import ChatCounts
    from probekit.models.tokens.rendering import NotRendered

    assert tokeniser.chats is not None
    counts, unbegun, refused, chats = ChatCounts(), 0, dict[str, str](), 0
    for shard in staged.shards:
        for example in staged.read(shard):
            if not example.messages:
                refused[example.id] = "it is no chat"
                continue
            chats += 1
            try:
                encoded, found = tokeniser.chats.encode(example.messages)
            except NotRendered as reason:
                refused[example.id] = f"message {reason}"
                continue
            if tokeniser.limit is not None and len(encoded.ids) > tokeniser.limit:
                refused[example.id] = (
                    f"it has {len(encoded.ids)} tokens under the template, and the model reads {tokeniser.limit}"
                )
            counts += found
            unbegun += tokeniser.chats.unbegun(encoded)
    if not chats:
        raise UsageError(
            f"--chat reads chats, and the corpus '{staged.name}' holds none: rows with the column 'messages', or "
            "'prompt' (and 'completion', or 'chosen' and 'rejected'). Leave out --chat, or name the columns: "
            "csv:prompt=question,completion=answer:FILE."
        )
    if refused:
        raise InputError(_refusal(refused, staged, corpus))
    return {**asdict(counts), "unbegun": unbegun}


def _refusal(refused: Mapping[str, str], staged: StagedCorpus, corpus: Corpus) -> str:
    first = dict(list(refused.items())[:NAMED])
    lines = _lines(corpus, first)
    named = "; ".join(f"{lines.get(one) or f'example {one!r}'}: {reason}" for one, reason in first.items())
    more = f"; and {len(refused) - NAMED:,} more" if len(refused) > NAMED else ""
    return (
        f"{len(refused):,} of {staged.examples:,} chats cannot be read as they were written: {named}{more}. Correct or "
        "leave out these rows, or give a template that reads them (--chat-template FILE)."
    )


def _lines(corpus: Corpus, ids: Iterable[str]) -> dict[str, str]:
    """Return where examples stand; the corpus is read again, for only now is it known which are meant."""
    wanted, found = set(ids), {}
    for example in corpus:
        if example.id in wanted:
            found[example.id] = corpus.notes.place
            if len(found) == len(wanted):
                break
    return found
