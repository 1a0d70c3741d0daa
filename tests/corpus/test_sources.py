"""What can be opened, what cannot and why, and that a recorded source gives the same corpus again."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from probekit.corpus import Corpus, CorpusSource, Example, fingerprint, open_corpus, reopen_corpus
from probekit.corpus.lines import file_digest
from probekit.corpus.readers import READERS, Reader, load_readers
from probekit.errors import InputError, ProbekitError, UsageError

WORD = "1\tx\t_\tX\t_\t_\t0\troot\t_\t_\n\n"


def test_every_file_in_the_folder_of_readers_is_a_reader() -> None:
    readers = load_readers()
    assert {"conllu", "columns", "frame", "grammar", "hf", "jsonl", "text"} <= set(readers)
    # Of the built-in readers of one suffix, one takes what the others do not claim.
    built_in = [entry.member for entry in READERS.entries().values() if not entry.package]
    unclaimed = [suffix for reader in built_in if not reader.claims for suffix in reader.suffixes]
    assert len(unclaimed) == len(set(unclaimed))


@pytest.mark.parametrize("reader", load_readers().values(), ids=lambda reader: reader.name)
def test_a_reader_reads_or_says_what_is_wrong(reader: Reader, tmp_path: Path) -> None:
    assert bool(reader.address) == bool(reader.restore)
    assert sum(map(bool, (reader.address, reader.accepts))) <= 1
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in (*reader.suffixes, *reader.also))
    if reader.address is not None or reader.accepts is not None:
        return
    suffix = next(iter(reader.suffixes), ".txt")
    for number, text in enumerate((b"", b"\n\n", b"word\n", b"a b\tc\t\td\n" * 3, b"\xff\x00\x01", b"((({[\n")):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(text)
        try:
            read = list(open_corpus(f"{reader.name}:{path}"))
        except ProbekitError as error:
            said = str(error)
            assert path.name in said, (text, said)
        else:
            assert all(isinstance(example, Example) and example.id for example in read)


def test_importing_and_reading_text_needs_no_heavy_library(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a b\n")
    code = """if True:
        import sys
        from probekit.corpus import open_corpus
        assert list(open_corpus(sys.argv[1])) and list(open_corpus([["a"]]))
        heavy = {"torch", "transformers", "pandas", "matplotlib", "datasets", "numpy"} & set(sys.modules)
        assert not heavy, heavy
    """
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=True)


@pytest.mark.parametrize(
    "spec",
    [
        [["a", "b"], ["c"]],
        (("a", "b"), ("c",)),
        iter([["a", "b"], ["c"]]),
        [Example("", ("a", "b")), Example("", ("c",))],
        (Example("", tuple(words)) for words in (["a", "b"], ["c"])),
    ],
)
def test_objects_are_corpora_that_can_be_read_twice(spec: object) -> None:
    corpus = open_corpus(spec, name="mine")
    first = list(corpus)
    assert [example.words for example in first] == [("a", "b"), ("c",)]
    assert [example.id for example in first] == ["mine:0", "mine:1"]
    assert list(corpus) == first
    assert corpus.name == "mine"
    assert corpus.source is None
    with pytest.raises(InputError, match="--corpus"):
        reopen_corpus(corpus.source)


def test_words_of_an_iterator_can_be_read_twice() -> None:
    corpus = Corpus.from_words(iter([["a"], ["b"]]))
    assert list(corpus) == list(corpus) != []


def test_a_corpus_is_returned_as_it_is() -> None:
    corpus = Corpus.from_words([["a"]])
    assert open_corpus(corpus) is corpus
    with pytest.raises(UsageError, match="has its name already"):
        open_corpus(corpus, name="other")


@pytest.mark.parametrize("spec", [3, None, b"abc", {"words": ["a"]}, object()])
def test_what_is_no_corpus_is_refused(spec: object) -> None:
    with pytest.raises(UsageError, match="A corpus must be"):
        open_corpus(spec)


@pytest.mark.parametrize("spec", [["a sentence as a string"], [3], [b"x"]])
def test_sentences_that_are_not_lists_of_words_are_refused(spec: list[object]) -> None:
    with pytest.raises(UsageError, match="sentence 0: a sentence must be a list of words"):
        list(open_corpus(spec))


@pytest.mark.parametrize(
    ("word", "message"), [(1, "a word must be a string"), ("", "word 1 of example"), ("\ud800", "surrogate")]
)
def test_words_that_are_not_words_are_refused(word: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(open_corpus([[word]]))


def test_ids_of_examples_must_be_unique() -> None:
    with pytest.raises(InputError, match="the id 'a' occurs twice"):
        list(open_corpus([Example("a", ("x",)), Example("a", ("y",))]))


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("gramar", UsageError, "There is no corpus 'gramar'. Did you mean 'grammar'?"),
        ("gramar:n=3", UsageError, "Did you mean 'grammar'?"),
        ("grammar:m=3", UsageError, "has no option 'm'"),
        ("grammar:n=0", UsageError, "must be a whole number. Got '0'"),
        ("grammar:n=²", UsageError, "must be a whole number"),
        ("grammar:seed=-1", UsageError, "must be a whole number"),
        ("nothere.conllu", InputError, "there is no such file"),
        ("no/such/folder", InputError, "there is no such file"),
        (Path("nothere"), InputError, "there is no such file"),
        ("hf:./nothere", InputError, "there is no such folder"),
        ("hf:", UsageError, "must be hf:<name>"),
    ],
)
def test_unknown_names_and_missing_files(spec: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        open_corpus(spec)
    assert message in str(caught.value)


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "en-train.conllu").write_text(WORD)
    with pytest.raises(InputError, match=r"Did you mean 'en-train\.conllu'"):
        open_corpus(tmp_path / "en-trian.conllu")


def test_a_file_that_no_reader_takes_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("")
    with pytest.raises(UsageError, match=r"Known suffixes: .*\.conllu, .*\.jsonl"):
        open_corpus(tmp_path / "a.xlsx")


def test_a_treebank_folder_leaves_text_and_licences_aside(tmp_path: Path) -> None:
    for name in ("x-train.conllu", "x-dev.conllu"):
        (tmp_path / name).write_text(WORD)
    (tmp_path / "x-test.conllu.gz").write_bytes(gzip.compress(WORD.encode()))
    for name in ("x-train.txt", "LICENSE.txt", "README.md", "stats.xml", ".hidden.conllu"):
        (tmp_path / name).write_text("not a corpus\n")
    corpus = open_corpus(str(tmp_path))
    assert [(example.id, example.split) for example in corpus] == [
        ("x-train:0", "train"),
        ("x-dev:0", "dev"),
        ("x-test:0", "test"),
    ]


def test_a_folder_of_other_names_is_read_by_name(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "README.txt"):
        (tmp_path / name).write_text(f"{name}\n")
    assert [example.words for example in open_corpus(tmp_path)] == [("a.txt",), ("b.txt",)]


def test_folders_that_are_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file in this folder is a corpus"):
        open_corpus(tmp_path)
    (tmp_path / "a.conllu").write_text(WORD)
    (tmp_path / "a.conllu.gz").write_bytes(gzip.compress(WORD.encode()))
    with pytest.raises(InputError, match="has the same stem"):
        open_corpus(tmp_path)
    (tmp_path / "a.conllu.gz").unlink()
    (tmp_path / "b.jsonl").write_text('{"words": ["a"]}\n')
    with pytest.raises(UsageError, match="files of several kinds"):
        open_corpus(tmp_path)


@pytest.fixture
def treebank(tmp_path: Path) -> Path:
    """Return a folder of three files."""
    folder = tmp_path / "bank"
    folder.mkdir()
    for part, n in {"train": 30, "dev": 5, "test": 5}.items():
        text = "".join(f"# sent_id = {part}{i}\n{WORD}" for i in range(n))
        (folder / f"b-{part}.conllu").write_text(text)
    return folder


@pytest.mark.parametrize("change", [lambda corpus: corpus, lambda corpus: corpus.subsample(20, 1).subsample(10)])
@pytest.mark.parametrize("one", [False, True])
def test_a_recorded_source_opens_again_as_it_was(treebank: Path, one: bool, change) -> None:
    corpus = change(open_corpus(treebank / "b-dev.conllu" if one else treebank, name="called"))
    record = CorpusSource.from_json(json.loads(json.dumps(corpus.source.to_json())))
    assert record == corpus.source
    again = reopen_corpus(record)
    assert list(again) == list(corpus)
    assert (again.name, again.split_rule) == (corpus.name, corpus.split_rule) == ("called", corpus.split_rule)
    assert fingerprint(again) == fingerprint(corpus)


def test_the_record_holds_absolute_paths_and_digests(treebank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(treebank)
    record = open_corpus("b-dev.conllu").source
    path = str(treebank / "b-dev.conllu")
    assert (record.kind, record.locations) == ("conllu", (path,))
    assert record.digests == {path: file_digest(treebank / "b-dev.conllu")}
    assert open_corpus(".").name == "bank"


def test_links_keep_the_names_that_splits_come_from(treebank: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for name, target in {"c-train": "b-test", "c-dev": "b-train"}.items():
        (links / f"{name}.conllu").symlink_to(treebank / f"{target}.conllu")
    corpus = open_corpus(links)
    assert list(reopen_corpus(corpus.source)) == list(corpus)


def test_a_source_that_is_gone_names_the_option(treebank: Path) -> None:
    record = open_corpus(treebank).source
    (treebank / "b-dev.conllu").unlink()
    with pytest.raises(InputError, match=r"b-dev\.conllu: the file that the cache was made from is gone\. .*--corpus"):
        reopen_corpus(record)


def test_a_moved_source_gives_the_same_subsample(treebank: Path) -> None:
    corpus = open_corpus(treebank).subsample(12)
    record, expected = corpus.source, list(corpus)
    moved = treebank.rename(treebank.with_name("moved"))
    again = reopen_corpus(record, instead=moved)
    assert list(again) == expected
    assert again.fingerprint == fingerprint(expected)


@pytest.mark.parametrize(
    "record",
    [
        CorpusSource("brackets", ("a",)),
        CorpusSource("frame"),
        CorpusSource("conllu"),
        CorpusSource("hf", ("/no/such",)),
    ],
)
def test_records_that_cannot_be_opened(record: CorpusSource) -> None:
    with pytest.raises(InputError, match="--corpus"):
        reopen_corpus(record)


@pytest.mark.parametrize("entry", [{}, {"kind": 1}, {"kind": "text", "locations": "a", "options": {}, "digests": {}}])
def test_damaged_records_are_refused(entry: dict) -> None:
    with pytest.raises((KeyError, TypeError)):
        CorpusSource.from_json(entry)


def test_the_grammar_opens_and_opens_again() -> None:
    corpus = open_corpus("grammar:n=200,seed=3")
    examples = list(corpus)
    assert len(examples) == 200
    assert {example.split for example in examples} == {"train", "dev", "test"}
    assert list(reopen_corpus(corpus.source)) == examples
    assert corpus.name == "grammar-n200-seed3"
    assert open_corpus("grammar").name == "grammar"


def test_the_fingerprint_sees_what_is_cached_and_nothing_else() -> None:
    base = Example("a", ("x", "y"), "x y", group="g", split="dev")
    digest = fingerprint([base])
    assert digest == fingerprint([Example("a", ("x", "y"), "x y", {"upos": ("A", "B")}, {}, "g", "dev")])
    others = [
        Example("b", ("x", "y"), "x y", group="g", split="dev"),
        Example("a", ("x y",), "x y", group="g", split="dev"),
        Example("a", ("x", "y"), "xy", group="g", split="dev"),
        Example("a", ("x", "y"), None, group="g", split="dev"),
        Example("a", ("x", "y"), "x y", group="h", split="dev"),
        Example("a", ("x", "y"), "x y", group="g", split="test"),
    ]
    assert len({digest, fingerprint([]), fingerprint([base, base]), *(fingerprint([other]) for other in others)}) == 9
