"""Text as a task: a language model goes on learning what it was pretrained for, with the head that it has.

Enters: a model with its own head, the tokens of a corpus. Leaves: a :class:`~probekit.tuning.data.data.TuningData` with
a target a token. A causal model predicts every token from those before it: the first of an example from nothing, so it
is not scored, be it the token with which a tokenizer begins a text or a word. A masked model fills in tokens that are
hidden from it (:mod:`~probekit.tuning.data.hiding`), special ones never. Pads are nobody's target.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.errors import UsageError
from probekit.example import SPLITS, Example
from probekit.features import TargetTable
from probekit.features.labels import check_parts
from probekit.models.sources.headed import head_of, load_with_head
from probekit.tasks import ProbeTask, Target, get_task
from probekit.tuning.data.data import TuningData, example_ranges, held_by, ordinals, repeat_notes
from probekit.tuning.data.hiding import Hiding
from probekit.tuning.data.reading import ReadTokens

if TYPE_CHECKING:
    from probekit.models.sources.find import ModelSource
    from probekit.models.sources.load import LoadedModel


def _itself(example: Example) -> Iterator[Target]:
    yield Target(((0, len(example.words)),), " ".join(example.words))


TEXT = ProbeTask("text", _itself, kind="sentence", reference="Howard & Ruder 2018; Gururangan et al. 2020")
"""The task whose targets are the tokens of the text itself; no probe answers it, so it is not of the catalogue."""
TARGETS = "text"


def task_named(name: str, *probes: Any) -> ProbeTask:
    """Find a task that a model is tuned for: that of the text itself, or one of the catalogue.

    Parameters
    ----------
    name : str
    *probes : path or ProbeTask
        Folders of more tasks, and tasks that are in none.
    """
    given = {one.name: one for one in (TEXT, *probes) if isinstance(one, ProbeTask)}
    return given.get(name) or get_task(name, *(one for one in probes if not isinstance(one, ProbeTask)))


def load_language_model(source: ModelSource, *, device: str, dtype: str = "float32") -> LoadedModel:
    """Load a model with its own head and the stack of its blocks.

    Raises
    ------
    UsageError
        It has no head that predicts tokens, is an encoder-decoder, or fills in masks and its tokenizer has none.
    """
    head = head_of(source)
    if head == "seq2seq":
        raise UsageError(
            f"'{source.name}' cannot be tuned: it is an encoder-decoder. Name a model with one stack of blocks that "
            "predicts tokens, causal or masked."
        )
    loaded = load_with_head(source, head, device=device, dtype=dtype, stacks=True)
    if head == "masked" and loaded.tokenizer.mask_token_id is None:
        raise UsageError(
            f"'{source.name}' fills in masked tokens, and its tokenizer has no mask. Fetch the model again."
        )
    return loaded


def lay_out_text(loaded: LoadedModel, corpus: str, read: ReadTokens, *, scored: bool = False) -> TuningData:
    """Make a target of every token that the head of a model is to predict.

    Parameters
    ----------
    loaded : LoadedModel
        With its head.
    corpus : str
        Its name.
    read : ReadTokens
    scored : bool
        Nothing is to be learned: every example is of ``test``.

    Raises
    ------
    InputError
        A split has no token to predict.
    """
    examples, index = read.examples, read.index
    first, sizes = example_ranges(index, len(examples))
    special = np.isin(index.token, loaded.tokenizer.all_special_ids)
    hiding = hiding_of(loaded) if loaded.head == "masked" else None
    codes = np.array([SPLITS.index("test" if scored else example.split or "train") for example in examples], np.int8)
    rows, without = [np.zeros((0, 2), np.int64)], 0
    for ordinal in np.argsort(codes, kind="stable").tolist():
        places = np.arange(1, sizes[ordinal])
        if hiding is not None:
            places = np.flatnonzero(~special[first[ordinal] : first[ordinal] + sizes[ordinal]])
            if SPLITS[codes[ordinal]] != "train":
                places = places[hiding.scored(len(places), ordinal)]
        without += not len(places)
        rows.append(np.stack([np.full(len(places), ordinal), places], axis=1))
    example, place = np.concatenate(rows).T
    gold = index.token[first[example] + place].astype(np.int64)
    table = _table(loaded, examples, index.word[first[example] + place].astype(np.int64), gold, example, codes)
    if not scored:
        check_parts(TEXT, table)
    notes = [*read.notes, *repeat_notes(examples), *_said(loaded, table, special[first[sizes > 0]])]
    if without:
        notes.append(f"{without:,} examples are left out: they have no token to predict.")
    return TuningData(
        task=TEXT,
        corpus=corpus,
        table=table,
        targets=TARGETS,
        classes=(),
        labels=[],
        gold=gold,
        originals=examples,
        index=index,
        first=first,
        sizes=sizes,
        spans=np.stack([place, place + 1], axis=1)[:, None],
        held=held_by(example, len(examples)),
        textless=read.textless,
        training=ordinals(table, "train"),
        notes=notes,
        hiding=hiding,
        vocabulary=loaded.vocabulary,
        reading=read.how,
    )


def _table(loaded: LoadedModel, examples: Any, word: Any, gold: Any, example: Any, codes: Any) -> TargetTable:
    spans = np.where(word >= 0, [word, word + 1], 0).T
    return TargetTable(
        example=example,
        spans=spans[:, None],
        labels=gold.tolist(),
        keys=[None] * len(gold),
        split=codes[example],
        group=[one.group for one in examples],
        ids=[one.id for one in examples],
        forms=loaded.tokenizer.convert_ids_to_tokens(gold.tolist()),
        without_token=Counter(),
        passed_over=np.zeros(len(gold), bool),
    )


def hiding_of(loaded: LoadedModel) -> Hiding:
    """Return what hides tokens from a masked model."""
    tokenizer = loaded.tokenizer
    known = np.arange(min(len(tokenizer), loaded.vocabulary), dtype=np.int64)
    return Hiding(int(tokenizer.mask_token_id), known[~np.isin(known, tokenizer.all_special_ids)])


def _said(loaded: LoadedModel, table: TargetTable, begun: Any) -> list[str]:
    """Say what is predicted and what is not."""
    counts = {split: table.part(split).stop - table.part(split).start for split in SPLITS}
    if loaded.head == "masked":
        scored = counts["dev"] + counts["test"]
        return [
            f"In training 15 % of the tokens of an example are hidden, others at every step; of dev and test "
            f"{scored:,} tokens (15 %) are masked and scored, the same in every run. Special tokens never are."
        ]
    token = "the token that its tokenizer begins it with" if begun.all() else "whatever token it is"
    return [
        f"Each token is predicted from those before it in its example; the first one, {token}, is predicted from "
        "nothing, so it is not scored."
    ]
