"""Tuned at a position and on chats: the head reads the very token, new texts are read as the run read its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_headed, tiny_model
from transformers import AutoTokenizer

from probekit import ActivationCache, Example, TunePlan, advise, extract, open_corpus, probe, tune
from probekit.ablation.inputs.labelled import ablate_run_inputs
from probekit.ablation.probes.fitting import ProbeSpec
from probekit.cli.app import run
from probekit.errors import InputError, UsageError
from probekit.tuning.auxiliary.augmented_signal import _others
from probekit.tuning.auxiliary.distilling import HeadPenalty
from probekit.tuning.auxiliary.teacher_signal import _texts
from probekit.tuning.data.data import TuningData
from probekit.tuning.data.materials import gather
from probekit.tuning.data.reading import AskedReading, tokens_of
from probekit.tuning.data.unlabelled import texts_of
from probekit.tuning.predict import TunedModel
from probekit.tuning.runs.source import rows_of
from probekit.tuning.training.first import _materials_of
from probekit.tuning.tune import plan_for
from probekit.tuning.verdict.cells import _plan_of
from probekit.tuning.verdict.grid import Cell

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
OTHER = TEMPLATE.replace("[", "<").replace("]", ">", 1)
DATED = (
    "{{ bos_token }}{{ strftime_now('%Y') }} {% for message in messages %}({{ message['role'] }}) "
    "{{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}(assistant){% endif %}"
)
QUICK = ("keep=2", "read=2", "loop.epochs=1")
SPLITS = ("train", "train", "dev", "test")
NOUNS = ("river", "house", "doctor", "garden")


def chats(path: Path, n: int = 24) -> Path:
    """Write chats whose label is the first word of the prompt."""
    rows = []
    for i in range(n):
        up, noun = i % 2, NOUNS[i // 2 % 4]
        messages = [
            {"role": "user", "content": f"{'the' if up else 'a'} {noun} walks"},
            {"role": "assistant", "content": f"the {NOUNS[i % 4]}"},
        ]
        split = SPLITS[i // 2 % 4]
        rows.append({"messages": messages, "label": "up" if up else "down", "split": split, "group": f"g{i}"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chats")


@pytest.fixture(scope="module")
def model(root: Path) -> Path:
    folder = root / "chatty"
    shutil.copytree(tiny_model("llama"), folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (root / "other.jinja").write_text(OTHER)
    return folder


@pytest.fixture(scope="module")
def cache(root: Path, model: Path) -> ActivationCache:
    made = extract(model, chats(root / "chats.jsonl"), chat=True, cache=root / "cache")
    return ActivationCache.open(made.cache)


@pytest.fixture(scope="module")
def tuned(root: Path, cache: ActivationCache) -> TunedModel:
    made = tune("label", plan="head-only", on=cache, at="last-prompt", changes=QUICK, out=root / "run")
    return TunedModel.open(made.folder)


def test_the_head_reads_the_state_of_the_last_prompt_token(root: Path, model: Path, tuned: TunedModel) -> None:
    from transformers import AutoModel

    tokenizer, net = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    rows = [json.loads(line) for line in (root / "chats.jsonl").read_text().splitlines()]
    predicted = tuned.predict(root / "chats.jsonl")
    said = tuned.says(predicted.data, predicted.data.examples("test"))
    assert len(said) == len(rows)
    head = {name: value.detach() for name, value in tuned.network.head.named_parameters()}
    weight, bias = (next(value for value in head.values() if value.ndim == n) for n in (2, 1))
    (layer,) = tuned.plan.read.layers
    for n, row in enumerate(rows):
        prompt, whole = (
            tokenizer.apply_chat_template(messages, add_generation_prompt=opened, return_dict=False)
            for messages, opened in ((row["messages"][:1], True), (row["messages"], False))
        )
        place = int(predicted.data.spans[n, 0, 0])
        # The template writes a line's end behind what asks for the answer only with the answer: the token before its
        # first word is the last that was read of the prompt.
        assert predicted.data.spans[n].tolist() == [[place, place + 1]]
        assert list(whole[: place + 1])[: len(prompt)] == list(prompt)
        assert tokenizer.decode(whole[place + 1 :]).split()[0] == row["messages"][1]["content"].split()[0]
        with torch.no_grad():
            state = net(torch.tensor([list(whole)]), output_hidden_states=True).hidden_states[layer][0, place]
        sized = tuned.network.sized(state)  # about the centre and of the length of training
        expected = torch.log_softmax(weight @ sized + bias, 0).numpy()
        assert said[n] == pytest.approx(expected, abs=1e-4)


def test_the_run_says_where_and_how_it_reads(tuned: TunedModel, cache: ActivationCache) -> None:
    assert tuned.plan.read.at == "last-prompt"
    assert (tuned.reading.input, tuned.reading.template) == ("chat", TEMPLATE)
    notes = tuned.report.provenance["notes"]
    assert [note for note in notes if note.startswith("Read at 'last-prompt'")]
    assert tune("label", plan="head-only", on=cache, at="last-prompt", changes=QUICK, out=tuned.folder).stages == ()
    other = TunePlan.from_json({**tuned.plan.to_json(), "read": {**tuned.plan.read.to_json(), "at": "last"}})
    assert gather(plan=other, on=cache).data.at == "last"
    assert "at" not in gather("label", on=cache).read_from


def texts(path: Path) -> list[dict[str, Any]]:
    """Write texts whose words are other tokens than their surface, each with another that says the same."""
    rows = [
        {
            "words": [noun, ",", "walks", "on", "it"] if i % 2 else [noun, ".", "walks", "on", "it"],
            "text": f"{noun}, walks on it" if i % 2 else f"{noun}. walks on it",
            "label": str(i % 2),
            "split": split,
            "other": f"on walks, on {noun}",
        }
        for i, (noun, split) in enumerate([(noun, split) for noun in NOUNS for split in (*SPLITS, *SPLITS)])
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def test_what_was_read_as_text_is_predicted_as_text(root: Path) -> None:
    path = root / "texts.jsonl"
    rows = texts(path)
    folders = {}
    for how in ("text", "words"):
        made = tune(
            "label", plan="head-only", model=tiny_model("gpt2"), corpus=path, input=how, changes=QUICK, out=root / how
        )
        folders[how] = TunedModel.open(made.folder)
    predicted = {how: tuned.predict(path).data for how, tuned in folders.items()}
    assert {how: data.reading.input for how, data in predicted.items()} == {"text": "text", "words": "words"}
    with pytest.raises(UsageError, match="A head reads every example at once"):
        folders["words"].predict(path, overflow="window")
    tokens = {how: data.index.token.tolist() for how, data in predicted.items()}
    encode = folders["text"].network.loaded.tokenizer
    assert tokens["text"] == [token for row in rows for token in encode(row["text"])["input_ids"]]
    assert tokens["words"] != tokens["text"]


def test_further_texts_are_read_as_the_run_reads_its_own(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of signals, of a teacher, of stages before and of closeness: surface text, cut to the same length."""
    most, path = 4, tmp_path / "texts.jsonl"
    rows = texts(path)
    model = tiny_headed("gpt2", "AutoModelForCausalLM")
    encode = AutoTokenizer.from_pretrained(model)
    surface = {column: [encode(row[column])["input_ids"][:most] for row in rows] for column in ("text", "other")}
    assert any(len(encode(row["text"])["input_ids"]) > most for row in rows)
    how: dict[str, Any] = {"input": "text", "max_length": most, "overflow": "truncate"}
    whole = {"model": model, "corpus": path, "plan": "full", "changes": QUICK[2:], **how}
    teacher = tune("label", **whole, out=tmp_path / "teacher").folder
    seen: dict[str, list[tuple[Any, Any]]] = {"run": [], "teacher": []}

    def spying(name: str) -> Callable[..., Any]:
        def read(loaded: Any, examples: Any, spec: Any, *, where: str) -> Any:
            index, *others = tokens_of(loaded, examples, spec, where=where)
            tokens = [index.token[index.example == number].tolist() for number in range(len(examples))]
            seen[name].append((examples, tokens))
            return index, *others

        return read

    monkeypatch.setattr("probekit.tuning.data.reading.tokens_of", spying("run"))
    monkeypatch.setattr("probekit.tuning.predict.tokens_of", spying("teacher"))
    signals = [
        f"{name}:1,on={on}"
        for name, on in {
            "consistency": path,
            "cross-view": path,
            "augmented": f"{path},to=other",
            "multitask": f"label@{path}",
            "teacher": f"{path},of={teacher}",
        }.items()
    ]
    tune("label", **whole, signals=signals, first=f"label@{path}:epochs=1", out=tmp_path / "beside")
    assert len(seen["run"]) == 9  # the run, the stage, the signals, a pair of augmented ones, what the teacher knows
    tune("label", **whole, close=f"ewc:1,rows={path}", out=tmp_path / "close")
    assert len(seen["run"]) == 11
    for _, tokens in seen["run"]:
        assert tokens in surface.values()
    (_, own), (_, every) = seen["teacher"]
    assert every == surface["text"]
    assert own == [one for one, row in zip(surface["text"], rows, strict=True) if row["split"] == "train"]
    assert not any(example.annotations for example in seen["teacher"][0][0])
    # What goes on with language modelling says too how it reads: stages before it and closeness go by that.
    said = gather("text", model=model, corpus=path, reading=AskedReading(**how), device="cpu").data.reading
    assert (said.input, said.max_length, said.overflow) == ("text", most, "truncate")
    bare = tmp_path / "bare.jsonl"
    bare.write_text(json.dumps({"words": ["a", "river"]}) + "\n")
    with pytest.raises(InputError, match="needs the surface text"):
        tune("label", **whole, signals=f"consistency:1,on={bare}", out=tmp_path / "bare")


