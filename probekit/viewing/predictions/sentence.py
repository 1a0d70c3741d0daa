"""One sentence, token by token: what each layer would say stands there.

Enters: the predicted tokens of a sentence, readings. Leaves: plain data for a report: of every reading and token the
likeliest tokens with their probabilities, and what the token that is there has, and its rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from probekit.models.runtime.ending import Ending
from probekit.viewing.predictions.scoring import Reading, log_distributions
from probekit.viewing.predictions.tokens import Part

TOP = 5
_DIGITS = 5


@torch.no_grad()
def read_sentence(ending: Ending, part: Part, readings: Sequence[Reading]) -> dict[str, Any]:
    """Read every predicted token of a sentence.

    Returns
    -------
    dict
        ``place``, ``read``, ``target`` (a list each), ``readings``: by method and layer ``tokens`` and
        ``probabilities`` [places, 5], ``logprob`` and ``rank`` of the target.
    """
    written = Written(ending.loaded.tokenizer)
    target = torch.from_numpy(part.target).to(ending.loaded.device)[:, None]
    found: dict[str, dict[str, Any]] = {}
    distributions = log_distributions(ending, part, np.arange(len(part)), readings)
    for reading, logs in zip(readings, distributions, strict=True):
        top = logs.topk(min(TOP, logs.shape[1]), dim=-1)
        own = logs.gather(1, target)
        found.setdefault(reading.method, {})[str(reading.layer)] = {
            "tokens": [[written.of(ident) for ident in row] for row in top.indices.tolist()],
            "probabilities": [[round(value, _DIGITS) for value in row] for row in top.values.exp().tolist()],
            "logprob": [round(value, _DIGITS) for value in own[:, 0].tolist()],
            "rank": ((logs > own).sum(dim=-1) + 1).tolist(),
        }
    return {
        "place": part.place.tolist(),
        "read": [written.of(ident) for ident in part.read.tolist()],
        "target": [written.of(ident) for ident in part.target.tolist()],
        "readings": found,
    }


class Written:
    """Writes tokens for people: a space before a word as a dot, what is no whole letter as it is named."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[int, str] = {}

    def of(self, ident: int) -> str:
        """Return a token as it is shown."""
        if ident not in self._known:
            self._known[ident] = self._write(ident)
        return self._known[ident]

    def _write(self, ident: int) -> str:
        named = self._tokenizer.convert_ids_to_tokens(ident)
        if named is None:  # rows of the table that no token has
            return f"<{ident}>"
        text = self._tokenizer.decode([ident], clean_up_tokenization_spaces=False)
        if not text or "\N{REPLACEMENT CHARACTER}" in text:
            return str(named)
        if named[0] in "\u0120\u2581" and not text.startswith(" "):  # decoding a token alone may drop its space
            text = " " + text
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text).replace(" ", "\u00b7")
