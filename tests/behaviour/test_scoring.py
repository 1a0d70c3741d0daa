"""Scores against a plain float64 loop: one text, one token at a time, no batch, nothing shared."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_headed, tiny_model

from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.behaviour.scoring.perplexity import perplexity
from probekit.behaviour.scoring.trees import pack
from probekit.errors import CacheError, UsageError
from probekit.models.sources.find import find_model
from probekit.models.sources.headed import check_head
from probekit.models.sources.weights import quiet

CAUSAL, MASKED, SEQ2SEQ = "AutoModelForCausalLM", "AutoModelForMaskedLM", "AutoModelForSeq2SeqLM"
TEXTS = [
    "the doctor walks to the river",
    "the doctor walk to the river",
    "It was running quietly.",
    "the doctor",
    "teachers follow the brightness of windows , 1999",
]


def session(folder: Path, score: str = "auto", **options: Any) -> Session:
    root = options.pop("root", None)
    return Session(find_model(folder), ScoringSpec(score, device="cpu", **options), root=root)


def totals(opened: Session, texts: list[str] = TEXTS) -> list[float]:
    return [scores.total for scores in opened.score(opened.read(texts))]


def exact(folder: Path, kind: str) -> tuple[Any, Any]:
    """The model in float64, and its tokenizer."""
    import transformers

    with quiet():
        model = getattr(transformers, kind).from_pretrained(folder, dtype=torch.float64).eval()
        return model, transformers.AutoTokenizer.from_pretrained(folder)


def log_softmax(logits: torch.Tensor, token: int) -> float:
    return float(torch.log_softmax(logits.double(), -1)[token])


@torch.no_grad()
def causal_loop(model: Any, ids: list[int], begin: list[int]) -> list[float]:
    found = []
    for place in range(len(ids)):
        before = [*begin, *ids[:place]]
        if before:
            found.append(log_softmax(model(torch.tensor([before])).logits[0, -1], ids[place]))
    return found


@torch.no_grad()
def masked_loop(model: Any, tokenizer: Any, text: str, *, later: bool) -> float:
    encoded = tokenizer(text)
    words, total = encoded.word_ids(), 0.0
    for place, word in enumerate(words):
        if word is None:
            continue
        ids = list(encoded["input_ids"])
        for other in range(place, len(ids)):
            if other == place or (later and words[other] == word):
                ids[other] = tokenizer.mask_token_id
        total += log_softmax(model(torch.tensor([ids])).logits[0, place], encoded["input_ids"][place])
    return total


@pytest.mark.parametrize("family", ["gpt2", "llama", "opt", "gpt_neox"])
@pytest.mark.parametrize("begin", ["token", "none"])
def test_causal_scores_are_those_of_one_token_at_a_time(family: str, begin: str) -> None:
    folder = tiny_headed(family, CAUSAL)
    opened = session(folder, begin=begin)
    model, _ = exact(folder, CAUSAL)
    for reading, scores in zip(read := opened.read(TEXTS), opened.score(read), strict=True):
        wanted = causal_loop(model, reading.ids.tolist(), list(opened.ends.begin))
        assert scores.logprob[scores.scored] == pytest.approx(wanted, abs=1e-4)
        assert scores.n_tokens == len(reading.ids) - (begin == "none")


def test_what_texts_begin_with_in_common_is_read_once() -> None:
    sequences = [(1, 2, 3, 4), (1, 2, 5), (1, 2, 3), (9, 9)]
    (row,) = pack(sequences, 96)
    assert len(row.ids) == 4 + 1 + 2
    for place, nodes in row.members:
        assert tuple(row.ids[node] for node in nodes) == sequences[place]
        assert set(np.flatnonzero(row.sees()[nodes[-1]])) == set(nodes)
    assert [len(row.ids) for row in pack(sequences, 5)] == [5, 2]
    opened = session(tiny_headed("gpt2", CAUSAL))
    assert opened._scorer.packs  # type: ignore[attr-defined]
    assert opened._scorer.head.narrow  # type: ignore[attr-defined]


def test_a_model_that_minds_rows_of_several_texts_gives_the_same() -> None:
    opened, plain = (session(tiny_headed("llama", CAUSAL)) for _ in range(2))
    plain._scorer.packs = plain._scorer.head.narrow = None  # type: ignore[attr-defined]
    assert totals(opened) == pytest.approx(totals(plain), abs=1e-4)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
@pytest.mark.parametrize("score", ["masked", "masked-original"])
def test_masked_scores_are_those_of_one_mask_at_a_time(family: str, score: str) -> None:
    folder = tiny_headed(family, MASKED)
    model, tokenizer = exact(folder, MASKED)
    wanted = [masked_loop(model, tokenizer, text, later=score == "masked") for text in TEXTS]
    assert totals(session(folder, score)) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("family", "place"),
    [("bert", "attention.output"), ("roberta", "attention.output"), ("distilbert", "sa_layer_norm")],
)
def test_behind_the_last_attention_masked_places_are_read_alone(family: str, place: str) -> None:
    scorer: Any = session(tiny_headed(family, MASKED))._scorer
    names = {module: name for name, module in scorer.loaded.model.named_modules()}
    assert names[scorer.head.narrow].endswith(place)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_encoder_decoders_score_what_they_write(family: str) -> None:
    folder = tiny_headed(family, SEQ2SEQ)
    opened = session(folder, end="token")
    model, _ = exact(folder, SEQ2SEQ)
    source = [*opened.backend.prefix, *opened.backend.suffix]
    assert opened._scorer.head.narrow  # type: ignore[attr-defined]
    for reading, scores in zip(read := opened.read(TEXTS), opened.score(read), strict=True):
        written, found = [*reading.ids.tolist(), *opened.ends.end], []
        for place, token in enumerate(written):
            before = [model.config.decoder_start_token_id, *opened.ends.begin, *written[:place]]
            with torch.no_grad():
                out = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([before]))
            found.append(log_softmax(out.logits[0, -1], token))
        assert [*scores.logprob, scores.end] == pytest.approx(found, abs=1e-4)


def test_words_and_regions_add_up() -> None:
    opened = session(tiny_headed("gpt2", CAUSAL))
    text = "the doctor walks  to the river."
    (scores,) = opened.score(opened.read([text]))
    words = scores.surprisals()
    assert [word for word, _ in words] == text.split()
    assert -sum(value or 0 for _, value in words) == pytest.approx(scores.total)
    assert scores.region(4, 16) == pytest.approx(-(words[1][1] or 0) - (words[2][1] or 0))
    (bare,) = session(tiny_headed("gpt2", CAUSAL), begin="none").score(opened.read([text]))
    assert bare.surprisals()[0][1] is None
    assert math.isnan(bare.region(0, 3))


def test_a_closing_token_is_scored_where_it_is_wanted() -> None:
    folder = tiny_headed("gpt2", CAUSAL)
    opened = session(folder, end="token")
    model, tokenizer = exact(folder, CAUSAL)
    (scores,) = opened.score(opened.read(["the doctor"]))
    ids = [*scores.reading.ids.tolist(), tokenizer.eos_token_id]
    assert scores.total == pytest.approx(sum(causal_loop(model, ids, [tokenizer.bos_token_id])), abs=1e-4)
    assert "scored" in opened.ends.said


def test_windows_of_a_text_score_every_token_once() -> None:
    folder = tiny_headed("gpt2", CAUSAL)
    opened = session(folder)
    model, tokenizer = exact(folder, CAUSAL)
    text = " ".join(TEXTS)
    found = perplexity(text, opened, window=16, stride=4)
    ids = opened.read([text])[0].ids.tolist()
    nats, done = 0.0, 0
    while done < len(ids):
        stop = min(len(ids), done + (15 if done == 0 else 4))
        part = ids[max(0, stop - 15) : stop]
        nats -= sum(causal_loop(model, part, [tokenizer.bos_token_id])[done - stop :])
        done = stop
    assert (found.tokens, found.words, found.unscored) == (len(ids), len(text.split()), 0)
    assert found.nats == pytest.approx(nats, abs=1e-3)
    assert found.by_token == pytest.approx(math.exp(nats / len(ids)), rel=1e-5)
    with pytest.raises(UsageError, match="at most 64"):
        perplexity(text, opened, window=65)


def test_kept_scores_are_not_computed_again(tmp_path: Path) -> None:
    folder = tiny_headed("gpt2", CAUSAL)
    with session(folder, root=tmp_path) as first:
        # As where Ctrl-C ends it: two batches are done, the others never begin.
        first.score(first.read(TEXTS[:2]))
    with session(folder, root=tmp_path) as second:
        found = totals(second)
        assert second.computed == len(TEXTS) - 2
    # In the same batches: sums of float32 differ in their last bits between others.
    whole = session(folder)
    assert found == pytest.approx(totals(whole, TEXTS[:2]) + totals(whole, TEXTS[2:]), abs=1e-6)
    with session(folder, root=tmp_path, begin="none") as other:
        totals(other)
        assert other.computed == len(TEXTS)
    with session(folder, root=tmp_path, random_weights=1) as random:
        totals(random)
        assert random.computed == len(TEXTS)


def test_what_a_masked_model_scored_before_an_interrupt_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_headed("bert", MASKED)
    texts = [f"{text} {word}" for text in TEXTS for word in ("there", "here", "where")]
    first = session(folder, root=tmp_path, batch_tokens=24)
    batches: list[int] = []
    scorer: Any = first._scorer
    own = scorer._batch

    def interrupted(*given: Any) -> Any:
        batches.append(1)
        if len(batches) > 30:
            raise KeyboardInterrupt
        return own(*given)

    monkeypatch.setattr(scorer, "_batch", interrupted)
    with first, pytest.raises(KeyboardInterrupt):
        totals(first, texts)
    with session(folder, root=tmp_path, batch_tokens=24) as second:
        totals(second, texts)
        assert 0 < second.computed < len(texts)


def test_a_line_that_was_cut_is_scored_again_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    folder = tiny_headed("gpt2", CAUSAL)
    with session(folder, root=tmp_path) as first:
        totals(first)
        path = first.store.path  # type: ignore[union-attr]
    path.write_bytes(path.read_bytes()[:-5])
    with session(folder, root=tmp_path) as second:
        totals(second)
        assert second.computed == 1
        assert "cut short" in " ".join(second.notes)
    with session(folder, root=tmp_path) as third:
        totals(third)
        assert (third.computed, third.notes) == (0, [])
    path.write_bytes(path.read_bytes().replace(b'"best"', b'"bext"', 1))
    with pytest.raises(CacheError, match=r":2 is damaged"):
        session(folder, root=tmp_path)


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    folder = tiny_headed("gpt2", CAUSAL)
    with session(folder, root=tmp_path) as first, session(folder, root=tmp_path) as second:
        assert totals(first) == totals(second)
        assert "Another process" in " ".join(second.notes)
    assert first.store.path.read_bytes().count(b"\n") == 1 + len(TEXTS)  # type: ignore[union-attr]


def test_a_score_that_a_model_cannot_give_says_what_to_use() -> None:
    with pytest.raises(UsageError, match="--score causal"):
        check_head(find_model(tiny_headed("gpt2", CAUSAL)), "masked")
    with pytest.raises(UsageError, match="--score masked"):
        check_head(find_model(tiny_headed("bert", MASKED)), "causal")
    with pytest.raises(UsageError, match=r"no head that predicts tokens: its config names BertModel"):
        check_head(find_model(tiny_model("bert")), "auto")