def test_the_other_texts_of_a_file_have_their_surface_too(tmp_path: Path) -> None:
    (tmp_path / "others.jsonl").write_text('{"words": ["on", "it"], "text": "on it"}\n{"words": ["a", "river"]}\n')
    found = _others([Example("0", ("a",)), Example("1", ("b",))], "texts", str(tmp_path / "others.jsonl"))
    assert found == [(("on", "it"), "on it"), (("a", "river"), None)]


def test_what_stands_beside_a_run_is_read_at_its_position(
    tuned: TunedModel, cache: ActivationCache, tmp_path: Path
) -> None:
    """Rivals of a verdict, the head that a model is held to, texts without labels: each of one token, as the run's."""

    def places(data: TuningData) -> list[Any]:
        return sorted(data.spans.tolist())

    own = gather("label", on=cache, at="last-prompt")
    assert _plan_of(Cell(2, ()), own, 8).read.at == "last-prompt"
    whole = gather("label", on=cache).data
    held = HeadPenalty(tuned.network, whole, tuned.task, strength=1.0, temperature=1.0).data
    assert places(held) == places(own.data) != places(whole)
    path = tmp_path / "texts.jsonl"
    texts(path)
    words = gather("label", model=tiny_model("gpt2"), corpus=path, at="last", device="cpu")
    spec: Any = SimpleNamespace(feed=SimpleNamespace(data=words.data), network=SimpleNamespace(loaded=words.loaded))
    for data in (texts_of(words.data, words.loaded, open_corpus(path), "consistency"), _texts(spec, str(path))):
        assert (data.at, places(data)) == ("last", places(words.data))
    made = tune(
        "label", plan="head-only", model=tiny_model("gpt2"), corpus=path, at="last", changes=QUICK, out=tmp_path / "a"
    )
    with pytest.raises(UsageError, match="are read at 'last'"):
        ablate_run_inputs(made.folder, probing=ProbeSpec(str(path)), limit=2)
    # A stage before is of a task of its own, which the position is not.
    plan = plan_for(words, "head-only", changes=[f"first=label@{path}:epochs=1"])
    assert _materials_of(plan.first[0], replace(plan, first=()), words).data.at is None


