"""A model as an extraction reads with it, and what turns stored examples into its tokens.

Enters: a request, a model that was found. Leaves: a live model; a :class:`~probekit.extraction.shard.Tokeniser`. Others
that read texts as an extraction does take theirs here too. torch is imported when a model is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.extraction.request import Request
from probekit.extraction.spec import ExtractionSpec, needed, token_limit
from probekit.models.sources.find import ModelSource
from probekit.sites import WEIGHTS

if TYPE_CHECKING:
    from probekit.extraction.shard import Tokeniser
    from probekit.models.sources.load import LoadedModel
    from probekit.models.tokens.align import Aligner


def load_for(request: Request, source: ModelSource) -> LoadedModel:
    """Load the model as the request wants it; attention weights are there where attention is computed eagerly."""
    spec = request.spec
    return source.load(
        dtype=spec.dtype,
        device=needed(request.device, spec.layers),
        control=spec.control,
        attention="eager" if WEIGHTS in spec.sites else None,
    )


def limit_of(loaded: LoadedModel, spec: ExtractionSpec) -> int | None:
    """Return how many tokens a model reads at once under a specification; None: as many as there are.

    Raises
    ------
    UsageError
        The specification asks for more than the model reads.
    """
    return _limit(loaded, spec, _aligner(loaded))


def tokeniser_for(loaded: LoadedModel, spec: ExtractionSpec) -> Tokeniser:
    """Return what turns stored examples into rows for this model."""
    from probekit.extraction.shard import Tokeniser
    from probekit.models.tokens.chat import ChatEncoder

    aligner = _aligner(loaded)
    limit = _limit(loaded, spec, aligner)
    if aligner is None:
        assert loaded.encoder is not None
        return Tokeniser(loaded.encoder, spec, limit=limit)
    if spec.input != "chat":
        return Tokeniser(aligner, spec, limit=limit)
    assert spec.template is not None
    chats = ChatEncoder(loaded.tokenizer, spec.template, vocabulary=loaded.vocabulary)
    return Tokeniser(aligner, spec, limit=limit, chats=chats)


def _aligner(loaded: LoadedModel) -> Aligner | None:
    """Return what aligns a model's words, a copy of its tokenizer within; None where it has an encoder of its own."""
    from probekit.models.tokens.align import Aligner

    return None if loaded.encoder is not None else Aligner(loaded.tokenizer, vocabulary=loaded.vocabulary)


def _limit(loaded: LoadedModel, spec: ExtractionSpec, aligner: Aligner | None) -> int | None:
    closed = aligner is None or (spec.input != "chat" and bool(aligner.backend.suffix))
    return token_limit(loaded, spec, closed=closed)
