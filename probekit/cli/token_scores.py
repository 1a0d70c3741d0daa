"""The scores of tokens that ``extract --score`` keeps beside the vectors: asked for, and told of.

Enters: the name of a score and the request of an extraction; scores that were made. Leaves: a refusal before anything
is computed; lines for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from probekit.cli.output import say
from probekit.errors import UsageError

if TYPE_CHECKING:
    from probekit.behaviour.cached_scores import TokenScores
    from probekit.extraction.request import Request


def check_score(score: str, request: Request, *, dry_run: bool) -> None:
    """Refuse, before anything is computed, scores that the model cannot give, or that have no effect.

    Raises
    ------
    UsageError
    """
    from probekit import plain
    from probekit.behaviour.scoring.making import SCORES
    from probekit.models.sources.find import find_model
    from probekit.models.sources.headed import check_head

    for name, given in (
        ("dry-run", dry_run),
        ("shard", request.shard),
        ("edits", request.spec.edits),
        ("keep", request.spec.keep.pooled),
        ("chat", request.spec.input == "chat"),
        ("" if request.spec.control is None else request.spec.control.kind, request.spec.control),
    ):
        if given not in (None, False):
            raise UsageError(
                f"The `score` option scores a whole cache of a trained model as it is, so it has no use with --{name}. "
                "Leave one of them out."
            )
    plain.choice(score, "score", tuple(name for name in SCORES if name != "seq2seq"))
    head = check_head(find_model(request.model, revision=request.revision), score.removesuffix("-original"))
    if head == "seq2seq":
        raise UsageError(
            f"The model '{request.model}' is an encoder-decoder, which scores a text given another. Score pairs "
            "of them with probekit behave."
        )


def print_scores(scores: TokenScores) -> None:
    """Say what was scored, and where it is kept."""
    count = int(scores.to_json()["scored"])
    typer.echo(f"scores     {count:,} of {len(scores.logprob):,} rows, {scores.method}; {scores.conventions}")
    typer.echo(f"           kept in {scores.kept}")
    for note in scores.notes:
        say(note)
