"""Annotations from other files belong to the sentence and the word that they name, or are counted as not joined."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probekit.corpus import Corpus, Example, Span, annotated, fingerprint, open_corpus
from probekit.corpus.annotations.uds import HEADER
from probekit.errors import InputError

TREES = "".join(
    f"# sent_id = {name}\n1\t{a}\t_\tX\t_\t_\t0\troot\t_\t_\n2\t{b}\t_\tY\t_\t_\t1\tdep\t_\t_\n\n"
    for name, a, b in [("s1", "dogs", "bark"), ("s2", "cats", "purr"), ("s3", "mice", "hide")]
)
ROLES = (
    "# sent_id = s3\n1\tmice\tNNS\t-\t-\t(ARG0*)\n2\thide\tVB\thide\thide.01\t(V*)\n\n"
    "# sent_id = s1\n1\tdogs\tNNS\t-\t-\t(ARG0*)\n2\tbark\tVB\tbark\tbark.01\t(V*)\n"
)
FACTS = (
    "\t".join(HEADER) + "\n"
    "train\ts1\t2\tbark\t_\t_\tfactual\t0.5\t1\n"
    "train\ts2\t2\tpurr\t_\t_\tfactual\t-1\t1\n"
    "train\ts2\t_\t_\t1\tcats\targ-kind\t2\t1\n"
    "train\ts2\t2\tpurr\t_\t_\tpred-dynamic\t1\t1\n"
    "train\ts2\t2\tpurr\t1\tcats\tvolition\t0.25\t1\n"
    "train\ts2\t2\tpurr\t1\tcats\tsentient\t3\t1\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trees.conllu").write_text(TREES)
    (tmp_path / "roles.conll").write_text(ROLES)
    (tmp_path / "facts.tsv").write_text(FACTS)
    return tmp_path


def joined(folder: Path, *names: str) -> list[Example]:
    return list(annotated(open_corpus(folder / "trees.conllu"), [folder / name for name in names]))


def test_they_join_by_id_whatever_the_order(folder: Path) -> None:
    s1, s2, s3 = joined(folder, "roles.conll", "facts.tsv")
    assert s1.annotations["roles"] == ((), (Span(0, 1, "ARG0"),))
    assert s1.annotations["factuality"] == (None, 0.5)
    assert "roles" not in s2.annotations
    assert s2.annotations["genericity"] == ({"arg-kind": 2.0}, {"pred-dynamic": 1.0})
    assert s2.annotations["protoroles"] == (None, ((0, {"volition": 0.25, "sentient": 3.0}),))
    assert s3.annotations["roleset"] == (None, "hide.01")
    assert "factuality" not in s3.annotations


def test_nothing_else_changes(folder: Path) -> None:
    plain = open_corpus(folder / "trees.conllu")
    more = annotated(plain, [folder / "roles.conll", folder / "facts.tsv"])
    assert fingerprint(more) == fingerprint(plain)
    assert (more.name, more.split_rule, more.licence) == (plain.name, plain.split_rule, plain.licence)
    assert annotated(plain) is plain


def test_the_corpus_keeps_its_own(folder: Path) -> None:
    (folder / "roles.conll").write_text("# global.columns = FORM UPOS NER\ndogs\tZ\tO\nbark\tZ\tB-x\n")
    extra = Corpus.from_examples(
        [Example("s1", ("dogs", "bark"), annotations={"upos": ("Z", "Z"), "ner": ("O", "B-x")})], name="extra"
    )
    s1, *_ = annotated(open_corpus(folder / "trees.conllu"), [extra])
    assert s1.annotations["upos"] == ("X", "Y")
    assert s1.annotations["ner"] == ("O", "B-x")


def test_other_words_are_left_out_counted_and_named(folder: Path) -> None:
    (folder / "roles.conll").write_text(ROLES.replace("mice", "rats"))
    corpus = annotated(open_corpus(folder / "trees.conllu"), [folder / "roles.conll"])
    *_, s3 = corpus
    assert "roles" not in s3.annotations
    assert corpus.notes.counts["sentences whose words differ in roles"] == 1
    assert corpus.notes.counts["sentences that roles does not have"] == 1
    assert any("1 sentences go without" in remark and "s3" in remark for remark in corpus.remarks)


def test_a_place_beyond_the_sentence_is_other_words(folder: Path) -> None:
    (folder / "facts.tsv").write_text(FACTS.replace("s1\t2\tbark", "s1\t3\tbark"))
    s1, *_ = joined(folder, "facts.tsv")
    assert "factuality" not in s1.annotations


def test_a_shorter_sentence_is_other_words(folder: Path) -> None:
    shorter = Corpus.from_examples(
        [Example("s1", ("dogs",), annotations={"ner": ("O",)}), Example("s2", ("cats", "purr"))]
    )
    s1, *_ = annotated(open_corpus(folder / "trees.conllu"), [shorter])
    assert "ner" not in s1.annotations


def test_annotations_of_another_corpus_are_refused(folder: Path) -> None:
    (folder / "roles.conll").write_text(ROLES.replace("s1", "t1").replace("s3", "t3"))
    with pytest.raises(InputError, match=r"None of the 2 sentences of 'roles'.*its first is 't3', the corpus's 's1'"):
        joined(folder, "roles.conll")
    (folder / "roles.conll").write_text(ROLES.replace("dogs", "rats").replace("mice", "rats"))
    with pytest.raises(InputError, match=r"None of.*the words differ, first in 's1'"):
        joined(folder, "roles.conll")


def test_two_that_say_the_same_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"'roles' gives '[a-z]+' to the sentence 's1', and so does another"):
        joined(folder, "roles.conll", "roles.conll")


def test_a_sentence_in_two_files_of_one_kind_is_put_together(folder: Path) -> None:
    head, *rows = FACTS.splitlines(keepends=True)
    (folder / "uds").mkdir()
    (folder / "uds" / "a.tsv").write_text(head + "".join(rows[:2]))
    (folder / "uds" / "b.tsv").write_text(head + "".join(rows[2:]))
    (folder / "uds" / "README.md").write_text("not a table")
    assert joined(folder, "uds") == joined(folder, "facts.tsv")
    (folder / "uds" / "b.tsv").write_text(head + rows[1])
    with pytest.raises(InputError, match=r"b\.tsv:2: 'factuality' of the sentence 's2' is given twice"):
        joined(folder, "uds")


def test_the_rows_of_a_sentence_stand_together(folder: Path) -> None:
    head, one, *others = FACTS.splitlines(keepends=True)
    (folder / "facts.tsv").write_text(head + one + "".join(others) + one)
    with pytest.raises(InputError, match="given twice"):
        joined(folder, "facts.tsv")


def test_the_record_joins_them_again(folder: Path) -> None:
    corpus = annotated(open_corpus(folder / "trees.conllu"), [folder / "roles.conll", folder / "facts.tsv"])
    record = corpus.source
    assert record is not None
    assert [entry["kind"] for entry in record.options["annotations"]] == ["propbank", "uds"]
    again = annotated(open_corpus(folder / "trees.conllu"), record=record)
    assert list(again) == list(corpus)
    (folder / "facts.tsv").unlink()
    with pytest.raises(InputError, match=r"facts\.tsv.* gone"):
        list(annotated(open_corpus(folder / "trees.conllu"), record=record))


def test_a_subsample_keeps_its_annotations(folder: Path) -> None:
    corpus = annotated(open_corpus(folder / "trees.conllu"), [folder / "facts.tsv"])
    whole = {example.id: example for example in corpus}
    assert all(example == whole[example.id] for example in corpus.subsample(2))


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("sent_id", "sentence", "1:1", "not that of UDS"),
        ("\t0.5\t", "\tx\t", "2:29", "'x' is not a finite number"),
        ("\t0.5\t", "\tnan\t", "2:29", "not a finite number"),
        ("s1\t2\t", "s1\t0\t", "2:10", "'0' is not the number of a token"),
        ("\t0.5\t1\n", "\t0.5\n", "2:32", "8 columns instead of 9"),
        ("2\tbark\t_\t_\tfactual", "_\tbark\t_\t_\tfactual", "2:10", "neither a predicate nor an argument"),
    ],
)
def test_a_fault_of_the_table_is_named_by_place(folder: Path, old: str, new: str, place: str, message: str) -> None:
    assert old in FACTS
    path = folder / "facts.tsv"
    path.write_text(FACTS.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        joined(folder, "facts.tsv")
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert message in str(caught.value)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 3), st.sampled_from(["\t", "\n", "_", "0", "-", "s3", "é"])),
        max_size=3,
    )
)
def test_a_mangled_table_is_joined_or_refused(folder: Path, edits: list[tuple[int, int, str]]) -> None:
    text = FACTS
    for at, length, piece in edits:
        at %= len(text) + 1
        text = text[:at] + piece + text[at + length :]
    (folder / "facts.tsv").write_bytes(text.encode())
    try:
        for example in joined(folder, "facts.tsv"):
            values = [value for value in example.annotations.values() if isinstance(value, tuple)]
            assert all(len(value) == 2 for value in values)
    except InputError as error:
        refused = error
    else:
        return
    assert "facts" in str(refused)


def test_zipped_tables_are_read(folder: Path) -> None:
    (folder / "facts.tsv").unlink()
    (folder / "facts.tsv.gz").write_bytes(gzip.compress(FACTS.encode()))
    assert joined(folder, "facts.tsv.gz")[0].annotations["factuality"] == (None, 0.5)


def test_one_treebank_serves_its_companions(data: Path) -> None:
    names = ("streusle", "ewt_propbank", "uds", "uner_english_ewt")
    corpus = annotated(open_corpus(data / "ud_english_ewt"), [data / name for name in names])
    found: Counter[str] = Counter()
    for example in corpus:
        notes = example.annotations
        found["factuality"] += sum(value is not None for value in notes.get("factuality", ()))
        found["genericity"] += sum(len(value) for value in notes.get("genericity", ()) if value)
        found["protoroles"] += sum(len(one) for pairs in notes.get("protoroles", ()) for _, one in pairs or ())
        found["roleset"] += sum(value is not None for value in notes.get("roleset", ()))
        found["supersense"] += sum(value is not None for value in notes.get("supersense", ()))
    # Every row of the companions, as their own documentation counts them.
    assert found == {
        "factuality": 27_400,
        "genericity": 205_596,
        "protoroles": 89_240,
        "roleset": 40_419 + 4_961 + 4_795,
        "supersense": 18_198 + 2_171 + 2_176,
    }
    differ = {name: count for name, count in corpus.notes.counts.items() if "differ" in name}
    assert differ == {"sentences whose words differ in uner_english_ewt": 6}


def test_the_trees_of_gum_join_to_its_dependencies(data: Path) -> None:
    corpus = annotated(open_corpus(data / "ud_english_gum" / "en_gum-ud-dev.conllu.gz"), [data / "gum_const"])
    assert all(len(example.spans["constituents"]) for example in corpus if len(example.words) > 3)
    assert not any("differ" in name for name in corpus.notes.counts)
