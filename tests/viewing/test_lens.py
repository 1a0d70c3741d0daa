"""Layers read by the model's own head: the last one is the model, planted ones are found, much is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_headed, tiny_model
from viewing.succeeding_model import BLOCKS, HUGE, IDLE, WRITES, N, circles, write_succeeding_model

from probekit import ActivationCache, extract
from probekit.cli.app import run
from probekit.errors import NumericError, UsageError
from probekit.models.runtime.ending import Ending
from probekit.models.runtime.middle import Middle
from probekit.models.sources.find import find_model
from probekit.models.sources.headed import load_with_head
from probekit.report import Measurement
from probekit.viewing import LensReport, LensSettings, view_lens
from probekit.viewing.predictions.figures import MOST
from probekit.viewing.predictions.metrics import ACCURACY, AGREEMENT, DIVERGENCE, METRICS, WITHOUT
from probekit.viewing.predictions.tokens import Sentences, next_tokens

CORPUS = "grammar:n=60"
CAUSAL = {"gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM", "opt": "OPTForCausalLM",
          "gpt_neox": "GPTNeoXForCausalLM"}  # fmt: skip
MASKED = {"bert": "BertForMaskedLM", "roberta": "RobertaForMaskedLM", "distilbert": "DistilBertForMaskedLM",
          "albert": "AlbertForMaskedLM", "electra": "ElectraForMaskedLM"}  # fmt: skip
SMALL = LensSettings(limit=4, masks=2)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lenses")


def cache_of(root: Path, folder: Path) -> ActivationCache:
    return ActivationCache.open(extract(str(folder), CORPUS, overflow="truncate", cache=root))


def headed(name: str) -> Path:
    return tiny_headed(name, "AutoModelForCausalLM" if name in CAUSAL else "AutoModelForMaskedLM")


def valued(row: Measurement) -> float:
    assert row.value is not None
    return row.value


def keeps(kept: list[torch.Tensor]) -> Any:
    """Return a hook that keeps the states a module gives."""
    return lambda module, given, out: kept.append(out if torch.is_tensor(out) else out[0])


@pytest.fixture(scope="module")
def gpt2(root: Path) -> ActivationCache:
    return cache_of(root, headed("gpt2"))


@pytest.fixture(scope="module")
def report(gpt2: ActivationCache) -> LensReport:
    return view_lens(gpt2, settings=SMALL)


@pytest.mark.parametrize("name", [*CAUSAL, *MASKED])
def test_the_states_of_the_last_block_give_the_logits_of_transformers(name: str) -> None:
    import transformers

    folder = headed(name)
    loaded = load_with_head(
        find_model(str(folder)), "causal" if name in CAUSAL else "masked", device="cpu", stacks=True
    )
    kind = getattr(transformers, {**CAUSAL, **MASKED}[name])
    model = kind.from_pretrained(folder).eval()
    ids = torch.tensor([[5, 9, 17, 33, 41, 7, 12, 64]])
    kept: list[torch.Tensor] = []
    block = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList)]
    last = max(block, key=len)[-1]
    layer = model.base_model.encoder.albert_layer_groups[0] if name == "albert" else last
    hook = layer.register_forward_hook(keeps(kept))
    with torch.no_grad():
        logits = model(ids).logits[0]
    hook.remove()
    ending = Ending(loaded)
    with torch.no_grad():
        read = ending.logits(kept[-1][0])
        many = ending.logits(kept[-1][0].repeat(9, 1))  # more than one row of states
    assert torch.allclose(read, logits, rtol=0, atol=1e-4)
    assert torch.allclose(many.view(9, *logits.shape), logits.expand(9, -1, -1), rtol=0, atol=1e-4)


def test_a_layer_is_what_the_formula_by_hand_says(gpt2: ActivationCache, report: LensReport) -> None:
    """The lens of nostalgebraist in lines of transformers: ln_f and lm_head on the outputs of blocks."""
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(headed("gpt2")).eval()
    sentences = Sentences.of(gpt2)
    used = sentences.of_split("test")
    drawn = np.sort(np.random.default_rng([0, 2]).choice(len(used), 4, replace=False))
    nats: dict[int, list[float]] = {layer: [] for layer in range(4)}
    hits: dict[int, list[bool]] = {layer: [] for layer in range(4)}
    divergence: dict[int, list[float]] = {layer: [] for layer in range(4)}
    for number in drawn.tolist():
        span = sentences.span(used[number])
        ids = torch.from_numpy(sentences.token[span])[None]
        word = sentences.word[span]
        kept: list[torch.Tensor] = []
        hooks = [part.register_forward_hook(keeps(kept)) for part in (model.transformer.drop, *model.transformer.h)]
        with torch.no_grad():
            final = model(ids).logits[0].log_softmax(-1)
            for layer, states in enumerate(kept):
                logs = model.lm_head(model.transformer.ln_f(states))[0].log_softmax(-1)
                for place in range(1, ids.shape[1]):
                    if word[place] >= 0:
                        nats[layer].append(-float(logs[place - 1, ids[0, place]]))
                        hits[layer].append(int(logs[place - 1].argmax()) == int(ids[0, place]))
                        terms = final[place - 1].exp() * (final[place - 1] - logs[place - 1])
                        divergence[layer].append(float(terms.sum()))
        for hook in hooks:
            hook.remove()
    for layer in range(4):
        row = report.curve("logit")[layer]
        assert row.n == len(nats[layer])
        assert row.value == pytest.approx(np.mean(nats[layer]), abs=1e-4)
        assert report.curve("logit", ACCURACY)[layer].value == pytest.approx(np.mean(hits[layer]))
        assert report.curve("logit", DIVERGENCE)[layer].value == pytest.approx(np.mean(divergence[layer]), abs=1e-4)


def test_the_last_layer_is_the_model_itself(report: LensReport) -> None:
    assert report.curve("logit", AGREEMENT)[3].value == 1
    assert report.curve("logit", DIVERGENCE)[3].value == 0
    assert valued(report.curve("logit", DIVERGENCE)[0]) > 0
    assert report.curve("logit", AGREEMENT)[3].note == "by definition"
    certificate = report.provenance["certificate"]
    assert certificate["difference"] <= certificate["tolerance"] == 1e-4
    assert certificate["sentences"] == 3


def test_a_norm_done_twice_and_other_states_are_refused(gpt2: ActivationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hidden_states[-1] of GPT-2 would do: it is behind the final norm already."""
    own = ActivationCache.layer

    def normed(self: ActivationCache, layer: Any, stack: str = "") -> Any:
        return own(self, "final" if layer == 3 else layer, stack)

    monkeypatch.setattr(ActivationCache, "layer", normed)
    with pytest.raises(NumericError, match="is not what the model says of the same tokens"):
        view_lens(gpt2, settings=SMALL)