def test_examples_without_the_position_of_the_head_that_a_model_is_held_to_are_said(
    tuned: TunedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the output and in the record of the run; where a step has no other examples, nothing is held."""
    path = chats(tmp_path / "chats.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows[:2]:  # both train; they begin with the answer
        row["messages"] = row["messages"][1:]
    path.write_text("".join(json.dumps({**row, "id": f"c{n}"}) + "\n" for n, row in enumerate(rows)))
    on = extract(tuned.folder, path, chat=True, cache=tmp_path / "caches").cache
    asked = ["tune", "--task", "label", "--on", str(on), "--plan", "full", "--close", "distill:1"]
    sets = [part for one in ("read=2", "loop.epochs=1", "loop.batch_tokens=1", "train=2") for part in ("--set", one)]
    assert run([*asked, *sets, "--out", str(tmp_path / "run")]) == 0
    said = (
        "distill: Read at 'last-prompt', the last token before the answer: 22 targets have it, 2 are left out: no word "
        "before the answer (c0, c1)."
    )
    made = TunedModel.open(tmp_path / "run")
    assert said in made.report.provenance["notes"]
    shown = capsys.readouterr()
    assert said in " ".join((shown.out + shown.err).split())
    assert all(torch.isfinite(value).all() for value in made.network.state_dict().values())


def test_the_rows_of_a_run_are_read_again_as_it_read_them(
    root: Path, tuned: TunedModel, cache: ActivationCache
) -> None:
    """What an ensemble weighs and what weights are held to: chats, at the position, or they would be other rows."""
    own, path = gather("label", on=cache, at="last-prompt").data, root / "chats.jsonl"
    again = rows_of(tuned.folder, tuned.record, tuned.task, tuned.network.loaded, path, option="--corpus CORPUS")
    assert (again.digest, again.at, again.reading.input) == (own.digest, "last-prompt", "chat")
    labelled = tuned.labelled(open_corpus(path))
    assert sorted(labelled.spans.tolist()) == sorted(own.spans.tolist())


@pytest.mark.parametrize("how", ["text", "chat"])
def test_drift_reads_as_the_run_read(
    how: str, root: Path, tmp_path: Path, cache: ActivationCache, capsys: pytest.CaptureFixture[str]
) -> None:
    path, caches = tmp_path / "texts.jsonl", tmp_path / "caches"
    if how == "text":
        texts(path)
        reads: dict[str, Any] = {"input": "text", "max_length": 4, "overflow": "truncate"}
        made = tune(
            "label",
            plan="head-only",
            model=tiny_model("gpt2"),
            corpus=path,
            changes=QUICK,
            out=tmp_path / "run",
            **reads,
        )
    else:
        path = root / "chats.jsonl"
        made = tune("label", plan="head-only", on=cache, changes=QUICK, out=tmp_path / "run")
    asked = ["drift", str(made.folder), str(path), "--cache", str(caches)]
    assert run([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["layers"][0]["cka"] == pytest.approx(1.0)
    index = TunedModel.open(made.folder).predict(path).data.index
    both = [ActivationCache.open(manifest.parent) for manifest in caches.glob("*/manifest.json")]
    assert len(both) == 2
    for one in both:
        assert one.identity["input"] == how
        for name in ("example", "word", "token"):
            assert np.array_equal(getattr(one.index(), name), getattr(index, name))
    if how == "text":
        assert run([*asked, "--overflow", "error"]) == 3
        assert "at most 4" in capsys.readouterr().err


def test_drift_reads_chats_by_the_template_of_the_run_whatever_the_models_have(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = chats(tmp_path / "chats.jsonl")
    # A template that asks for the day is kept with the day that it is given, and read so once more.
    (tmp_path / "dated.jinja").write_text(DATED)
    other = extract(model, path, chat_template=tmp_path / "dated.jinja", cache=tmp_path / "first")
    asked = {"plan": "head-only", "changes": QUICK, "chat_template": tmp_path / "dated.jinja"}
    made = tune("label", on=other.cache, out=tmp_path / "run", **asked)
    (made.folder / "chat_template.jinja").write_text(TEMPLATE)
    (tmp_path / "dated.jinja").unlink()
    asked_for = ["drift", str(made.folder), str(path), "--cache", str(tmp_path / "caches")]
    assert run(asked_for) == 0
    shown = capsys.readouterr()
    assert "Chats are read by the template that the run read its own by." in shown.err
    assert shown.out.split("-\n")[1].splitlines()[0].split()[:2] == ["0", "1.000"]
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [json.loads(line) for line in (path).read_text().splitlines()]
    written = ["".join(f"({one['role']}) {one['content']}\n" for one in row["messages"]) for row in rows]
    expected = [tokenizer(f"{tokenizer.bos_token}2024 {chat}", add_special_tokens=False).input_ids for chat in written]
    both = [ActivationCache.open(manifest.parent) for manifest in (tmp_path / "caches").glob("*/manifest.json")]
    assert len(both) == 2
    for one in both:
        index = one.index()
        read = [index.token[index.example == number].tolist() for number in range(len(rows))]
        assert read == expected
        assert one.identity["template"] == ActivationCache.open(other.cache).identity["template"]


def test_a_report_says_the_position_and_how_texts_are_read_when_its_cache_is_gone(
    root: Path, model: Path, cache: ActivationCache
) -> None:
    report = probe("label", on=cache, at="last-prompt", fast=True)
    plan = advise(report, on=cache)
    assert plan.read.at == "last-prompt"
    assert "at 'last-prompt' one token is read" in [why.text for why in plan.why]
    gone = json.loads(json.dumps(report.provenance)) | {"cache": str(root / "nowhere")}
    materials = gather(report=type(report)(report.rows, gone), model=model)
    assert materials.cache is None
    assert materials.data.digest == gather(report=report).data.digest
    (model / "chat_template.jinja").write_text(OTHER)
    try:
        with pytest.raises(UsageError, match="another template"):
            gather(report=type(report)(report.rows, gone), model=model)
    finally:
        (model / "chat_template.jinja").write_text(TEMPLATE)


Refused = Callable[[ActivationCache, TunedModel, Path], Any]
REFUSED: dict[str, tuple[Refused, type[Exception], str]] = {
    "another position than the plan's": (
        lambda cache, tuned, _: tune(plan=tuned.plan, on=cache, at="last"),
        UsageError,
        "reads every example at 'last-prompt' .* at 'last'. Ask for --at last-prompt",
    ),
    "a task about words": (lambda cache, *_: tune("pos", on=cache, at="last"), UsageError, "Leave out --at"),
    "no such position": (lambda cache, *_: tune("label", on=cache, at="first"), UsageError, "`at` option must be one"),
    "a position nobody has": (
        lambda cache, *_: tune("label", on=cache, at="mark:x"),
        InputError,
        "has the position 'mark:x'",
    ),
    "another template": (
        lambda cache, _, root: tune("label", on=cache, chat_template=root / "other.jinja"),
        UsageError,
        "another template",
    ),
    "texts that are no chats": (lambda _, tuned, __: tuned.predict("grammar:n=4"), InputError, "is no chat"),
    "longer chats cut": (
        lambda _, tuned, root: tuned.predict(root / "chats.jsonl", overflow="truncate"),
        UsageError,
        "A chat is read whole",
    ),
    "further texts": (
        lambda cache, _, root: tune("label", on=cache, signals=f"multitask:on=label@{root / 'texts.jsonl'}"),
        UsageError,
        "reads texts as they are",
    ),
    "closeness by other texts": (
        lambda cache, _, root: tune("label", on=cache, close="ewc:1,rows=grammar:n=4", out=root / "close"),
        UsageError,
        "'ewc' with rows= reads texts as they are",
    ),
    "a stage before": (lambda cache, *_: tune("label", on=cache, first="pos@grammar:n=20"), UsageError, "--first pos"),
    "a chat that is not read as written": (
        lambda _, tuned, __: tuned.predict([Example("odd", ("a",), messages=(("user", "a <s> b"),))]),
        InputError,
        "The chat 'odd' cannot be read as it was written: message 1",
    ),
    "language modelling at a position": (
        lambda cache, *_: tune("text", on=cache, at="last"),
        UsageError,
        "every token, not about those at 'last'",
    ),
    "language modelling": (lambda cache, *_: tune("text", on=cache), UsageError, "most tokens of chats"),
    "words erased": (
        lambda _, tuned, root: ablate_run_inputs(tuned.folder, probing=ProbeSpec(str(root / "chats.jsonl")), limit=2),
        UsageError,
        "Words are erased",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_honest_reading_is_refused(
    name: str, cache: ActivationCache, tuned: TunedModel, root: Path
) -> None:
    act, kind, says = REFUSED[name]
    with pytest.raises(kind, match=says):
        act(cache, tuned, root)


def test_a_template_without_chats_is_refused(root: Path, tmp_path: Path) -> None:
    made = extract(tiny_model("bert"), "grammar:n=24", overflow="truncate", cache=tmp_path)
    with pytest.raises(UsageError, match="Leave out --chat-template"):
        tune("pos", on=made.cache, chat_template=root / "other.jinja")


def test_from_the_command_line(
    root: Path, model: Path, cache: ActivationCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "run")]
    made = [
        "--plan",
        "head-only",
        "--at",
        "assistant",
        "--set",
        "keep=2",
        "--set",
        "read=2",
        "--set",
        "loop.epochs=1",
        *out,
    ]
    assert run(["tune", "--task", "label", "--on", str(cache.path), *made]) == 0
    assert "Read at 'assistant', the words of the assistant's answer: all 24 targets" in capsys.readouterr().err
    assert run(["predict", str(tmp_path / "run"), str(root / "chats.jsonl"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["predictions"]) == 24
    assert np.isfinite(shown["scores"]["rows"][0]["value"])
    assert run(["predict", str(tmp_path / "run"), "grammar:n=4"]) == 3
    assert "is no chat" in capsys.readouterr().err
