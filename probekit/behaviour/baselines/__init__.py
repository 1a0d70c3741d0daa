"""What a language model has to beat: n-grams, the frequency of words, the commonest answer.

Enters: a text, or items. Leaves: scorers of one protocol, ``score(words) -> float`` in nats, and ``unknown(words)``,
the words that the scorer has never seen. Surprise: an unknown word is no error and no accident of smoothing: it has a
probability of its own (or, in a closed vocabulary, none), and is named on request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from probekit.behaviour.baselines.arpa import read_arpa, write_arpa
from probekit.behaviour.baselines.kneser_ney import train_ngram
from probekit.behaviour.baselines.majority import majority_scores
from probekit.behaviour.baselines.ngram import NgramModel
from probekit.behaviour.baselines.unigram import UnigramModel
from probekit.behaviour.baselines.wording import sentences_of, words_of

__all__ = [
    "NgramModel",
    "UnigramModel",
    "WordScorer",
    "majority_scores",
    "read_arpa",
    "sentences_of",
    "train_ngram",
    "words_of",
    "write_arpa",
]


class WordScorer(Protocol):
    """Scores a sentence by its words."""

    def score(self, words: Sequence[str]) -> float:
        """Return the log-probability of a sentence, in nats."""

    def unknown(self, words: Sequence[str]) -> list[str]:
        """Return the words that the scorer does not know, in the order of the sentence."""
