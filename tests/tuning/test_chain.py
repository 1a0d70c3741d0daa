"""The chain equals all sequences of labels written out, and learns which label follows which."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from token_batches import assert_close

from probekit.features.labels import UNSEEN
from probekit.tuning.heads import HeadSpec, get_head
from probekit.tuning.heads.crf import Chain, by_sentence

LABELS = 3
LENGTHS = [5, 1, 4, 2, 3]


def chain(labels: int = LABELS, width: int = 4) -> Chain:
    spec = HeadSpec(width, labels, classes=tuple("abcdefg"[:labels]))
    module = get_head("crf").make(spec, {"dropout": 0.0})
    assert isinstance(module, Chain)
    return module


@pytest.fixture(params=[0, 1, 2])
def planted(request: pytest.FixtureRequest) -> tuple[Chain, torch.Tensor, torch.Tensor]:
    """A chain with weights that none is zero, scores of words, and the sentence of each."""
    draw = torch.Generator().manual_seed(request.param)
    module = chain()
    with torch.no_grad():
        for parameter in (module.start, module.transitions, module.end):
            parameter.copy_(torch.randn(parameter.shape, generator=draw) * 2)
    row = torch.repeat_interleave(torch.tensor([4, 9, 0, 2, 7]), torch.tensor(LENGTHS))
    return module, torch.randn(len(row), LABELS, generator=draw, requires_grad=True), row


def written_out(module: Chain, emissions: torch.Tensor) -> tuple[list[tuple[int, ...]], torch.Tensor]:
    """All sequences of labels of one sentence [L, C], and the score of each, by the definition."""
    sequences = list(product(range(LABELS), repeat=len(emissions)))
    scores = []
    for labels in sequences:
        score = module.start[labels[0]] + module.end[labels[-1]]
        score = score + sum(emissions[place, label] for place, label in enumerate(labels))
        score = score + sum(module.transitions[one, two] for one, two in pairwise(labels))
        scores.append(score)
    return sequences, torch.stack(scores)


def test_the_partition_is_the_sum_over_all_sequences_and_its_slope_the_marginals(
    planted: tuple[Chain, torch.Tensor, torch.Tensor],
) -> None:
    module, scores, row = planted
    emissions, lengths, place = by_sentence(scores, row)
    partition = module.log_partition(emissions, lengths)
    (marginals,) = torch.autograd.grad(partition.sum(), scores)
    assert_close(marginals.sum(1), torch.ones(len(row)))
    for sentence in row.unique():
        own = row == sentence
        sequences, every = written_out(module, scores[own])
        assert_close(partition[place[0][own][0]], every.logsumexp(0))
        chances = every.softmax(0)
        for number, chance in enumerate(marginals[own]):
            labels = torch.tensor([labels[number] for labels in sequences])
            assert_close(chance, torch.stack([chances[labels == label].sum() for label in range(LABELS)]))


def test_the_best_sequence_is_the_best_of_all(planted: tuple[Chain, torch.Tensor, torch.Tensor]) -> None:
    module, scores, row = planted
    predicted = module.predict(scores, row)
    word_by_word = scores.argmax(1)
    for sentence in row.unique():
        own = row == sentence
        sequences, every = written_out(module, scores[own])
        assert tuple(predicted[own].tolist()) == sequences[int(every.argmax())]
    assert not predicted.equal(word_by_word)


@pytest.mark.parametrize("unknown", [[], [1, 2, 7]])
def test_the_loss_is_minus_the_log_probability_and_sums_over_unknown_labels(
    planted: tuple[Chain, torch.Tensor, torch.Tensor], unknown: list[int]
) -> None:
    module, scores, row = planted
    gold = torch.arange(len(row)) % LABELS
    gold[unknown] = UNSEEN
    expected = torch.zeros(())
    for sentence in row.unique():
        own = row == sentence
        sequences, every = written_out(module, scores[own])
        known = gold[own].tolist()
        right = [all(a in (UNSEEN, b) for a, b in zip(known, labels, strict=True)) for labels in sequences]
        expected = expected - every.log_softmax(0)[torch.tensor(right)].logsumexp(0)
    loss = module.loss(scores, row, gold)
    assert_close(loss, expected, atol=1e-4)
    parameters = [module.start, module.transitions, module.end, scores]
    for found, wanted in zip(
        torch.autograd.grad(loss, parameters), torch.autograd.grad(expected, parameters), strict=True
    ):
        assert_close(found, wanted)


def test_sentences_may_stand_among_each_other_and_words_keep_their_order(
    planted: tuple[Chain, torch.Tensor, torch.Tensor],
) -> None:
    module, scores, row = planted
    order = by_sentence(scores, row)[2][1].argsort(stable=True)  # all first words, then all second ones
    gold = torch.arange(len(row)) % LABELS
    assert module.predict(scores[order], row[order]).equal(module.predict(scores, row)[order])
    assert_close(module.loss(scores[order], row[order], gold[order]), module.loss(scores, row, gold), atol=1e-4)


def test_it_begins_as_the_linear_head() -> None:
    spec = HeadSpec(4, LABELS, classes=("a", "b", "c"))
    linear = get_head("linear").make(spec, {})
    scores, row = torch.randn(6, LABELS, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 0, 0, 1, 1, 2])
    gold = torch.tensor([0, 1, 2, 0, 1, 2])
    assert_close(chain().loss(scores, row, gold), linear.loss(scores, row, gold))
    assert chain().predict(scores, row).equal(linear.predict(scores, row))


def test_what_cannot_follow_is_learned_not_given() -> None:
    # O, B, I: an I never follows an O, and the words alone do not tell B from I.
    module = chain(3, 2)
    gold = torch.tensor([0, 1, 2, 0, 1, 2, 2, 0, 0, 1])
    row = torch.tensor([0] * 5 + [1] * 5)
    X = torch.nn.functional.one_hot((gold > 0).long(), 2).float()
    assert module.transitions.eq(0).all()
    parameters = list(module.parameters())
    for _ in range(60):
        slopes = torch.autograd.grad(module.loss(module.score(X), row, gold), parameters)
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.data -= 0.3 * slope
    assert module.predict(module.score(X), row).tolist() == gold.tolist()
    assert module.transitions[0, 2] < module.transitions[0, 1] - 1
    assert module.transitions.isfinite().all()


def test_no_words_are_no_error() -> None:
    module, nothing = chain(), torch.zeros(0, dtype=torch.int64)
    assert module.predict(torch.zeros(0, LABELS), nothing).shape == (0,)
    assert module.loss(torch.zeros(0, LABELS), nothing, nothing) == 0
