"""Features beside each other: states of layers and word vectors, word by word.

Enters: a table of word vectors, the words of a corpus. Leaves: for every token the states with the vector of its word
behind them. Every token of a word is given the word's vector, so however a word is pooled its vector is the same;
special tokens and pads are given zeros. Surprise: a word without a vector is not left out but given the mean of all,
as a table that is run as a model gives it; how many those were, and which, is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probekit.corpus.notes import list_names
from probekit.models.sources.vectors import WordVectors
from probekit.models.tokens.words import WordEncoder

NONE = -1
"""Row of a token that is in no word."""


class WordRows:
    """Finds the row of every word, and counts those that have none.

    Parameters
    ----------
    vectors : WordVectors

    Attributes
    ----------
    n_words : int
        Words looked up so far.
    lowered, unknown : Counter
        Words, by form, that were found in lower case alone; and that have no vector.
    """

    def __init__(self, vectors: WordVectors) -> None:
        self._encoder = WordEncoder(vectors.rows, vectors.mean_row)
        self.n_words = 0
        self.lowered: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()

    def look_up(self, sentences: Iterable[Sequence[str]]) -> list[NDArray[np.int64]]:
        """Return the row of each word of each sentence; to be called once a corpus, since it counts."""
        found = []
        for words in sentences:
            (encoded,) = self._encoder.encode_words([words])
            found.append(encoded.ids.astype(np.int64))
            self.n_words += len(words)
            self.lowered.update(words[place] for place in encoded.lowered)
            self.unknown.update(words[place] for place in encoded.vectorless)
        return found

    def remarks(self, name: str) -> list[str]:
        """Return what is to be said of the words of a corpus beside the vectors ``name``, a sentence each."""
        said = [
            (self.unknown, f"have no vector in {name} and are given the mean of all"),
            (self.lowered, f"are found in {name} in lower case alone"),
        ]
        return [
            f"{sum(counts.values()):,} of {self.n_words:,} words ({len(counts):,} forms) {what}: "
            f"{list_names([f'{form!r} ({n:,})' for form, n in counts.most_common()])}."
            for counts, what in said
            if counts
        ]


def rows_of_tokens(rows: Sequence[NDArray[np.int64]], word: Tensor) -> Tensor:
    """Return the row of the word of every token.

    Parameters
    ----------
    rows : sequence of int64 array
        Of the words of each example in the batch (:meth:`WordRows.look_up`).
    word : Tensor of int64, shape (B, T)
        Ordinal of each token's word in its example; -1 at special tokens and pads.

    Returns
    -------
    Tensor of int64, shape (B, T)
        :data:`NONE` where there is no word.
    """
    longest = max((len(own) for own in rows), default=0)
    table = torch.full((len(rows), longest + 1), NONE)  # what -1 reads is the last column, which no word has
    for number, own in enumerate(rows):
        table[number, : len(own)] = torch.from_numpy(own)
    return table.to(word.device).gather(1, word.where(word >= 0, longest))


class Beside(nn.Module):
    """Lays word vectors beside states.

    Parameters
    ----------
    vectors : WordVectors
    trained : bool
        Whether the table is a parameter: saved with the model and moved by training, the vector of unknown words with
        it. Else it is neither, and must be given again.

    Attributes
    ----------
    width : int
        What is added to that of the states.
    """

    table: Tensor

    def __init__(self, vectors: WordVectors, *, trained: bool = False) -> None:
        super().__init__()
        table = torch.from_numpy(vectors.table)
        self.width = table.shape[1]
        if trained:
            self.table = nn.Parameter(table.clone())
        else:
            self.register_buffer("table", table, persistent=False)

    def forward(self, states: Sequence[Tensor], rows: Tensor) -> Tensor:
        """Lay everything side by side.

        Parameters
        ----------
        states : sequence of Tensor, each of shape (B, T, any width)
            Of one layer or of several.
        rows : Tensor of int64, shape (B, T)
            See :func:`rows_of_tokens`.

        Returns
        -------
        Tensor, shape (B, T, the widths and :attr:`width`)
        """
        vectors = self.table[rows.clamp_min(0)].masked_fill((rows == NONE)[..., None], 0)
        return torch.cat([*states, vectors.to(states[0].dtype)], 2)
