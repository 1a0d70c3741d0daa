"""``extract --keep``: a row is the pooling, by hand, of the tokens that a cache of all tokens or a model gives."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from children import PATIENCE, in_child
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import LIMIT, tiny_model

import probekit.cache.write.staging
from probekit import ActivationCache, Example, extract
from probekit.cache.examples import read_kept, read_text
from probekit.cache.format.certificate import certificate
from probekit.cache.format.manifest import read_header
from probekit.cache.format.names import ShardSpec
from probekit.cache.format.plan import read_plan
from probekit.cache.index import CacheIndex
from probekit.cache.keep import Keep
from probekit.cache.manage.verify import repair, verify
from probekit.errors import CacheError, InputError, NumericError, UsageError
from probekit.extraction.forward_pass import ModelPass
from probekit.extraction.keeping import Places, rows_to_keep
from probekit.extraction.kept_places import _spans_of
from probekit.extraction.pooled import RowSums
from probekit.storage.strict import canonical
from probekit.tasks import ProbeTask, Target

SENTENCES = [
    ["the", "doctor", "walked", "to", "the", "quiet", "house"],
    ["music"],
    ["rivers", "carry", "paper", "?"],
    ["a", "bright", "window", "follows", "the", "teacher", "and", "the", "number"],
] * 3
LONG = ["quietness", "of", "the", "carrying", "windowless", "teachers"] * 20


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards from a small corpus."""
    monkeypatch.setattr(probekit.cache.write.staging, "SHARD_WORDS", 30)


def kept(model: Path, corpus: Any, root: Path, keep: str, **options: Any) -> ActivationCache:
    return ActivationCache.open(extract(model, corpus, cache=root, keep=keep, batch_tokens=64, **options).cache)


def rounded(vector: np.ndarray, dtype: str) -> np.ndarray:
    """Return what a float32 vector is once it was stored."""
    return torch.from_numpy(vector.astype(np.float32)).to(getattr(torch, dtype)).float().numpy()


def by_hand(cache: ActivationCache, stack: str, layer: int) -> dict[tuple[int, int], np.ndarray]:
    """Return the mean of the tokens of every word, from a cache of all tokens, in double precision."""
    index, states = cache.index(stack), cache.layer(layer, stack).array().astype(np.float64)
    pairs = zip(index.example.tolist(), index.word.tolist(), strict=True)
    return {
        (example, word): states[(index.example == example) & (index.word == word)].mean(0)
        for example, word in set(pairs)
        if word >= 0
    }


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_a_row_of_a_word_is_the_mean_of_its_tokens(family: str, tmp_path: Path) -> None:
    model = tiny_model(family)
    tokens, words = (kept(model, SENTENCES, tmp_path, keep, layers=[1, 2]) for keep in ("tokens", "words"))
    assert words.key != tokens.key
    # What is not asked for names nothing, so that a cache of tokens has the key and the indexes it had before.
    assert set(words.identity) - set(tokens.identity) == {"keep"}
    assert [name for name in tokens._headers[0].tensors if "count" in name or "stop" in name] == []
    assert words.keep == Keep(("words",))
    assert len(words.shards) > 1
    for stack in tokens.stacks:
        index, expected = words.index(stack), by_hand(tokens, stack, 2)
        assert set(zip(index.example.tolist(), index.word.tolist(), strict=True)) == set(expected)
        assert index.count is not None
        assert (index.stop == index.word + 1).all()
        assert index.count.sum() == (tokens.index(stack).word >= 0).sum()
        found = words.layer(2, stack).array()
        for row, key in enumerate(zip(index.example.tolist(), index.word.tolist(), strict=True)):
            np.testing.assert_allclose(found[row], expected[key], atol=1e-6)
        # A word of one token is that token, bit by bit.
        one = np.flatnonzero(index.count == 1)
        states, ids = tokens.layer(2, stack).array(), tokens.index(stack)
        at = {(e, w): row for row, (e, w) in enumerate(zip(ids.example.tolist(), ids.word.tolist(), strict=True))}
        same = [at[int(index.example[row]), int(index.word[row])] for row in one]
        np.testing.assert_array_equal(found[one], states[same])
        assert index.token[one].tolist() == ids.token[same].tolist()
        assert (index.token[index.count > 1] == -1).all()
    assert words.manifest["findings"]["tokens_read"] == len(tokens.index(tokens.stacks[0]).token)
    assert verify(words.path).ok


