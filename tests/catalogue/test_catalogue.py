"""Every task file of the catalogue keeps the contract of ``ProbeTask``; a new file is covered by being there."""

from __future__ import annotations

import copy
import re
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import pytest

from probekit.corpus import open_corpus
from probekit.corpus.example import Example
from probekit.tasks import SPANS, ProbeTask, catalogue_folder, check_needs, check_target, get_task, load_catalogue

ANNOTATIONS = ("lemma", "upos", "xpos", "feats", "head", "deprel")
OPTIONS = {"morph": "Number"}
"""An option for tasks that need one and name no choices."""

CATALOGUE = load_catalogue()


def every_task() -> list[ProbeTask]:
    """Each task once for each of its choices."""
    found = []
    for name, task in CATALOGUE.items():
        options = task.choices or ((OPTIONS[name],) if task.option else (None,))
        found += [get_task(name if option is None else f"{name}:{option}") for option in options]
    return found


@pytest.fixture(scope="module")
def sample() -> list[Example]:
    """Parsed sentences of the built-in language."""
    return list(islice(open_corpus("grammar:n=200"), 200))


@pytest.fixture(params=every_task(), ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> ProbeTask:
    return request.param


def bare(example: Example) -> Example:
    """The same sentence, its words without a single annotation (as ``_`` leaves them)."""
    nothing = dict.fromkeys(ANNOTATIONS, (None,) * len(example.words))
    nothing["feats"] = (MappingProxyType({}),) * len(example.words)
    return Example(example.id, example.words, annotations=nothing, group=example.group, split=example.split)


def test_every_file_of_the_folder_is_a_task() -> None:
    files = [path for path in catalogue_folder().glob("*.py") if not path.stem.startswith("_")]
    assert len(files) == len(CATALOGUE) >= 9


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_file_is_named_after_its_task(name: str) -> None:
    assert (catalogue_folder() / f"{name.replace('-', '_')}.py").is_file()


def test_it_says_what_it_asks_who_asked_first_and_under_which_licence(task: ProbeTask) -> None:
    # `probekit tasks` prints the first line alone.
    assert task.doc.splitlines()[0].endswith(".")
    assert re.search(r"\b(19|20)\d\d\b", task.reference)
    assert task.licence == "MIT"
    assert task.metric in ("accuracy", "macro_f1")


def test_its_needs_are_annotations_that_readers_give(task: ProbeTask) -> None:
    assert set(task.needs) <= set(ANNOTATIONS)


def test_every_target_is_inside_its_sentence_and_of_the_kind_it_says(task: ProbeTask, sample: list[Example]) -> None:
    targets = [(example, target) for example in sample for target in task.targets(example)]
    assert targets
    for example, target in targets:
        check_target(task, target, example)
        assert isinstance(target.label, (int, float) if task.bins else str)
        lengths = [stop - start for start, stop in target.spans]
        assert lengths == ([len(example.words)] if task.kind == "sentence" else [1] * SPANS[task.kind])


def test_the_key_is_what_a_memory_could_learn_by_heart(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample:
        for target in task.targets(example):
            forms = tuple(example.words[start] for start, _ in target.spans)
            expected = {"word": forms[0], "pair": forms, "sentence": None}[task.kind]
            assert target.key == expected


def test_it_is_pure(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample[:50]:
        before = copy.deepcopy((example.words, {name: list(map(str, column)) for name, column in _columns(example)}))
        first = list(task.targets(example))
        assert list(task.targets(example)) == first
        assert before == (example.words, {name: list(map(str, column)) for name, column in _columns(example)})


def test_it_does_not_see_the_split(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample[:20]:
        moved = Example(example.id, example.words, example.text, example.annotations, example.spans, "other", "test")
        assert list(task.targets(moved)) == list(task.targets(example))


def test_it_reads_only_what_it_needs(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample[:20]:
        needed = {name: example.annotations[name] for name in task.needs}
        poor = Example(example.id, example.words, annotations=needed)
        assert list(task.targets(poor)) == list(task.targets(example))


def test_words_without_the_annotation_are_left_out(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample[:20]:
        assert task.needs == () or list(task.targets(bare(example))) == []


def test_a_sentence_of_one_word_is_no_trouble(task: ProbeTask) -> None:
    feats = MappingProxyType({"Number": "Sing"})
    example = Example(
        "one",
        ("Go",),
        annotations=dict(zip(ANNOTATIONS, [("go",), ("VERB",), ("VB",), (feats,), (0,), ("root",)], strict=True)),
    )
    for target in task.targets(example):
        check_target(task, target, example)


def test_a_corpus_without_the_annotation_is_refused_by_name(task: ProbeTask) -> None:
    from probekit.errors import InputError

    if not task.needs:
        check_needs(task, {}, "corpus 'x'")
        return
    with pytest.raises(InputError, match=f"'{task.needs[0]}', which corpus 'x' does not have .it has: ner"):
        check_needs(task, {"ner": ()}, "corpus 'x'")


def test_it_finds_targets_in_a_real_treebank(task: ProbeTask, data: Path) -> None:
    examples = list(islice(open_corpus(data / "ud_english_ewt" / "en_ewt-ud-dev.conllu.gz"), 400))
    labels = set()
    for example in examples:
        for target in task.targets(example):
            check_target(task, target, example)
            labels.add(target.label)
    assert len(labels) >= 2


def _columns(example: Example) -> list[tuple[str, tuple[object, ...]]]:
    return [(name, column) for name, column in example.annotations.items() if isinstance(column, tuple)]
