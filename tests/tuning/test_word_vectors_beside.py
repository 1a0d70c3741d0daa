"""Word vectors beside states: word by word, unknown words counted and named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from token_batches import WIDTH, assert_close, batch_of

from probekit.models.sources.vectors import WordVectors, read_vectors
from probekit.tuning.data.beside import Beside, WordRows, rows_of_tokens
from probekit.tuning.heads import HeadSpec, get_head
from probekit.tuning.readout.pooling import pool

SENTENCES = [("The", "cat", "xyz", "cat"), ("a", "Xyz")]


@pytest.fixture
def vectors(tmp_path: Path) -> WordVectors:
    (tmp_path / "words.txt").write_text("the 1 0\ncat 0 2\na 5 1\n", encoding="utf-8")
    return read_vectors(tmp_path / "words.txt")


def test_words_are_found_and_those_without_a_vector_named(vectors: WordVectors) -> None:
    rows = WordRows(vectors)
    assert [own.tolist() for own in rows.look_up(SENTENCES)] == [[0, 1, 3, 1], [2, 3]]
    unknown, lowered = rows.remarks("words.txt")
    assert unknown == (
        "2 of 6 words (2 forms) have no vector in words.txt and are given the mean of all: 'xyz' (1), 'Xyz' (1)."
    )
    assert lowered == "1 of 6 words (1 forms) are found in words.txt in lower case alone: 'The' (1)."
    assert WordRows(vectors).remarks("words.txt") == []


def test_every_token_of_a_word_has_its_vector_and_others_have_none(vectors: WordVectors) -> None:
    rows = WordRows(vectors).look_up(SENTENCES)
    word = torch.tensor([[-1, 0, 1, 1, 2, 3, -1], [-1, -1, -1, -1, 0, 1, -1]])  # the second has pads in front
    states = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0))
    beside = Beside(vectors)
    laid = beside([states, 2 * states], rows_of_tokens(rows, word))
    assert laid.shape == (2, 7, 3 + 3 + beside.width)
    assert_close(laid[..., :6], torch.cat([states, 2 * states], 2))
    mean = [2.0, 1.0]
    assert laid[0, :, 6:].tolist() == [[0, 0], [1, 0], [0, 2], [0, 2], mean, [0, 2], [0, 0]]
    assert laid[1, :, 6:].tolist() == [[0, 0]] * 4 + [[5, 1], mean, [0, 0]]


def test_the_table_does_not_train_and_is_not_saved(vectors: WordVectors) -> None:
    rows, states = torch.tensor([[0, 3, -1]]), torch.zeros(1, 3, 2, requires_grad=True)
    beside = Beside(vectors)
    assert (list(beside.parameters()), dict(beside.state_dict())) == ([], {})
    beside([states], rows).sum().backward()
    assert beside.table.grad is None


def test_a_head_reads_them_as_wider_states(vectors: WordVectors) -> None:
    batch = batch_of([5, 7], "word")
    rows = torch.where(batch.inside, 1, -1)
    beside = Beside(vectors)
    wide = batch.with_states(beside([batch.states], rows))
    head = get_head("mlp").make(HeadSpec(WIDTH + beside.width, 2, classes=("a", "b")), {"hidden": 4})
    assert head(wide).shape == (len(batch.row), 2)
    # However it is pooled, the vector of a word is the word's.
    for how in ("mean", "first", "last", "max"):
        assert pool(wide, how)[:, WIDTH:].unique(dim=0).tolist() == [[0, 2]]