@pytest.mark.parametrize("name", ["llama", "opt", "gpt_neox"])
def test_other_families_are_certified_too(name: str, root: Path) -> None:
    report = view_lens(cache_of(root, headed(name)), settings=LensSettings(limit=2, layers="0,3"))
    assert report.layers == (0, 3)
    assert report.curve("logit", AGREEMENT)[3].value == 1


def test_a_masked_model_is_read_at_masks_alone(root: Path) -> None:
    from transformers import BertForMaskedLM

    cache = cache_of(root, headed("bert"))
    report = view_lens(cache, settings=SMALL)
    assert report.task == "masked-token"
    assert any("predicts no token that it reads" in note for note in report.notes)
    assert any("below: the masked token" in text.get_text() for text in report.plot_sentence().texts)
    assert "masked" in str(report)
    row = report.curve("logit")[3]
    assert row.n == 8  # two of each of four sentences
    # Pseudo-log-likelihood of the shown sentence, one mask at a time, in lines of transformers.
    model = BertForMaskedLM.from_pretrained(headed("bert")).eval()
    sentences = Sentences.of(cache)
    span = sentences.span(report.provenance["sentence"]["number"])
    token, word = torch.from_numpy(sentences.token[span]), sentences.word[span]
    own = report.provenance["sentence"]["readings"]["logit"]["3"]["logprob"]
    expected = []
    for place in np.flatnonzero(word >= 0).tolist():
        ids = token.clone()
        later = [i for i in range(place, len(ids)) if word[i] == word[place]]
        ids[later] = 4  # [MASK]
        with torch.no_grad():
            expected.append(float(model(ids[None]).logits[0, place].log_softmax(-1)[token[place]]))
    assert own == pytest.approx(expected, abs=1e-4)


