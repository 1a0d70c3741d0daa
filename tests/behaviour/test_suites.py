"""Every suite keeps one contract: it knows its files, reads them whatever their ends of lines, and drops nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from suite_samples import SAMPLES, Sample, lines

from probekit.behaviour import Item, open_suite
from probekit.behaviour.items import SCORED, Skipped
from probekit.behaviour.suites import SUITES
from probekit.errors import InputError

FORMS = {
    "plain": lambda data: data,
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "bom": lambda data: b"\xef\xbb\xbf" + data,
    "unfinished": lambda data: data.removesuffix(b"\n"),
}


def written(folder: Path, sample: Sample, form: str = "plain") -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in {sample.name: sample.text, **sample.beside}.items():
        (folder / name).write_bytes(FORMS[form](text.encode()))
    return folder / sample.name


def test_every_suite_that_reads_files_has_a_sample() -> None:
    assert {name for name, suite in SUITES.members().items() if not suite.made} == set(SAMPLES)


def test_every_suite_says_what_it_is() -> None:
    for suite in SUITES.members().values():
        assert suite.help.endswith(".")
        assert suite.reference
        assert bool(suite.choices) == (suite.configured is not None)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_file_is_recognised_by_its_suite_alone(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, SAMPLES[name])
    those = {other for other, suite in SUITES.members().items() if suite.recognises(path) and not suite.general}
    assert those | {"pairs"} == {name, "pairs"}
    assert open_suite(path).suites[0].name == name


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_item_is_read_or_named_with_its_reason(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    opened = open_suite(written(tmp_path, sample))
    assert (len(opened.items), len(opened.skipped)) == (sample.items, sample.skipped)
    assert {item.suite for item in opened.items} == {name}
    for skipped in opened.skipped:
        assert skipped.where.startswith(str(tmp_path / sample.name))
        assert skipped.reason
        assert any(skipped.reason in remark and skipped.id in remark for remark in opened.remarks)


@pytest.mark.parametrize("form", ["crlf", "bom", "unfinished", "gz"])
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_ends_of_lines_marks_and_compression_change_nothing(name: str, form: str, tmp_path: Path) -> None:
    plain = open_suite(written(tmp_path / "plain", SAMPLES[name])).items
    path = written(tmp_path / "other", SAMPLES[name], "plain" if form == "gz" else form)
    if form == "gz":
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        path = packed
    assert open_suite(path).items == plain


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_file_that_lacks_something_says_where(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    path = written(tmp_path, sample)
    path.write_text(sample.broken)
    with pytest.raises(InputError, match=sample.says):
        open_suite(f"{name}:{path}")


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_an_empty_file_is_an_error(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, SAMPLES[name])
    for other in (path, *(tmp_path / beside for beside in SAMPLES[name].beside)):
        other.write_text("")
    with pytest.raises(InputError, match=path.name):
        open_suite(f"{name}:{path}")


def items(name: str, folder: Path, options: str = "") -> tuple[Item, ...]:
    path = written(folder, SAMPLES[name])
    return open_suite(f"{name}:{options}:{path}" if options else path).items


def texts(item: Item) -> list[str]:
    return [sentence.text for sentence in item.sentences]


def scored(item: Item) -> list[str]:
    return [
        sentence.text[region.start : region.stop]
        for sentence in item.sentences
        for region in sentence.regions
        if region.name == SCORED
    ]


def test_a_form_stands_in_its_sentence_and_is_scored(tmp_path: Path) -> None:
    for name in ("linzen", "gulordava"):
        (item,) = items(name, tmp_path / name)
        assert scored(item) == ["is", "are"]
        assert item.facts["attractors"] == 1
    assert texts(item) == ["The smell of cats is odd .", "The smell of cats are odd ."]
    assert (item.template, item.facts["distance"], item.phenomenon) == ("L__NOUN/0", 3, "original")


def test_polarity_items_are_told_apart_by_what_they_say(tmp_path: Path) -> None:
    agreement, intrusive, unlicensed = items("marvin_linzen", tmp_path)
    assert agreement.facts["attractors"] == 1
    assert agreement.facts["distance"] == 4
    assert agreement.template == "prep_anim/sing_MS_MV_plur_ES/laughs / laugh"
    assert (intrusive.phenomenon, unlicensed.phenomenon) == ("npi_across_anim/intrusive", "npi_across_anim/unlicensed")


def test_a_triple_is_three_items_of_one_cluster(tmp_path: Path) -> None:
    made = items("triples", tmp_path)
    assert [item.phenomenon for item in made] == [
        "natural over ungrammatical",
        "nonce over ungrammatical",
        "natural over nonce",
    ]
    assert len({item.template for item in made}) == 1


def test_regions_of_syntaxgym_keep_their_numbers(tmp_path: Path) -> None:
    (item,) = items("syntaxgym", tmp_path)
    first = item.sentences[0]
    assert first.text == "The cats sleep."
    assert [(region.name, first.text[region.start : region.stop]) for region in first.regions] == [
        ("1", "The cats"), ("2", ""), ("3", "sleep"), ("4", ".")
    ]  # fmt: skip
    assert item.claim == "(3;%match%) < (3;%mismatch%)"


@pytest.mark.parametrize(
    ("options", "counts"),
    [("", "Then Ann went home ."), ("scoring=word", "Ann"), ("scoring=behind", "went home .")],
)
def test_a_question_of_cbt_is_scored_as_asked(options: str, counts: str, tmp_path: Path) -> None:
    (item,) = items("cbt", tmp_path, options)
    assert scored(item)[1] == counts
    assert item.right == 0
    assert texts(item)[0].endswith("One day passed . Then Tom went home .")


def test_a_candidate_stands_in_the_place_of_its_pronoun(tmp_path: Path) -> None:
    (partial,) = items("winograd", tmp_path)
    assert texts(partial) == ["Ann thanked Sue because Ann was kind.", "Ann thanked Sue because Sue was kind."]
    assert (partial.right, scored(partial)) == (1, ["was kind.", "was kind."])
    full, last = items("winograd", tmp_path, "scoring=full")
    assert (scored(full), texts(last)[1]) == ([], "Jim saw Tom and met Tom.")


@pytest.mark.parametrize(
    ("sentence", "pronoun", "candidates", "expected"),
    [
        ("The cook met the guest and saw his hat.", "his", "The cook,the guest", "the cook's hat."),
        ("It broke when the boys ran.", "It", "the lamp,the vase", "The lamp broke when"),
        ("The nurse met the cook and gave her a hat.", "her", "The nurse,the cook", "gave the nurse a hat."),
        ("The nurse met the cook and took her hat.", "her", "The nurse,the cook", "took the nurse's hat."),
    ],
)
def test_a_candidate_takes_the_form_of_its_pronoun(
    sentence: str, pronoun: str, candidates: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "one.txt"
    path.write_text(f"{sentence}\n{pronoun}\n{candidates}\n{candidates.split(',')[0]}\n")
    (item,) = open_suite(f"winograd:scoring=full:{path}").items
    assert expected in texts(item)[item.right]


def test_winogrande_is_read_and_unanswered_schemas_are_named(tmp_path: Path) -> None:
    schema = {"qID": "X-1", "sentence": "Ann thanked Sue as _ was kind.", "option1": "Ann", "option2": "Sue"}
    (tmp_path / "train.jsonl").write_text(lines({**schema, "answer": "2"}, {**schema, "answer": ""}))
    opened = open_suite(tmp_path)
    assert opened.items[0].right == 1
    assert opened.items[0].template == "X"
    assert opened.skipped[0].reason == "the answer is not given"


def test_completions_are_scored_behind_their_contexts(tmp_path: Path) -> None:
    (item,) = items("lm_diagnostics", tmp_path)
    assert texts(item) == ["which guest the cook had served.", "which cook the guest had served."]
    assert scored(item) == ["served", "served"]
    (tmp_path / "NEG.tsv").write_text(
        "item\tcontext_aff\tcontext_neg\ttarget_aff\ttarget_neg\n"
        "0\tAn ant is (a|an)\tAn ant is not (a|an)\tinsect\ttool\n"
    )
    affirmative, negated = open_suite(tmp_path / "NEG.tsv").items
    assert texts(affirmative) == ["An ant is an insect.", "An ant is a tool."]
    assert texts(negated) == ["An ant is not a tool.", "An ant is not an insect."]


def test_words_of_crows_are_scored_or_modified(tmp_path: Path) -> None:
    (item,) = items("crows_pairs", tmp_path)
    more = item.sentences[0]
    assert [(region.name, more.text[region.start : region.stop]) for region in more.regions] == [
        ("modified", "Rich"),
        ("scored", "men, they say, lie."),
    ]


def test_stereoset_keeps_its_order_and_marks_the_blank(tmp_path: Path) -> None:
    (item,) = items("stereoset", tmp_path)
    assert [sentence.condition for sentence in item.sentences] == ["stereotype", "anti-stereotype", "unrelated"]
    region = item.sentences[0].regions[0]
    assert (region.name, texts(item)[0][region.start : region.stop]) == ("blank", "clever")


@pytest.mark.parametrize(
    ("context", "text", "filled"),
    [
        ("The BLANK-like cook sings.", "the elf-like cook sings", "elf"),
        ("She is (BLANK) there.", "She is (very old) there!", "very old"),
        ("BLANK, he sang.", "Loud, he sings.", "Loud"),
        ("The cook is BLANK.", "The cook is.", None),
        ("The cook is BLANK today.", "Today we all are very old.", None),
        ("The cook is here.", "The cook is there.", None),
    ],
)
def test_a_blank_is_found_in_its_sentence_or_the_entry_left_out(
    context: str, text: str, filled: str | None, tmp_path: Path
) -> None:
    labels = ("stereotype", "anti-stereotype", "unrelated")
    own = filled or "loud"
    sentences = [text, *(text.replace(own, word) if filled else f"The cook is {word}." for word in ("wide", "blue"))]
    entry = {"id": "s1", "target": "cook", "bias_type": "profession", "context": context}
    entry["sentences"] = [{"sentence": s, "gold_label": label} for s, label in zip(sentences, labels, strict=True)]
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": {"intrasentence": [entry]}}))
    (found,) = SUITES.members()["stereoset"].read(path)
    if filled is None:
        assert isinstance(found, Skipped)
        assert found.reason == "a sentence is not its context with the blank filled"
    else:
        assert isinstance(found, Item)
        region = found.sentences[0].regions[0]
        assert found.sentences[0].text[region.start : region.stop] == filled


def test_gender_stays_in_what_is_asked_of_a_pronoun(tmp_path: Path) -> None:
    male, female, _ = items("winogender", tmp_path)
    assert texts(female) == [
        f'The cook told the guest that she could pay. "She" refers to the {who}.' for who in ("cook", "guest")
    ]
    assert scored(male) == ["the cook", "the guest"]
    assert male.right == 1
    for item in items("winobias", tmp_path / "bias"):
        assert texts(item)[0].startswith("The cook met the nurse because")
        assert len(scored(item)) == 2


def test_the_two_versions_of_winobias_are_pairs_where_asked(tmp_path: Path) -> None:
    first, _ = items("winobias", tmp_path, "form=pronoun")
    assert texts(first) == [
        "The cook met the nurse because he was late.",
        "The cook met the nurse because she was late.",
    ]


def test_the_gender_of_most_people_of_an_occupation_is_what_counts(tmp_path: Path) -> None:
    path = written(tmp_path, SAMPLES["winogender"])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    (tmp_path / "occupations-stats.tsv").write_text("occupation\tbls_pct_female\ncook\t80.5\n")
    (item,) = open_suite(f"winogender:form=pronoun:{path}").items
    assert item.sentences[item.right].condition == "female"
    assert item.facts["bls_pct_female"] == 80.5


def test_the_built_in_language_knows_its_truth() -> None:
    made = open_suite("grammar:n=220,seed=3").items
    assert made == open_suite("grammar:n=300,seed=3").items[:220]
    for item in made:
        right, wrong = item.sentences
        if SCORED in {region.name for region in right.regions}:
            assert " / ".join(scored(item)) == item.facts["contrast"]
            assert int(item.facts["distance"]) > 0
        assert right.text != wrong.text
        if item.facts["attractors"] == 0 and item.phenomenon == "simple":
            assert item.facts["nearest"] == item.facts["number"]
    assert any(item.facts["nearest"] not in (item.facts["number"], "") for item in made)
