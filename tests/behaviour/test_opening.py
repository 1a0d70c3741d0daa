"""Suites by name, by path and of the user's own; what is passed over or left out is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite_samples import SAMPLES

from probekit.behaviour import open_suite
from probekit.errors import InputError, UsageError

PAIRS = '{"sentence_good": "It saw %s.", "sentence_bad": "It see %s.", "UID": "%s", "pairID": "%d"}\n'
OWN = '''"""Lines with a bar between the better and the worse sentence."""
from probekit.behaviour import Item, Sentence
from probekit.behaviour.suites import Suite

def read(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        good, bad = line.split("|")
        yield Item(str(number), "bars", "bars", str(number), (Sentence(good), Sentence(bad)))

SUITE = Suite("bars", read, help="Bars.", reference="none", recognises=lambda path: path.suffix == ".bars")
'''


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data sets with two paradigms of BLiMP."""
    folder = tmp_path / "sets"
    (folder / "blimp").mkdir(parents=True)
    for paradigm in ("wh_island", "npi_present"):
        text = "".join(
            PAIRS % (who, who, paradigm, n) for n, who in enumerate((paradigm, "her" + paradigm, "them" + paradigm))
        )
        (folder / "blimp" / f"{paradigm}.jsonl").write_text(text)
    (folder / "blimp" / "README.md").write_text("BLiMP\n")
    monkeypatch.setenv("PROBEKIT_DATA", str(folder))
    return folder


@pytest.mark.usefixtures("sets")
@pytest.mark.parametrize(("spec", "n"), [("blimp", 6), ("blimp/wh_island", 3), ("blimp/wh_*", 3), ("blimp/*", 6)])
def test_paradigms_are_found_by_name(spec: str, n: int) -> None:
    opened = open_suite(spec)
    assert (opened.name, len(opened.items)) == (spec, n)
    assert opened.remarks == ("Files passed over: README.md.",)


@pytest.mark.usefixtures("sets")
@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("blimp/wh_islan", "Did you mean 'wh_island'"),
        ("blmp", "no suite 'blmp'. Did you mean 'blimp'"),
        ("linzen", "has no agreement_linzen_subset"),
        ("blimp:nowhere.jsonl", "no file or folder 'nowhere.jsonl'"),
        ("blimp:a=b", "takes no options"),
        ("winograd:scoring=half", "must be one of partial, full"),
        ("grammar:n=0", "must be a whole number"),
        ("grammar:n=2:x.txt", "is generated"),
    ],
)
def test_what_is_not_there_says_what_is(spec: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        open_suite(spec)


def test_without_a_folder_of_data_sets_a_name_asks_for_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROBEKIT_DATA", raising=False)
    with pytest.raises(UsageError, match=r"set PROBEKIT_DATA .* blimp:PATH"):
        open_suite("blimp")


def test_a_part_may_be_a_phenomenon_inside_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "marvin_linzen").mkdir()
    (tmp_path / "marvin_linzen" / "all.tsv").write_text(SAMPLES["marvin_linzen"].text)
    monkeypatch.setenv("PROBEKIT_DATA", str(tmp_path))
    assert {item.phenomenon for item in open_suite("marvin_linzen/prep_*").items} == {"prep_anim"}


def test_columns_are_called_as_the_user_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text('yes,no,kind\n"One, two.","Two, one.",order\n')
    with pytest.raises(UsageError, match="no suite recognises this file"):
        open_suite(path)
    (item,) = open_suite(f"pairs:good=yes,bad=no,phenomenon=kind:{path}").items
    assert (item.sentences[0].text, item.phenomenon) == ("One, two.", "order")
    with pytest.raises(InputError, match=r"mine.csv:2: there is no column 'nay'.* The columns are yes, no, kind"):
        open_suite(f"pairs:good=yes,bad=nay:{path}")


def test_items_that_repeat_others_are_said_and_two_of_an_id_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("good\tbad\nHe is.\tHe are.\nHe is.\tHe are.\n")
    assert open_suite(path).remarks == ("The sentences of 1 item stand in an earlier one too; all are kept.",)
    path.write_text("good\tbad\tid\nHe is.\tHe are.\tx\nHe was.\tHe were.\tx\n")
    with pytest.raises(InputError, match="the id 'x' stands twice"):
        open_suite(path)


def test_a_suite_of_which_nothing_is_left_says_why(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("good\tbad\nHe is.\tHe is.\n")
    with pytest.raises(InputError, match=r"empty.* 1 item left out, the sentences are identical: mine/1"):
        open_suite(path)


def test_a_folder_without_a_suite_names_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here\n")
    with pytest.raises(InputError, match=r"It holds notes.txt"):
        open_suite(tmp_path)


def test_a_file_in_a_folder_adds_a_suite(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "bars.py").write_text(OWN)
    (tmp_path / "verbs.bars").write_text("He sleeps.|He sleep.\nThey sleep.|They sleeps.\n")
    opened = open_suite(tmp_path / "verbs.bars", own=[tmp_path / "suites"])
    assert [item.suite for item in opened.items] == ["bars", "bars"]
    with pytest.raises(UsageError, match="no suite recognises"):
        open_suite(tmp_path / "verbs.bars")
