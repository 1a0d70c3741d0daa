"""Rows are fixed before the model runs: order, windows, truncation and batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import InputError, UsageError
from probekit.extraction.layout import kept_rows, lay_out_shard
from probekit.extraction.spec import batches, select_layers
from probekit.models.tokens.align import Encoded
from probekit.sites import parse_layers


def encoded(words: list[int], start: int = 100) -> Encoded:
    """[CLS] and [SEP] around words of the given numbers of tokens."""
    word = np.repeat(np.arange(len(words)), words)
    ids = np.concatenate([[1], start + np.arange(len(word)), [2]]).astype(np.int32)
    return Encoded(ids=ids, word=np.concatenate([[-1], word, [-1]]).astype(np.int32), prefix=1, suffix=1)


def test_rows_go_from_long_to_short_and_ties_keep_corpus_order() -> None:
    layout = lay_out_shard(
        [encoded([1]), encoded([1, 1]), encoded([2])], ["a", "b", "c"], 10, limit=None, overflow="error"
    )
    assert layout.example.tolist() == [11] * 4 + [12] * 4 + [10] * 3
    assert layout.word.tolist() == [-1, 0, 1, -1, -1, 0, 0, -1, -1, 0, -1]


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=30), min_size=1, max_size=6), st.integers(5, 12))
def test_windows_keep_every_token_once_in_order(sentences: list[list[int]], limit: int) -> None:
    items = [encoded(words) for words in sentences]
    layout = lay_out_shard(items, [str(i) for i in range(len(items))], 0, limit=limit, overflow="window")
    assert max(layout.lengths) <= limit
    kept = np.concatenate([segment.encoded.ids[segment.start : segment.stop] for segment in layout.segments])
    assert kept.tolist() == layout.token.tolist()
    for ordinal, item in enumerate(items):
        assert layout.token[layout.example == ordinal].tolist() == item.ids.tolist()
        assert layout.word[layout.example == ordinal].tolist() == item.word.tolist()


def test_a_window_gives_each_token_the_most_context() -> None:
    layout = lay_out_shard([encoded([1] * 40)], ["long"], 0, limit=22, overflow="window")
    # Windows of 20 words start at 0, 10, 20: the overlaps are cut in their middle.
    inner = [(int(p.encoded.ids[1]) - 100 + p.start - 1, p.stop - p.start) for p in layout.segments]
    assert [segment.encoded.ids[1] - 100 for segment in layout.segments] == [0, 10, 20]
    assert inner == [(-1, 16), (15, 10), (25, 16)]


def test_truncation_never_leaves_half_a_word_and_counts_what_it_drops() -> None:
    layout = lay_out_shard([encoded([2, 2, 3, 1])], ["long"], 0, limit=8, overflow="truncate")
    assert layout.word.tolist() == [-1, 0, 0, 1, 1, -1]
    assert layout.truncated == {"long": 2}


def test_an_example_of_which_the_cut_leaves_nothing_is_refused_by_name() -> None:
    """Without special tokens and with a first word over the limit there is no row that a model could read."""
    whole = encoded([9, 1])
    bare = replace(whole, ids=whole.ids[1:-1], word=whole.word[1:-1], prefix=0, suffix=0)
    with pytest.raises(InputError, match=r"left of example 'long' .* first word alone has more than 8 tokens"):
        lay_out_shard([encoded([1]), bare], ["short", "long"], 0, limit=8, overflow="truncate")
    assert lay_out_shard([whole], ["long"], 0, limit=8, overflow="truncate").word.tolist() == [-1, -1]


def test_over_the_limit_is_an_error_that_names_example_and_remedy() -> None:
    with pytest.raises(InputError, match=r"'long' has 12 tokens; the model reads at most 8.*--overflow window"):
        lay_out_shard([encoded([10])], ["long"], 0, limit=8, overflow="error")


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 200))
def test_batches_cover_in_order_and_respect_the_limit(lengths: list[int], limit: int) -> None:
    cuts = batches(lengths, limit)
    assert [i for cut in cuts for i in range(cut.start, cut.stop)] == list(range(len(lengths)))
    for cut in cuts:
        count = cut.stop - cut.start
        assert count == 1 or max(lengths[cut]) * count <= limit


@pytest.mark.parametrize("shift", [False, True])
def test_kept_rows_point_at_the_kept_tokens(shift: bool) -> None:
    layout = lay_out_shard(
        [encoded([1] * 9), encoded([1, 1]), encoded([3])], list("abc"), 0, limit=8, overflow="window"
    )
    width = max(layout.lengths)
    grid = np.full((len(layout.segments), width), -9, np.int64)
    for row, segment in enumerate(layout.segments):
        ids = segment.encoded.ids
        grid[row, : len(ids)] = np.concatenate([[7], ids[:-1]]) if shift else ids
    rows = kept_rows(layout.segments, width, shift=shift)
    assert rows is not None
    expected = layout.shifted(7)[1] if shift else layout.token
    assert grid.ravel()[rows].tolist() == expected.tolist()


def test_nothing_is_gathered_when_nothing_is_padded() -> None:
    layout = lay_out_shard([encoded([1, 1]), encoded([2])], ["a", "b"], 0, limit=None, overflow="error")
    assert kept_rows(layout.segments, 4) is None


def test_layers_are_read_as_typed() -> None:
    assert parse_layers("all") == "all"
    assert parse_layers("3,0-1,final") == (0, 1, 3, "final")
    assert parse_layers([2, 1]) == (1, 2)
    for wrong in ("", "x", "3-1", "-2", "0,,1"):
        with pytest.raises(UsageError, match="0,3,6"):
            parse_layers(wrong)


def test_a_layer_that_the_model_lacks_is_named_with_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"this model has 0\.\.2 and final\). Got '9'"):
        select_layers((0, 9), ["layer.00", "layer.01", "layer.02", "final"])
