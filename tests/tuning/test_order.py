"""The order of training: each example once an epoch, a function of (seed, epoch); batches of so many tokens."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tuned_runs import CLASSES, materials

from probekit.errors import InputError, UsageError
from probekit.tuning.data.layout import gold_of, lay_out
from probekit.tuning.data.order import cut_batches, epoch_batches, sorted_batches

SIZES = np.random.default_rng(0).integers(1, 60, 500)
EXAMPLES = np.random.default_rng(1).permutation(5000)[:500]


def epoch(number: int, seed: int = 0, tokens: int = 128) -> list[np.ndarray]:
    return epoch_batches(EXAMPLES, SIZES, seed=seed, epoch=number, batch_tokens=tokens)


def test_every_example_once_and_epochs_differ() -> None:
    orders = [np.concatenate(epoch(number)) for number in range(3)]
    for order in orders:
        assert sorted(order) == sorted(EXAMPLES)
    assert not any((one == other).all() for one, other in pairwise(orders))
    assert {tuple(sorted(batch)) for batch in epoch(0)} != {tuple(sorted(batch)) for batch in epoch(1)}
    assert not (np.concatenate(epoch(0, seed=1)) == orders[0]).all()


def test_it_is_a_function_of_seed_and_epoch() -> None:
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert [batch.tolist() for batch in epoch(4)] == [batch.tolist() for batch in epoch(4)]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize("tokens", [1, 60, 128, 10_000_000])
def test_batches_hold_so_many_tokens_pads_among_them(tokens: int) -> None:
    size = dict(zip(EXAMPLES.tolist(), SIZES.tolist(), strict=True))
    for batches in (epoch(0, tokens=tokens), sorted_batches(EXAMPLES, SIZES, tokens)):
        assert sorted(np.concatenate(batches)) == sorted(EXAMPLES)
        for batch in batches:
            assert len(batch) == 1 or len(batch) * max(size[one] for one in batch.tolist()) <= tokens
    longest = [max(size[one] for one in batch.tolist()) for batch in sorted_batches(EXAMPLES, SIZES, tokens)]
    assert longest == sorted(longest, reverse=True)


def test_nothing_is_no_batch() -> None:
    assert cut_batches(np.zeros(0, np.int64), 10) == []


def test_a_batch_holds_the_words_of_its_examples_in_their_order() -> None:
    data = materials().data
    some = data.training[[3, 0, 7]]
    batch = lay_out(data, some, pad_id=0)
    assert batch.padded.lengths.tolist() == data.sizes[some].tolist()
    assert not batch.padded.ids[~batch.padded.real()].any()
    gold = gold_of(data, batch, "cpu")
    for row, example in enumerate(some.tolist()):
        own = batch.row == row
        assert sorted(batch.targets[own]) == list(range(*data.held[example]))
        assert (np.diff(batch.spans[own][:, 0, 0]) > 0).all()
        for target, (low, high), code in zip(batch.targets[own], batch.spans[own][:, 0], gold[own], strict=True):
            tokens = data.index.word[batch.places[row, low:high]]
            assert set(tokens.tolist()) == {data.table.spans[target, 0, 0]}
            assert CLASSES[code] == CLASSES[ord(data.table.forms[target][0].lower()) % 3]
            assert batch.inside[row, low:high].all()
    assert not (batch.inside & ~batch.padded.real()).any()


def test_fewer_training_examples_are_drawn_by_a_seed() -> None:
    data = materials().data
    few = data.limited(10, 0)
    assert len(few.training) == 10
    assert set(few.training) <= set(data.training)
    assert few.training.tolist() == data.limited(10, 0).training.tolist()
    assert few.training.tolist() != data.limited(10, 1).training.tolist()
    assert few.examples("test").tolist() == data.examples("test").tolist()
    assert few.digest != data.digest
    assert "10 of 24" in few.notes[-1]
    assert data.limited(24, 0) is data is data.limited(None, 0)
    with pytest.raises(UsageError, match="examples"):
        data.limited(0, 0)
    with pytest.raises(InputError, match="one label only"):
        materials(task="label").data.limited(1, 0)


def test_numbers_are_brought_to_mean_0_by_the_examples_trained_on() -> None:
    data = materials(task="label:score", targets="numbers").data
    few = data.limited(6, 0)
    gold = np.concatenate([data.gold[slice(*data.held[one])] for one in few.training])
    assert few.centre == gold.mean() != data.centre
    assert few.spread == gold.std()