def test_controls_floors_and_intervals_stand_beside(gpt2: ActivationCache, report: LensReport) -> None:
    for metric in METRICS:
        rows = report.curve("logit", metric)
        assert set(rows) == {0, 1, 2, 3}
        assert all(row.n_groups == 4 and row.unit == "sentence" for row in rows.values())
    floor = report.floor()
    assert floor is not None
    sentences = Sentences.of(gpt2)
    train = next_tokens(sentences, sentences.of_split("train"), gpt2)
    own = np.concatenate([sentences.token[sentences.span(i)] for i in sentences.of_split("train")])
    counts = np.bincount(own, minlength=600)
    assert floor.strength is not None
    assert set(train.target) <= set(np.flatnonzero(counts).tolist())
    used = report.provenance["targets"]["test"]
    assert floor.n == used
    assert valued(floor) < np.log(len(counts))  # better than knowing nothing
    assert set(report.curve("logit shuffled")) == {0, 1, 2, 3}
    assert {row.split for row in report.rows} == {"dev", "test"}


@pytest.mark.parametrize(("name", "said"), [("t5", "encoder-decoder"), ("gpt2", "no head"), ("bert", "no head")])
def test_what_has_no_honest_reading_is_refused(name: str, said: str, root: Path) -> None:
    cache = cache_of(root / "bare", tiny_model(name))
    with pytest.raises(UsageError, match=said):
        view_lens(cache, settings=SMALL)


def test_another_model_and_missing_layers_are_refused(gpt2: ActivationCache, root: Path) -> None:
    with pytest.raises(UsageError, match="with other weights"):
        view_lens(gpt2, model=headed("opt"), settings=SMALL)
    few = extract(str(headed("gpt2")), CORPUS, layers="0,1", overflow="truncate", cache=root / "few")
    with pytest.raises(UsageError, match="has no layer 3"):
        view_lens(few, settings=SMALL)
    random = extract(str(headed("gpt2")), CORPUS, random_weights=0, overflow="truncate", cache=root / "random")
    with pytest.raises(UsageError, match="control model"):
        view_lens(random, settings=SMALL)
    with pytest.raises(UsageError, match="layer 3 behind the final norm"):
        view_lens(gpt2, settings=LensSettings(layers="final", limit=2))
    with pytest.raises(UsageError, match="numbered 0 to 59"):
        view_lens(gpt2, settings=LensSettings(sentence=60, limit=2))


def test_the_layer_that_writes_the_answer_is_where_cross_entropy_drops(root: Path) -> None:
    cache = extract(str(write_succeeding_model(root / "follows")), circles(), cache=root)
    report = view_lens(cache, settings=LensSettings(limit=6))
    curve = report.curve("logit")
    for layer in range(BLOCKS + 1):
        value = valued(curve[layer])
        assert value > np.log(N) if layer < WRITES else value < 0.1  # nothing favours a word before it
        assert report.curve("logit", ACCURACY)[layer].value == 1 or layer < WRITES
    assert valued(report.curve("logit shuffled")[BLOCKS]) > 3  # sure of a token that is another one's
    assert report.massive.empty
    assert any("No dimension" in note for note in report.notes)


