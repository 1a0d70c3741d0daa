"""Every task file of the catalogue keeps the contract of ``ProbeTask``; a new file is covered by being there."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import pytest
from rich_examples import PARSED, bare, columns, rich, with_notes

from probekit.corpus import open_corpus
from probekit.corpus.annotations import load_annotation_readers
from probekit.corpus.readers import load_readers
from probekit.errors import InputError
from probekit.example import Example
from probekit.features import collect
from probekit.features.table import check_needs, checked_target
from probekit.statistics.metrics import metrics
from probekit.statistics.tree_scores import TREE_METRICS
from probekit.tasks import SPANS, TASKS, ProbeTask, catalogue_folder, get_task, load_catalogue

CATALOGUE = load_catalogue()
BUNDLED = [name for name, entry in TASKS.entries().items() if not entry.package]

# A file cannot be named from everywhere: half of the built-in language's first sentences.
TRIALS = {name: task.trial for name, task in CATALOGUE.items()}
TRIALS["seen-in-training"] = str(Path(__file__).with_name("seen.txt"))


def every_task() -> list[ProbeTask]:
    """Each task once for each of its choices; one that says no option to try it with cannot be tried."""
    found = []
    for name, task in CATALOGUE.items():
        options = task.choices or ((TRIALS[name] or task.default_option,) if task.option else (None,))
        if not (task.option and options == (None,)):
            found += [get_task(name if option is None else f"{name}:{option}") for option in options]
    return found


def base(task: ProbeTask) -> str:
    return task.name.partition(":")[0]


bundled = pytest.mark.parametrize(
    "task", [task for task in every_task() if base(task) in BUNDLED], ids=lambda t: t.name
)


@pytest.fixture(scope="module")
def sentences() -> list[Example]:
    """Sentences of the built-in language with every annotation there is."""
    return [rich(example) for example in islice(open_corpus("grammar:n=200"), 200)]


@pytest.fixture
def sample(task: ProbeTask, sentences: list[Example]) -> list[Example]:
    """Examples that a task can be asked of: its own, or sentences with every annotation of the built-in readers."""
    return sentences if task.sample is None else list(task.sample())


@pytest.fixture(params=every_task(), ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> ProbeTask:
    return request.param


def test_every_file_of_the_folder_is_a_task() -> None:
    files = [path for path in catalogue_folder().glob("*.py") if not path.stem.startswith("_")]
    assert len(files) == len(BUNDLED) >= 9
    assert {base(task) for task in every_task()} >= set(BUNDLED)


@pytest.mark.parametrize("name", BUNDLED)
def test_the_file_is_named_after_its_task(name: str) -> None:
    assert (catalogue_folder() / f"{name.replace('-', '_')}.py").is_file()


@bundled
def test_it_says_what_it_asks_who_asked_first_and_under_which_licence(task: ProbeTask) -> None:
    # `probekit tasks` prints the first line alone.
    assert task.doc.splitlines()[0].endswith(".")
    assert re.search(r"\b(19|20)\d\d\b", task.reference)
    assert task.licence == "MIT"


def test_its_metrics_are_registered(task: ProbeTask) -> None:
    assert set(task.metrics) <= set(TREE_METRICS if task.kind == "tree" else metrics())


def test_its_needs_are_annotations_that_readers_give(task: ProbeTask, sample: list[Example]) -> None:
    assert set(task.needs) <= {*sample[0].annotations, *sample[0].spans}


def test_every_target_is_inside_its_sentence_and_of_the_kind_it_says(task: ProbeTask, sample: list[Example]) -> None:
    targets = [(example, target) for example in sample for target in task.targets(example)]
    assert targets
    for example, target in targets:
        checked_target(task, target, example)
        assert isinstance(target.label, (int, float) if task.bins or task.kind == "tree" else str)
        assert len(target.spans) == SPANS[task.kind]
        lengths = [stop - start for start, stop in target.spans]
        if task.kind == "sentence":
            assert lengths == [len(example.words)]
        if task.kind == "word":
            assert lengths == [1]


def test_the_key_is_what_a_memory_could_learn_by_heart(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample:
        for target in task.targets(example):
            forms = tuple(" ".join(example.words[start:stop]) for start, stop in target.spans)
            # What is asked of whole sentences, alone or in pairs, no memory of forms answers.
            if task.kind == "sentence" or "sentences" in task.needs:
                assert target.key is None
            else:
                assert target.key == (forms[0] if len(forms) == 1 else forms)


def test_it_is_pure(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample[:50]:
        before = example.words, dict(columns(example))
        first = list(task.targets(example))
        assert list(task.targets(example)) == first
        assert before == (example.words, dict(columns(example)))


def test_it_does_not_see_the_split(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample[:20]:
        moved = Example(example.id, example.words, example.text, example.annotations, example.spans, "other", "test")
        assert list(task.targets(moved)) == list(task.targets(example))


def test_it_reads_only_what_it_needs(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample[:20]:
        notes = {name: value for name, value in example.annotations.items() if name in task.needs}
        spans = {name: value for name, value in example.spans.items() if name in task.needs}
        poor = Example(example.id, example.words, annotations=notes, spans=spans)
        assert list(task.targets(poor)) == list(task.targets(example))


def test_words_without_the_annotation_are_left_out(task: ProbeTask, sample: list[Example]) -> None:
    for example in sample[:20]:
        # A query of a feature asks whether a word bears it: one without any does not.
        assert task.needs == () or [target for target in task.targets(bare(example)) if target.label != "no"] == []


def test_a_sentence_of_one_word_is_no_trouble(task: ProbeTask) -> None:
    if task.sample is not None:
        pytest.skip(f"{task.name} has examples of its own")
    feats = MappingProxyType({"Number": "Sing"})
    notes = dict(zip(PARSED, [("go",), ("VERB",), ("VB",), (feats,), (0,), ("root",)], strict=True))
    example = rich(with_notes(Example("one", ("Go",)), notes, {}))
    for target in task.targets(example):
        checked_target(task, target, example)


def test_a_corpus_without_the_annotation_is_refused_by_name(task: ProbeTask) -> None:
    if not task.needs:
        check_needs(task, {}, "corpus 'x'")
        return
    with pytest.raises(InputError, match=f"'{task.needs[0]}', which corpus 'x' does not have .it has: other"):
        check_needs(task, {"other": ()}, "corpus 'x'")


def test_it_finds_targets_in_a_real_treebank(task: ProbeTask, data: Path) -> None:
    if not set(task.needs) <= set(PARSED):
        pytest.skip(f"{task.name} reads {', '.join(set(task.needs) - set(PARSED))}, which a plain treebank lacks")
    labels = set()
    for example in islice(open_corpus(data / "ud_english_ewt" / "en_ewt-ud-dev.conllu.gz"), 400):
        for target in task.targets(example):
            checked_target(task, target, example)
            labels.add(target.label)
    # No sentence of a treebank stands in the built-in language.
    assert len(labels) >= 2 or (task.name.startswith("seen-in-training") and labels == {"unseen"})


def test_what_can_be_joined_is_named_first_with_its_scheme(task: ProbeTask) -> None:
    if not task.joined_by:
        return
    scheme = task.joined_by.partition(":")[0]
    assert scheme in {**load_readers(), **load_annotation_readers()}
    with pytest.raises(InputError, match=rf"\(it has: upos\)\. Join it with --annotations {scheme}:"):
        check_needs(task, {"upos": ()}, "corpus 'x'")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("morph:Nubmer", "'Nubmer' does not occur in here. Did you mean 'Number'? There are: .*Number"),
        ("query:upos=NUON", "'NUON' does not occur in here. Did you mean 'NOUN'? There are: .*VERB"),
        ("query:Nubmer=Plur", "'Nubmer' does not occur in here. Did you mean 'Number'?"),
        ("query:Number=Plural", "'Plural' does not occur in here. Did you mean 'Plur'?"),
        ("query:Tense where head.upos=VREB", "'VREB' does not occur in here. Did you mean 'VERB'?"),
        ("query:deprle=nsubj", "'deprle', which here does not have .* Did you mean 'deprel'?"),
        ("column:upso", "'upso', which here does not have .* Did you mean 'upos'?"),
    ],
)
def test_a_name_that_occurs_nowhere_is_told_from_those_that_do(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        collect(get_task(name), open_corpus("grammar:n=200"), where="here")


def test_names_that_occur_are_no_fault_however_few_words_answer(sentences: list[Example]) -> None:
    found = collect(get_task("query:upos=NOUN & upos=VERB"), sentences, where="here")
    assert set(found.labels) == {"no"}
    with pytest.raises(InputError, match="finds no target in here"):
        collect(get_task("query:Number where upos=NOUN & upos=VERB"), sentences, where="here")


def test_another_choice_is_named_where_the_corpus_answers_it() -> None:
    with pytest.raises(InputError, match="Ask tree-depth:constituents of it"):
        check_needs(get_task("tree-depth"), {"constituents": ()}, "corpus 'x'")
    with pytest.raises(InputError) as caught:
        check_needs(get_task("tree-depth"), {"upos": ()}, "corpus 'x'")
    assert "Ask" not in str(caught.value)
