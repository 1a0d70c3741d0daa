"""Interchanges in a model whose number stands in one known direction; one patched pass against plain hooks."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from behaviour.agreeing_models import FOUND, NOUNS, NUMBER, write_agreeing_model
from tiny_models import tiny_headed
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, GPT2LMHeadModel

from probekit import interchange
from probekit.ablation.erasure import Eraser
from probekit.ablation.interchange.choices import Choice
from probekit.ablation.interchange.measuring import Measuring, Plan
from probekit.ablation.interchange.pairs import pairs_of, split_pairs
from probekit.ablation.interchange.patching import Exchange, Patching, batches_of, touched_of
from probekit.ablation.interchange.report import InterchangeReport
from probekit.ablation.interchange.rows import CHANGED, SHIFT
from probekit.ablation.subspaces import SUBSPACES
from probekit.behaviour.items import Item, Sentence
from probekit.behaviour.opening import open_suite
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cli.app import run
from probekit.models.sources.find import find_model

CPU = ScoringSpec(device="cpu")
NUMBERED = ("means", "probe", "leace", "axis", "das")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_agreeing_model(tmp_path_factory.mktemp("known") / "copies", nearest=False, heads=2, blocks=2)
    net = GPT2LMHeadModel.from_pretrained(folder)
    with torch.no_grad():  # number is read along the direction in which it is written, so that this is the best one
        net.lm_head.weight[:, FOUND + 1] = -net.lm_head.weight[:, FOUND]
    net.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "agreement.tsv"
    lines = ["good\tbad\tnumber"]
    for head, other in product(NOUNS, NOUNS):
        number, good, bad = ("plur", "are", "is") if NOUNS[head] > 0 else ("sing", "is", "are")
        lines.append(f"the {head} near the {other} {good}\tthe {head} near the {other} {bad}\t{number}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def measured(model: Path, suite: Path) -> Measuring:
    with Session(find_model(str(model)), CPU, stacks=True) as session:
        pairs, notes = pairs_of(open_suite(suite).items, session, limit=None, seed=0)
        assert (len(pairs), notes) == (36, [])
        plan = Plan(tuple(SUBSPACES.members().values()), "answer", 1, 4, "number", 512, 0)
        return Measuring(session.loaded, split_pairs(pairs, 0), plan)


def test_a_direction_that_carries_number_turns_the_answer_and_no_other_does(measured: Measuring) -> None:
    behind, embedded = measured.layer(1), measured.layer(0)
    assert (measured.plain["test"] < 0).all()  # by itself the model is right
    for name in ("all", *NUMBERED):
        found = behind.found[name]
        assert (found.test > 0).all(), name
        assert (found.placebo < 0).all(), name
        assert (embedded.found[name].test < 0).all(), name  # number is not there yet
    assert (behind.random[1] < 0).mean() > 0.9
    np.testing.assert_allclose(behind.found["all"].test, -measured.plain["test"], rtol=1e-4)


def test_what_is_learnt_is_the_direction_that_is_read(measured: Measuring) -> None:
    truth = np.zeros(10)
    truth[[FOUND, FOUND + 1]] = np.array([1, -1]) / np.sqrt(2)
    found = measured.layer(1).found
    for name in NUMBERED:
        subspace = found[name].subspace
        assert subspace is not None
        assert subspace.rank == 1
        assert abs(subspace.directions[0] @ truth) / np.linalg.norm(subspace.directions[0]) > 0.95, name
    elsewhere = np.zeros((1, 10))
    elsewhere[0, NUMBER] = 1.0
    exchange = Exchange(measured.model, measured._batches["test"], 1)
    assert (exchange.margins(Eraser.orthogonal(elsewhere, np.zeros(10))) < 0).all()


def test_at_the_subject_number_is_exchanged_below_the_head_that_copies_it_and_not_above(
    model: Path, suite: Path
) -> None:
    report = interchange(suite, model, at="differing", subspaces=["all", "axis"], draws=2, spec=CPU)
    for name in ("all", "axis"):
        accuracies = [report.row(name, layer) for layer in (0, 1, 2)]
        assert [row.value for row in accuracies if row is not None] == [1.0, 0.0, 0.0]
    assert report.chosen == {"all": 0, "axis": 0}


@pytest.mark.parametrize(
    ("name", "kind", "blocks"),
    [("gpt2", AutoModelForCausalLM, "transformer.h"), ("bert", AutoModelForMaskedLM, "bert.encoder.layer")],
)
@pytest.mark.parametrize("layer", [0, 2, 3])
def test_one_patched_pass_is_that_of_plain_hooks(name: str, kind: type, blocks: str, layer: int) -> None:
    folder = tiny_headed(name, kind.__name__)
    draw = np.random.default_rng(0)
    item = Item("x", "s", "p", "t", (Sentence("a"), Sentence("b")))
    rows = [draw.integers(10, 200, (2, length)).astype(np.int32) for length in (7, 5)]
    swaps = [(Choice(item, one, len(one) - 1, 30, 40), Choice(item, other, len(one) - 1, 40, 30))
             for one, other in rows]  # fmt: skip
    width = 32
    subspace = Eraser(draw.standard_normal((2, width)), draw.standard_normal((2, width)) / 8, np.zeros(width))
    with Session(find_model(str(folder)), CPU, stacks=True) as session:
        patching = Patching(session.loaded)
        batches = batches_of(swaps, "answer", loaded=session.loaded, batch_tokens=64)
        assert len(batches) == 1
        found = {one is None: Exchange(patching, batches, layer).margins(one) for one in (None, subspace)}
    plain = kind.from_pretrained(folder).eval()  # type: ignore[attr-defined]
    module = plain.get_submodule(blocks)[layer - 1]  # type: ignore[index]
    for number, (base, source) in enumerate(rows):
        ids, others = (torch.from_numpy(row[None]).long() for row in (base, source))
        kept: list[torch.Tensor] = []

        def states(output: object) -> torch.Tensor:
            return output[0] if isinstance(output, tuple) else output  # type: ignore[return-value]

        def keep(module: object, args: object, output: object, kept: list[torch.Tensor] = kept) -> None:
            kept.append(states(output)[0, -1].clone())

        if layer == 0:
            module = plain.get_submodule("transformer.drop" if name == "gpt2" else "bert.embeddings")
        with torch.no_grad():
            handle = module.register_forward_hook(keep)
            plain(others)
            handle.remove()
            for whole in (True, False):

                def put(
                    module: object, args: object, output: object, whole: bool = whole,
                    kept: list[torch.Tensor] = kept,
                ) -> None:  # fmt: skip
                    own = states(output)
                    apart = kept[0] - own[0, -1]
                    duals, directions = (torch.from_numpy(a).float() for a in (subspace.duals, subspace.directions))
                    own[0, -1] += apart if whole else (duals @ apart) @ directions

                handle = module.register_forward_hook(put)
                said = torch.log_softmax(plain(ids).logits[0, -1], -1)
                handle.remove()
                assert found[whole][number] == pytest.approx(float(said[40] - said[30]), abs=1e-5)


def test_a_source_is_the_closest_item_with_the_answers_swapped_and_a_placebo_differs_where_it_does(
    model: Path,
) -> None:
    def item(text: str, right: str, wrong: str, phenomenon: str = "p") -> Item:
        sentences = Sentence(f"{text} {right}"), Sentence(f"{text} {wrong}")
        return Item(f"{phenomenon}/{text}", "s", phenomenon, text, sentences)

    items = [
        item("the keys near the book", "are", "is"),
        item("the book near the book", "is", "are"),
        item("the key near the book", "is", "are"),
        item("the keys near the key", "are", "is"),
        item("the books near the book", "are", "is"),
        item("the old doctor", "is", "are"),
        item("the keys near the book", "are", "is", "other"),
        Item("long", "s", "p", "t", (Sentence("the key is old"), Sentence("the keys are old"))),
        Item("unknown", "s", "p", "t", (Sentence("the cat is"), Sentence("the cat are"))),
    ]
    with Session(find_model(str(model)), CPU, stacks=True) as session:
        pairs, notes = pairs_of(items, session, limit=None, seed=0)
    found = {pair.base.item.id: pair for pair in pairs}
    assert len(found) == 5
    first = found["p/the keys near the book"]
    assert first.source.item.id == "p/the key near the book"
    assert first.placebo is not None
    assert first.placebo.item.id == "p/the books near the book"
    assert touched_of((first.base, first.source), "differing").tolist() == [False, False, True, False, False, False]
    assert touched_of((first.base, first.source), "shared").sum() == 5
    assert touched_of((first.base, first.source), -2).nonzero()[0].tolist() == [4]
    assert len({pair.cluster for pair in pairs}) == 2  # whatever shares a template
    said = " ".join(notes)
    assert "1 items are left out, whose sentences do not differ in one word alone" in said
    assert "1 bases are left out, with words outside of the vocabulary" in said
    assert "2 bases are left out, without a source" in said


def test_the_split_is_by_whole_clusters(measured: Measuring) -> None:
    clusters = {name: {pair.cluster for pair in pairs} for name, pairs in measured.pairs.items()}
    assert sum(map(len, clusters.values())) == len(set().union(*clusters.values())) == 18
    assert [len(measured.pairs[name]) for name in ("train", "dev", "test")] == [16, 6, 14]


def test_the_command_prints_one_table_and_writes_what_is_shown_again(
    model: Path, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "a.jsonl", tmp_path / "a.svg"
    words = ["ablate", "interchange", "--metric", f"behave:{suite}", "--model", str(model), "--device", "cpu"]
    words += ["--subspaces", "axis,das", "--layers", "1", "--draws", "2"]
    assert run([*words, "--random-weights", "0", "--only-right", "--out", str(out), "--plot", str(plot)]) == 0
    shown = capsys.readouterr().out
    assert "14 test pairs of 7 templates; fitted on 16, layers chosen on 6 others" in shown
    assert "0 of 36 pairs are left out, of which the model answers base or source wrong" in shown
    assert plot.stat().st_size
    assert run(["report", "show", str(out), "--plot", str(plot)]) == 0
    assert capsys.readouterr().out == shown
    report = InterchangeReport.read(out)
    assert report.chosen == {"axis": 1, "das": 1, "axis/random_weights": 1, "das/random_weights": 1}
    rows = {name: report.row(name, 1) for name in ("axis", "axis/over_random", "random", "das/random_weights")}
    assert {name: row.role for name, row in rows.items() if row is not None} == {
        "axis": "estimator", "axis/over_random": "difference", "random": "control", "das/random_weights": "control",
    }  # fmt: skip
    assert rows["axis"] is not None
    assert (rows["axis"].value, rows["axis"].strength, rows["axis"].n_groups) == (1.0, 1.0, 7)
    shift, placebo = report.row("axis", 1, SHIFT), report.row("axis/placebo", 1, CHANGED)
    assert shift is not None
    assert shift.value is not None
    assert shift.value > 5
    assert placebo is not None
    assert placebo.value == 0
    assert run([*words, "--subspaces", "axis", "--rank", "auto", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {row["stage"] for row in document["rows"]} == {"interchange"}
    assert document["ranks"] == {"axis": {"1": 1}}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--metric", "loss:{suite}"], 2, "behave:SUITE"),
        (["--at", "verb"], 2, "`at` option must be one of answer"),
        (["--at", "9"], 2, "has none with the number 9"),
        (["--subspaces", "dsa"], 2, "Did you mean 'das'"),
        (["--subspaces", "means", "--classes", "gender"], 2, "their facts: contrast, number"),
        (["--layers", "7"], 2, "must be some of 0 to 2"),
        (["--rank", "99"], 2, "must be at most 10"),
        (["--rank", "few"], 2, "or auto"),
        (["--limit", "2"], 3, "three templates or more"),
    ],
)
def test_what_cannot_be_exchanged_is_said(
    words: list[str], code: int, said: str, model: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--metric", f"behave:{suite}", "--model", str(model), "--device", "cpu", *words]
    assert run(["ablate", "interchange", *(word.format(suite=suite) for word in given)]) == code
    assert said in " ".join(capsys.readouterr().err.split())


def test_members_say_what_they_are() -> None:
    assert set(SUBSPACES.members()) >= {"all", *NUMBERED}
    for subspace in SUBSPACES.members().values():
        assert subspace.said
        assert "http" in subspace.reference