def test_a_massive_dimension_is_named_and_the_lens_shown_without_it(root: Path) -> None:
    cache = extract(str(write_succeeding_model(root / "huge", massive=True)), circles(), cache=root)
    report = view_lens(cache, settings=LensSettings(limit=6))
    found = report.massive
    assert found["layer"].tolist() == [2, 3, 4]
    assert set(found["dim"]) == {IDLE}
    assert found["largest"].tolist() == pytest.approx([HUGE] * 3)
    assert (found["tokens"] == report.provenance["targets"]["train"]).all()
    zeroed, mean = (report.curve(f"logit, {said}") for said in WITHOUT.values())
    assert set(zeroed) == {2, 3, 4}
    assert valued(report.curve("logit")[2]) > 1  # the norm divides by the huge number
    assert valued(zeroed[2]) < 0.1
    assert mean[2].value == pytest.approx(report.curve("logit")[2].value, abs=1e-6)  # which is the same everywhere
    assert f"massive dimensions of layer 2: {IDLE} (up to 5,000)" in str(report)


def test_the_command_writes_report_and_figures_and_the_sentence_has_a_frame(
    gpt2: ActivationCache, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    out, plot, tokens = (tmp_path / name for name in ("lens.jsonl", "lens.png", "tokens.svg"))
    command = ["view", "lens", str(gpt2.path), "--limit", "2", "--sentence", "3", "--layers", "0,3"]
    assert run([*command, "--out", str(out), "--plot", str(plot), "--tokens", str(tokens)]) == 0
    said = capsys.readouterr()
    assert all(str(path) in said.err and path.is_file() for path in (out, plot, tokens))
    assert "sentence 3" in said.out
    report = LensReport.read(out)
    assert report.table() == said.out.rstrip("\n")
    assert run(["report", "show", str(out)]) == 0
    assert "lens: logit" in capsys.readouterr().out
    frame = report.tokens
    assert set(frame["layer"]) == {0, 3}
    places = frame["place"].nunique()
    assert len(frame) == 2 * places * 5
    first = frame[(frame["layer"] == 3) & (frame["order"] == 1)]
    assert ((first["token"] == first["target"]) == (first["target_rank"] == 1)).all()
    assert frame.groupby(["layer", "place"])["probability"].apply(lambda p: p.is_monotonic_decreasing).all()
    assert "lens logit" in said.err
    bands = report.plot_sentence().child_axes
    assert len(bands) == -(-min(MOST, places) // 7)  # no more than seven tokens beside one another
    assert sum(len(band.get_xticks()) for band in bands) == min(MOST, places)
    assert len(bands[0].texts) == 2 * len(bands[0].get_xticks())
    assert report.save_sentence(tmp_path / "s.png").is_file()
    with pytest.raises(UsageError, match="no sentence by 'tuned'"):
        report.plot_sentence(lens="tuned")


def test_a_head_that_minds_its_neighbours_reads_no_state_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_with_head(find_model(str(headed("gpt2"))), "causal", device="cpu", stacks=True)
    own = Middle.logits

    def mixing(self: Middle, batch: Any, places: torch.Tensor, states: Any = None) -> torch.Tensor:
        return own(self, batch, places, states + 0.1 * states.roll(1, dims=1))

    monkeypatch.setattr(Middle, "logits", mixing)
    with pytest.raises(UsageError, match="a state alone has no logits"):
        Ending(loaded)


def test_states_kept_in_half_precision_are_read_as_exactly_as_that(root: Path) -> None:
    half = extract(str(headed("gpt2")), CORPUS, layers="0,3", store="float16", overflow="truncate", cache=root / "half")
    report = view_lens(half, settings=LensSettings(limit=2))
    certificate = report.provenance["certificate"]
    assert 1e-6 < certificate["difference"] <= certificate["tolerance"] == 2e-2
    assert any("kept as float16" in note for note in report.notes)