def test_rows_are_those_of_a_direct_forward(tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = tiny_model("bert")
    net, tokenizer = (
        AutoModel.from_pretrained(folder, dtype=torch.float32).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    caches = {keep: kept(folder, SENTENCES, tmp_path, keep, layers=[2]) for keep in ("words", "sentence", "last")}
    for ordinal in (0, 3):
        encoded = tokenizer(SENTENCES[ordinal], is_split_into_words=True, return_tensors="pt")
        with torch.inference_mode():
            states = net(**encoded, output_hidden_states=True).hidden_states[2][0]
        whose = [-1 if word is None else word for word in encoded.word_ids()]
        expected = {
            "words": [states[[w == word for w in whose]].mean(0) for word in range(len(SENTENCES[ordinal]))],
            "sentence": [states[[w >= 0 for w in whose]].mean(0)],
            "last": [states[-1]],
        }
        for keep, cache in caches.items():
            rows = np.flatnonzero(cache.index().example == ordinal)
            np.testing.assert_allclose(cache.layer(2)[rows], torch.stack(expected[keep]).numpy(), atol=2e-6)


def test_means_are_made_in_float32_whatever_the_model_computes_in(tmp_path: Path) -> None:
    """Of bfloat16 states the stored mean is that of the float32 sum; a bfloat16 sum of a long text is far off."""
    text = [LONG[:40]]
    options: dict[str, Any] = {"layers": [1], "dtype": "bfloat16"}
    tokens, pooled = (kept(tiny_model("bert"), text, tmp_path, keep, **options) for keep in ("tokens", "sentence"))
    inside = np.flatnonzero(tokens.index().word >= 0)
    states = tokens.layer(1)[inside]
    found = pooled.layer(1).array()[0]
    assert pooled.layer(1).dtype == "bfloat16"
    np.testing.assert_array_equal(found, rounded(states.mean(0), "bfloat16"))
    total = torch.zeros(states.shape[1], dtype=torch.bfloat16)
    for row in torch.from_numpy(states).to(torch.bfloat16):
        total += row
    assert (rounded((total / len(states)).float().numpy(), "bfloat16") != found).any()


@pytest.mark.parametrize(("pool", "at"), [("first", 0), ("last", -1)])
def test_first_and_last_are_tokens_themselves(pool: str, at: int, tmp_path: Path) -> None:
    model = tiny_model("bert")
    tokens = kept(model, SENTENCES, tmp_path, "tokens", layers=[1])
    index = tokens.index()
    for keep in (f"words:{pool}", f"sentence:{pool}"):
        cache = kept(model, SENTENCES, tmp_path, keep, layers=[1])
        its, rows = cache.index(), cache.layer(1).array()
        assert (its.count == 1).all()
        for row in range(len(rows)):
            inside = (index.word >= its.word[row]) & (index.word < its.stop[row]) & (index.example == its.example[row])
            token = np.flatnonzero(inside)[at]
            np.testing.assert_array_equal(rows[row], tokens.layer(1)[token])
            assert its.token[row] == index.token[token]


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_windows_pool_the_tokens_of_a_cache_of_all_tokens(family: str, tmp_path: Path) -> None:
    """The tokens of a word, and of an example, come from several windows and several batches."""
    corpus = [LONG, SENTENCES[0], LONG[::-1]]
    options: dict[str, Any] = {"layers": [1], "overflow": "window", "max_length": LIMIT // 2}
    model = tiny_model(family)
    tokens, words, whole = (kept(model, corpus, tmp_path, keep, **options) for keep in ("tokens", "words", "sentence"))
    for stack in tokens.stacks:
        expected, index = by_hand(tokens, stack, 1), words.index(stack)
        assert len(expected) == len(index.word) == sum(map(len, corpus))
        for row, key in enumerate(zip(index.example.tolist(), index.word.tolist(), strict=True)):
            np.testing.assert_allclose(words.layer(1, stack)[row], expected[key], atol=1e-6)
        own, states = tokens.index(stack), tokens.layer(1, stack).array()
        for row, example in enumerate(whole.index(stack).example.tolist()):
            mean = states[(own.example == example) & (own.word >= 0)].mean(0, dtype=np.float64)
            np.testing.assert_allclose(whole.layer(1, stack)[row], mean, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_counts_add_up_and_batches_change_nothing(data: st.DataObject) -> None:
    """Of any examples, words of any size (some without a token), cut anywhere: means equal those made at once."""
    example, word = [], []
    for ordinal in data.draw(st.permutations(range(data.draw(st.integers(1, 4))))):
        counts = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
        inner = [-1] * data.draw(st.integers(0, 2))
        body = [place for place, count in enumerate(counts) for _ in range(count)]
        cut = data.draw(st.integers(0, len(body)))
        while 0 < cut < len(body) and body[cut] == body[cut - 1]:
            cut += 1
        line = [-1, *body[:cut], *(inner if 0 < cut < len(body) else []), *body[cut:], -1]
        example += [ordinal] * len(line)
        word += line
    tokens = CacheIndex(np.array(example, np.int32), np.array(word, np.int32), np.arange(len(word), dtype=np.int32))
    n = max(example) + 1
    keep = Keep.read(data.draw(st.sampled_from(["words", "words:first", "sentence,last", "sentence:last"])))
    places = Places.of([[(-1, 6), (0, 6)]] * n, [6] * n, 0) if keep.places else None
    kept = rows_to_keep(keep, tokens, places, ())
    inside = np.flatnonzero(tokens.word >= 0)
    if keep.name == "words":  # and what stands between two words
        ranges = [inside[tokens.example[inside] == e] for e in range(n)]
        between = sum(int(rows[-1] + 1 - rows[0]) for rows in ranges if len(rows))
        assert kept.index.count.sum() == between
        assert kept.index.count[kept.index.word >= 0].sum() == len(inside)
    states = torch.randn(len(word), 3, generator=torch.Generator().manual_seed(0))
    sums, found, low = RowSums({"": kept}), [], 0
    while low < len(word):
        size = min(data.draw(st.integers(1, 9)), len(word) - low)
        part = sums.next("", size)
        found.append(sums.means("it", part, states[low : low + size][torch.from_numpy(part.tokens)]).float())
        low += size
    rows = torch.cat(found)
    assert len(rows) == len(kept)
    for row, (first, behind) in enumerate(zip(kept.first.tolist(), kept.behind.tolist(), strict=True)):
        expected = states[first:behind].mean(0) if behind > first else torch.zeros(3)
        torch.testing.assert_close(rows[row], expected, atol=1e-6, rtol=0)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*/0*")}


def test_killed_resumed_and_in_parts_the_bytes_are_the_same(tmp_path: Path) -> None:
    model, run, begun = tiny_model("t5"), ModelPass.run, []
    options: dict[str, Any] = {
        "layers": [1], "keep": "words", "batch_tokens": 32, "overflow": "window", "max_length": 16
    }  # fmt: skip
    corpus = [*SENTENCES[:4], LONG[:30], *SENTENCES[4:]]

    def dying(self: ModelPass, *what: Any) -> Any:
        if what[1] not in begun:
            begun.append(what[1])
        if len(begun) == 3:  # of the third shard; the first is published behind the model
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until and not list((tmp_path / "a").glob("*--*/receipts/*.json")):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return run(self, *what)

    with mock.patch.object(ModelPass, "run", dying):
        assert in_child(lambda: extract(model, corpus, cache=tmp_path / "a", **options)) == -signal.SIGKILL
    (left,) = (tmp_path / "a").glob("*--*")
    with pytest.raises(CacheError, match=r"incomplete: [1-9]"):
        ActivationCache.open(left)
    extract(model, corpus, cache=tmp_path / "a", **options)
    for part in ((2, 2), (1, 2)):
        other = extract(model, corpus, cache=tmp_path / "b", shard=part, **options)
    assert other.complete
    assert digests(left) == digests(other.cache)
    assert (left / "manifest.json").read_bytes() == (other.cache / "manifest.json").read_bytes()
    # Damage is found and mended.
    shard = next((left / "shards").iterdir())
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    assert not verify(left).ok
    repair(left)
    extract(model, corpus, cache=tmp_path / "a", **options)
    assert digests(left) == digests(other.cache)


def test_a_batch_is_compared_with_single_sentences_before_it_is_pooled(tmp_path: Path, monkeypatch: Any) -> None:
    tokens, words = (kept(tiny_model("gpt2"), SENTENCES, tmp_path, keep, layers=[1]) for keep in ("tokens", "words"))
    proofs = [certificate(cache.manifest["findings"], cache.made_with) for cache in (tokens, words)]
    assert proofs[0] == proofs[1]
    run = ModelPass.run

    @torch.inference_mode()
    def noisy(self: ModelPass, *what: Any) -> Any:
        found = run(self, *what)
        state = self.capture.states["layer.01"] = self.capture.states["layer.01"].clone()
        # Two tokens of a word, so that their mean does not change.
        state[0, 0] += 0.5
        state[0, 1] -= 0.5
        return found

    monkeypatch.setattr(ModelPass, "run", noisy)
    with pytest.raises(NumericError, match=r"layer\.01 differs"):
        extract(tiny_model("gpt2"), [["quietness"]] * 2, keep="sentence", layers=[1], cache=tmp_path)


def test_what_is_not_finite_is_named_by_its_example(tmp_path: Path, monkeypatch: Any) -> None:
    run = ModelPass.run

    def overflowing(self: ModelPass, *what: Any) -> Any:
        found = run(self, *what)
        found.blocks["layer.01"][-1] = float("inf")
        found.largest["layer.01"] = float("inf")
        return found

    monkeypatch.setattr(ModelPass, "run", overflowing)
    with pytest.raises(NumericError, match=r"infinity in 1 of 2 rows, first at example 'words:1'"):
        extract(tiny_model("bert"), SENTENCES[:2], keep="sentence", layers=[1], cache=tmp_path)


def test_what_the_plan_does_not_say_does_not_open(tmp_path: Path) -> None:
    """Shards of rows that pool do not pass for tokens, nor the other way; a place outside of its example is damage."""
    tokens, words, places = (
        kept(tiny_model("bert"), SENTENCES, tmp_path, keep, layers=[1]) for keep in ("tokens", "words", "sentence,last")
    )
    for plan_of, shards_of in ((tokens, words), (words, tokens)):
        plan = read_plan(shards_of.path)
        other = replace(plan, identity=plan_of.identity)
        with pytest.raises(CacheError, match="does not hold the indexes of what the plan"):
            read_header(other, 0)
    line = read_text(places.path / "corpus", places.shards[0]).split(b"\n")[0]
    assert json.loads(line)["kept"] == [[-1, 7], [0, 7]]
    for wrong in ([[0, 8]], [[3, 3]], [[-2, 1]], [["0", 1]], [0, 1], None):
        entry = {**json.loads(line), "kept": wrong}
        data = canonical(entry) + b"\n"
        (tmp_path / "00000.jsonl").write_bytes(data)
        with pytest.raises(CacheError, match="does not say which places of its example are kept"):
            read_kept(tmp_path, ShardSpec(0, 0, 1, 7, len(data), hashlib.sha256(data).hexdigest()))
    for written in ("word,words", "sentence,last", "words:mean", 3):
        with pytest.raises(CacheError, match="The plan of a cache says that it keeps"):
            Keep.of({"keep": written})


def test_what_cannot_be_kept_is_refused_by_name(tmp_path: Path) -> None:
    for keep, says in (
        ("word", "Got 'word'.*Did you mean 'words'"),
        ("words,sentence", "tokens, words, or a list of places"),
        ("sentence,sentence", "Got 'sentence,sentence'"),
        ("sentence:first,assistant:last", "in one way, and .* names first and last"),
        ("last:mean,last-prompt:last", "in one way"),
        ("last:first", "positions of one token .last., so there is nothing to pool"),
        ("tokens:first", "pools nothing"),
        ("spans:nertag", "There is no task 'nertag'"),
        ("sentence:0", "The `keep` option must be sentence:K. Got 'sentence:0'"),
        ("mark", "The `keep` option must be mark:NAME"),
        ("spans:", "The `keep` option must be spans:TASK"),
        ("", "Got ''"),
    ):
        with pytest.raises(UsageError, match=says):
            extract(tiny_model("bert"), SENTENCES, keep=keep, cache=tmp_path)
    with pytest.raises(UsageError, match="weights with --keep words: attention weights are of pairs"):
        extract(tiny_model("bert"), SENTENCES, keep="words", sites="weights", cache=tmp_path)
    assert not list(tmp_path.glob("*--*"))


@pytest.mark.parametrize("pool", ["mean", "first", "last"])
@pytest.mark.parametrize("unit", ["spans:column:first", "spans:column:mean", "mark:first", "mark:it", "sentence"])
@pytest.mark.parametrize("beside", [(), ("spans:pos",), ("assistant",), ("spans:regex:a,b:last",)])
def test_a_name_that_ends_like_a_pool_is_read_as_it_was_meant(unit: str, pool: str, beside: tuple[str, ...]) -> None:
    keep = Keep(tuple(sorted((unit, *beside))), pool)
    assert Keep.read(keep.name) == keep
    assert Keep.of({"keep": keep.name}) == keep
    typed = (each if "," not in each else f'spans:"{each.partition(":")[2]}"' for each in keep.units)
    assert Keep.read(",".join(f"{each}:{pool}" for each in typed)) == keep


@given(
    names=st.sets(st.text(alphabet='ab,":{} ', min_size=1, max_size=6), min_size=1, max_size=3),
    pool=st.sampled_from(["mean", "first", "last"]),
    kind=st.sampled_from(["spans", "mark"]),
)
def test_a_name_in_double_quotes_is_never_taken_apart(names: set[str], pool: str, kind: str) -> None:
    units = tuple(sorted(f"{kind}:{name}" for name in names))
    keep = Keep(units, pool)
    assert Keep.read(keep.name) == keep
    quoted = ",".join(f'{kind}:"{name}"' for name in (unit.partition(":")[2].replace('"', '""') for unit in units))
    assert Keep.read(f"{quoted}:{pool}") == keep
    assert Keep.read(f" {quoted} , sentence") == Keep(tuple(sorted((*units, "sentence"))))


def test_what_is_kept_of_positions_is_called_no_mean_where_it_is_one_token() -> None:
    assert Keep.read("sentence").said == "a row an example, the mean of its tokens"
    said = Keep.read("last-prompt,last").said
    assert said.startswith("a row for last and for last-prompt of each example, ")
    assert said.endswith(" where it has several")


def test_a_span_that_points_outside_of_its_example_is_the_task_files_fault() -> None:
    """As where it is probed: kept rows would be those of other words, or of none."""
    task = ProbeTask(name="far", kind="word", targets=lambda example: [Target(((0, 4),), "x")])
    find = _spans_of(task)
    assert find(Example("long", tuple("abcd"))) == [(0, 4)]
    with pytest.raises(InputError, match=r"gave the span \(0, 4\) for example 'short', which has 3 words"):
        find(Example("short", tuple("abc")))


def test_a_comma_in_a_regex_is_kept_in_quotes_and_else_refused_with_how_to_write_it(tmp_path: Path) -> None:
    words = [["a", "river", "is", "in", "the", "town"]]
    made = kept(tiny_model("bert"), words, tmp_path, 'spans:"regex:^.{1,2}$",last', layers=[1])
    assert made.keep.units == ("last", "spans:regex:^.{1,2}$")
    index = made.index()
    places = list(zip(index.word.tolist(), index.stop.tolist(), strict=True)) if index.stop is not None else []
    # `regex` asks of every word whether the pattern is in it, so that all words are its spans.
    assert sorted(places) == [(-1, 6), *((word, word + 1) for word in range(6))]
    tokens = kept(tiny_model("bert"), words, tmp_path, "tokens", layers=[1])
    np.testing.assert_allclose(made.layer(1)[places.index((1, 2))], mean_of(tokens, 1), atol=2e-6)
    for keep in ("spans:regex:^.{1,2}$", "last,spans:regex:(a,b)", "spans:regex:a,b"):
        with pytest.raises(UsageError, match=r"a piece of a task that has a comma\? .* double quotes: --keep 'spans:"):
            extract(tiny_model("bert"), words, keep=keep, cache=tmp_path)


def mean_of(tokens: ActivationCache, word: int) -> np.ndarray:
    return tokens.layer(1)[np.flatnonzero(tokens.index().word == word)].mean(0)
