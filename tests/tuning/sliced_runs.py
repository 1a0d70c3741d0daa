"""A planted slice: of two kinds of sentences the second answers the other way round, so one line cannot answer both."""

from __future__ import annotations

from functools import cache

import numpy as np
from tiny_models import tiny_model, training_text

from probekit import Corpus, Example
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.plan import TunePlan
from probekit.tuning.plans import make_plan

SPLITS = {"train": 90, "dev": 60, "test": 60}
THREE = ("red", "green", "blue")


def words() -> list[str]:
    return [word for word in dict.fromkeys(" ".join(training_text()[2:40]).split()) if word.isalpha()]


def examples(classes: tuple[str, ...] = THREE, *, shuffle_test: bool = False) -> list[Example]:
    """Sentences of six words, a third of them of source B; the label is told by the first word."""
    draw, known = np.random.default_rng(3), words()
    made = []
    for split, count in SPLITS.items():
        for number in range(count):
            own = draw.choice(known[:30], 6).tolist()
            kind = "B" if number % 3 == 0 else "A"
            label = classes[known.index(own[0]) % len(classes)]
            columns = {"label": label, "source": kind, "twin": label.upper()}
            made.append(Example(f"{split}-{number}", tuple(own), annotations=columns, split=split))
    if not shuffle_test:
        return made
    test = [place for place, own in enumerate(made) if own.split == "test"]
    labels = draw.permutation([made[place].annotations["label"] for place in test]).tolist()
    for place, label in zip(test, labels, strict=True):
        own = made[place]
        made[place] = Example(own.id, own.words, annotations={**own.annotations, "label": label}, split="test")
    return made


@cache
def sliced_materials(*, shuffle_test: bool = False) -> Materials:
    corpus = Corpus.from_examples(examples(shuffle_test=shuffle_test), name="two-sources")
    return gather("label", model=str(tiny_model("bert")), corpus=corpus, device="cpu")


def sliced_plan(*changes: str, own: Materials | None = None) -> TunePlan:
    own = own or sliced_materials()
    usual = ("loop.epochs=1", "loop.batch_tokens=256", "rate=constant", "rate.peak=0.003", "head=linear:dropout=0")
    made = make_plan("top:1", own.facts, own.data.task.name, kind=own.data.task.kind)
    return made.with_set(*usual).with_set(*changes)
