"""Features beside each other: states of layers and word vectors, word by word.

Enters: the file of word vectors that a plan names, the words of a corpus. Leaves: for every token the states with the
vector of its word behind them. Every token of a word is given the word's vector, so however a word is pooled its vector
is the same; special tokens and pads are given zeros. Surprise: a word without a vector is not left out but given the
mean of all, as a table that is run as a model gives it; how many those were, and which, is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probekit.corpus.notes import list_names
from probekit.errors import CacheError
from probekit.models.sources.vectors import WordVectors, read_vectors
from probekit.models.tokens.words import WordEncoder
from probekit.storage.files import digest_of
from probekit.tuning.parts import WordFile

NONE = -1
"""Row of a token that is in no word."""


def read_word_file(choice: WordFile, instead: Path | None = None) -> WordVectors:
    """Read the word vectors of a plan.

    Parameters
    ----------
    choice : WordFile
    instead : path, optional
        Where the file is now.

    Raises
    ------
    CacheError
        There is no such file, or it is not the one that the plan was made with.
    InputError
        It holds no word vectors.
    """
    place = instead or Path(choice.file)
    if not place.is_file():
        raise CacheError(
            f"The plan reads the word vectors {choice.file} beside the model (read.beside), and there is no file "
            f"{place}. They are not kept in a run: put the file back, or say where it is: `probekit predict RUN CORPUS "
            "--vectors FILE`, `probekit tune PLAN --set read.beside=FILE`."
        )
    if (found := digest_of(place)) != choice.sha256:
        raise CacheError(
            f"{place} is not the file of word vectors that the plan was made with (read.beside): its sha256 is "
            f"{found:.12}, not {choice.sha256:.12}. Give that file, or make a plan with this one: --set "
            f"read.beside={place}."
        )
    return read_vectors(place)


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
    """Lays word vectors beside states; they do not train, are not saved with the model, and must be given again.

    Parameters
    ----------
    vectors : WordVectors
    name : str
        Of their file.

    Attributes
    ----------
    width : int
        What is added to that of the states.
    """

    table: Tensor

    def __init__(self, vectors: WordVectors, name: str = "the table") -> None:
        super().__init__()
        self.vectors, self.name = vectors, name
        self.register_buffer("table", torch.from_numpy(vectors.table), persistent=False)
        self.width = self.table.shape[1]

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
