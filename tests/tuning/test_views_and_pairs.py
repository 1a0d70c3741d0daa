"""Texts without labels, seen in part or beside others that say the same: by hand, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from signal_runs import materials, other, plan
from tuned_runs import examples, trainer_of

from probekit.errors import InputError, UsageError
from probekit.tuning.auxiliary.augmented_signal import AugmentedSignal
from probekit.tuning.auxiliary.view_signal import ViewSignal
from probekit.tuning.training.loop import Trainer


def run_of(folder: Path, typed: str, *changes: str, task: str = "label") -> tuple[Trainer, Any]:
    run = trainer_of(materials("bert", task), plan("bert", f"signals={typed}", *changes, task=task), folder)
    run.network.set_trained(frozenset({2, 3, 4}))
    (signal,) = run.terms.signals.values()
    return run, signal


def divergence(old: torch.Tensor, new: torch.Tensor) -> float:
    p, q = old.double().softmax(-1), new.double().softmax(-1)
    return float((p * (p / q).log()).sum())


def views(run: Trainer, signal: ViewSignal, step: int) -> tuple[float, float]:
    """The loss of a step, and the same by hand, text by text, from states that transformers gives."""
    (batch,) = signal.batches(0, step)
    found = signal.outputs(run.network, batch)
    assert all(not old.requires_grad and new.requires_grad for old, new in found)
    run.network.set_dropout(False)
    network, laid, total = run.network, batch.laid, 0.0
    with torch.no_grad():
        for row, length in enumerate(laid.padded.lengths.tolist()):
            states = network.body(torch.from_numpy(laid.padded.ids[row : row + 1, :length])).last_hidden_state[0]
            sized = (states - network.sized.centre) / network.sized.scale
            for low, high in laid.spans[laid.row == row, 0].tolist():
                whole, middle = network.head.layers(sized[low:high].mean(0)), (low + high) // 2
                parts = {"left": (low, middle), "right": (middle, high)}
                if signal._data.task.kind == "word":
                    parts = {"left": (low - 1, low), "right": (high, high + 1)}
                for name, (first, end) in parts.items():
                    if first < end and (first, end) != (low, high):
                        total += divergence(whole, signal.heads[name].layers(sized[first:end].mean(0)))
        return float(signal.loss(found, batch)), total / len(laid.row)


@pytest.mark.parametrize("task", ["label", "pos"])
def test_heads_of_halves_learn_what_the_whole_says(task: str, tmp_path: Path) -> None:
    run, signal = run_of(tmp_path, f"cross-view:1,on={other()}", task=task)
    each = [views(run, signal, step) for step in range(2)]
    for found, by_hand in each:
        assert found == pytest.approx(by_hand, rel=1e-4)
    assert sum(found for found, _ in each) > 0  # of a single word there is no half
    for _, loss in run.terms.signal_losses(0, 0, 1):
        loss.backward()
    assert all(parameter.grad is None for parameter in run.network.head.parameters())  # the task's learns from labels
    assert all(parameter.grad.abs().max() > 0 for parameter in signal.heads.parameters())
    assert run.network.body.encoder.layer[1].output.dense.weight.grad.abs().max() > 0
    assert run.network.body.encoder.layer[0].output.dense.weight.grad is None


def test_a_view_of_a_lower_layer_reads_it_and_one_word_has_no_half(tmp_path: Path) -> None:
    run, signal = run_of(tmp_path, f"cross-view:1,on={other()},views=lower+left+first,layer=1")
    (batch,) = signal.batches(0, 0)
    network, laid = run.network, batch.laid
    (_, lower), (left, _), _ = signal.outputs(network, batch)
    network.set_dropout(False)
    short = (laid.spans[:, 0, 1] - laid.spans[:, 0, 0]) == 1
    assert len(left) == len(laid.row) - short.sum()
    with torch.no_grad():
        ids, lengths = torch.from_numpy(laid.padded.ids), torch.from_numpy(laid.padded.lengths)
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        states = network.body(ids, attention_mask=mask, output_hidden_states=True).hidden_states[1]
        normed = torch.nn.functional.layer_norm(states, states.shape[-1:])
        means = [normed[row, low:high].mean(0) for row, (low, high) in zip(laid.row, laid.spans[:, 0], strict=True)]
        by_hand = signal.heads["lower"].layers(torch.stack(means))
    assert torch.allclose(lower.detach(), by_hand, atol=1e-5)
    assert "cross-view: 32 texts of 'other-24', seen lower and left and first (layer 1)." in signal.remarks


@pytest.mark.parametrize(
    ("typed", "changes", "says"),
    [
        ("cross-view", (), "Name the texts without labels"),
        (
            "cross-view:on=OTHER,views=left+rihgt",
            (),
            "must be of left, right, first, .*Did you mean 'right'",
        ),
        ("cross-view:on=OTHER,views=lower,layer=3", (), "needs a layer below 3"),
        ("cross-view:on=OTHER", ("train=",), r"Nothing of the model itself trains \(train=\)"),
        ("augmented", (), "Name the texts without labels"),
    ],
)
def test_views_that_are_none_are_refused(typed: str, changes: tuple[str, ...], says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        run_of(tmp_path, typed.replace("OTHER", str(other())), *changes)


def pairs(file: Path, changed: Any, *, name: str = "augmented") -> Path:
    """Texts with others in a column, or none where there is nothing to say."""
    lines = [{"words": own.words, name: changed(own.words)} for own in examples(9, {"train": 12})]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def losses(run: Trainer) -> list[float]:
    return [float(loss.detach()) for step in range(2) for _, loss in run.terms.signal_losses(step, 0, 1)]


def test_a_text_beside_itself_is_exactly_nothing_and_beside_another_a_divergence(tmp_path: Path) -> None:
    same = pairs(tmp_path / "same.jsonl", " ".join)
    run, signal = run_of(tmp_path / "a", f"augmented:1,on={same}")
    assert isinstance(signal, AugmentedSignal)
    assert losses(run) == [0.0, 0.0]
    assert "12 are the same text twice" in signal.remarks[0]
    other = pairs(tmp_path / "other.jsonl", lambda words: " ".join(("the", *words[::-1])), name="back")
    run, signal = run_of(tmp_path / "b", f"augmented:1,on={other},to=back")
    found = losses(run)
    assert min(found) > 0
    (batch,) = signal.batches(0, 0)
    with torch.no_grad():
        old, new = signal.outputs(run.network, batch)
    assert found[0] == pytest.approx(divergence(old, new) / len(old), rel=1e-3)
    # The same from a file with one text a line, and from a table.
    rows = [json.loads(line) for line in other.read_text().splitlines()]
    (tmp_path / "back.txt").write_text("".join(f"{row['back']}\n" for row in rows))
    table = [f"{' '.join(row['words'])},{row['back']}\n" for row in rows]
    (tmp_path / "texts.csv").write_text("".join(["text,back\n", *table]))
    for typed in (f"on={other},to={tmp_path / 'back.txt'}", f"on={tmp_path / 'texts.csv'},to=back"):
        assert losses(run_of(tmp_path / typed[-5:], f"augmented:1,{typed}")[0]) == found


def test_what_has_no_other_is_left_out_and_counted_or_refused(tmp_path: Path) -> None:
    some = pairs(tmp_path / "some.jsonl", lambda words: "" if len(words) < 4 else " ".join(words[::-1]))
    _, signal = run_of(tmp_path / "a", f"augmented:1,on={some}")
    short = sum(len(own.words) < 4 for own in examples(9, {"train": 12}))
    assert 0 < short < 12
    assert f"{12 - short} texts of 'some'" in signal.remarks[0]
    assert f"{short} have no other, and are left out" in signal.remarks[0]
    with pytest.raises(InputError, match=r"'augmentd' is no column of 'some' \(it has augmented\) .*'augmented'\?"):
        run_of(tmp_path / "b", f"augmented:1,on={some},to=augmentd")
    (tmp_path / "few.txt").write_text("one\ntwo\n")
    with pytest.raises(InputError, match=r"'some' has 12 texts and .*few.txt 2: there must be one for each"):
        run_of(tmp_path / "c", f"augmented:1,on={some},to={tmp_path / 'few.txt'}")
    with pytest.raises(UsageError, match=r"'pos' asks about words, .* Leave 'augmented' out"):
        run_of(tmp_path / "d", f"augmented:1,on={some}", task="pos")
