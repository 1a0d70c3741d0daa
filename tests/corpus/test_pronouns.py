"""Pronouns and their candidates: which places the readers choose, which sentences stay together, real counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from probekit.corpus import Example, open_corpus

GAP = (
    "ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL\n"
    "{0}\tA saw her\ther\t6\tA\t0\tFALSE\tsaw\t2\tTRUE\tw\n"
)


def pronouns(path: Path, *blocks: str) -> list[Example]:
    """Read blocks whose lines a slash parts."""
    path.write_text("\n\n".join(block.replace("/", "\n") for block in blocks))
    return list(open_corpus(f"dpr:{path}"))


@pytest.mark.parametrize(
    ("block", "pronoun", "candidates"),
    [
        ("it says A beats B as it won/it/A,B/A", 6, ["2-3 same", "4-5 other"]),
        ("it met A and it saw it/it/A,the zoo/A", 4, ["2-3 same"]),
        ("A hit B , then B saw it hit A/it/A,B/B", 7, ["0-1 other", "5-6 same"]),
        ("it said it bore A/It/A,an A/A", 2, ["4-5 same", "4-5 other"]),
        ("The big dog saw his cat as it ran/it/the dog,her cat/her cat", 7, ["2-3 other", "5-6 same"]),
        ("Bo's cat and Cy's saw it/it/Bo's cat,Cy's cat/Cy's cat", 5, ["0-2 other"]),
        ("Cy hit Bo's cat and it ran/it/Bo,Bo's cat/Bo's cat", 6, ["2-3 other", "2-5 same"]),
        ("They saw their dogs/their/they,their dogs/they", 2, ["0-1 same"]),
    ],
)
def test_a_pronoun_and_its_candidates_are_found_by_the_rules(
    block: str, pronoun: int, candidates: list[str], tmp_path: Path
) -> None:
    (example,) = pronouns(tmp_path / "a.txt", block)
    assert [span.start for span in example.spans["pronoun"]] == [pronoun]
    assert [f"{span.start}-{span.stop} {span.label}" for span in example.spans["candidates"]] == candidates


def test_what_the_rules_decided_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "A saw a red A as it hit it\nit\nA,her zoo\nA\n\nA saw [MASK]\n[MASK]\nA,the zoo\nA\n"
    )
    corpus = open_corpus(f"dpr:{tmp_path}/a.txt")
    list(corpus)
    assert sorted((name.split(":")[0], count) for name, count in corpus.notes.counts.items()) == [
        ("candidates that do not occur in their sentence, left out", 2),
        ("candidates that occur several times", 1),
        ("pronouns that occur several times", 1),
        ("pronouns that the file hides", 1),
    ]
    assert all(places[0].startswith(f"{tmp_path}/a.txt:") for places in corpus.notes.places.values())


def test_twins_share_a_group_and_others_do_not(tmp_path: Path) -> None:
    found = pronouns(
        tmp_path / "a.txt",
        "A hit B , it ran/it/A,B/A",
        "A hit C , it ran/it/C,a/C",
        "D met E and it sat down/it/D,E/E",
        "D met E and it sat there/it/and,met/met",
        "A hit B when it ran/it/A,B/A",
    )
    assert [example.group for example in found] == [f"a:pair:{pair}" for pair in (0, 0, 1, 1, 2)]


def test_a_missing_dev_part_takes_whole_pairs_of_train(tmp_path: Path) -> None:
    twins = "x{0} saw y{0} as it {1}\nit\nx{0},y{0}\nx{0}\n\n"
    text = "".join(twins.format(i, verb) for i in range(100) for verb in ("sat", "ran"))
    (tmp_path / "train.c.txt").write_text(text)
    (tmp_path / "test.c.txt").write_text(twins.format("z", "sat"))
    # Neither of these is a part: what they hold would be refused.
    (tmp_path / "wnli-test.tsv").write_text("index\tsentence\n")
    (tmp_path / "PDP.txt").write_text("one line\n")
    corpus = open_corpus(f"dpr:{tmp_path}")
    splits: dict[str, set[str | None]] = {"train": set(), "dev": set(), "test": set()}
    for example in corpus:
        splits[example.split or ""].add(example.group)
    assert not splits["train"] & splits["dev"]
    assert len(splits["train"] | splits["dev"]) == 100
    # 100 draws of 1 in 10: five standard deviations are 15.
    assert 1 <= len(splits["dev"]) <= 25
    assert splits["test"] == {"test.c:pair:0"}
    assert "dev is 10 %" in corpus.split_rule


def test_gap_trains_on_development(tmp_path: Path) -> None:
    for name, row in (("development", "d"), ("validation", "v"), ("test", "t")):
        (tmp_path / f"gap-{name}.tsv").write_text(GAP.format(row))
    corpus = [(example.id, example.split) for example in open_corpus(f"gap:{tmp_path}")]
    assert corpus == [("d", "train"), ("v", "dev"), ("t", "test")]


REAL_PRONOUNS = [
    ("dpr:wsc_dpr", {"train": 1190, "dev": 126, "test": 564}, 29_944, {"same": 1880, "other": 1880}, 902),
    ("dpr:wsc_dpr/wsc273.txt", {"train": 206, "dev": 45, "test": 22}, 5_027, {"same": 258, "other": 258}, 125),
    ("dpr:wsc_dpr/PDP.txt", {"train": 54, "dev": 5, "test": 1}, 2_266, {"same": 59, "other": 79}, 33),
    ("gap:gap", {"train": 2000, "dev": 454, "test": 2000}, 374_202, {"same": 3964, "other": 4944}, 3987),
]


@pytest.mark.parametrize(("place", "splits", "words", "labels", "groups"), REAL_PRONOUNS)
def test_real_pronouns_and_candidates(
    data: Path, place: str, splits: dict[str, int], words: int, labels: dict[str, int], groups: int
) -> None:
    scheme, _, folder = place.partition(":")
    corpus = open_corpus(f"{scheme}:{data / folder}")
    found = list(corpus)
    assert Counter(example.split for example in found) == splits
    assert sum(len(example.words) for example in found) == words
    assert Counter(span.label for example in found for span in example.spans["candidates"]) == labels
    assert all(len(example.spans["pronoun"]) == 1 for example in found)
    # A group has one split.
    assert len({example.group for example in found}) == len({(e.group, e.split) for e in found}) == groups
    left_out = corpus.notes.counts.get("candidates that do not occur in their sentence, left out", 0)
    assert left_out == {"dpr:wsc_dpr/wsc273.txt": 30, "dpr:wsc_dpr/PDP.txt": 2}.get(place, 0)


def test_real_twins_have_one_group_and_two_answers(data: Path) -> None:
    for split in ("train", "test"):
        found = list(open_corpus(f"dpr:{data}/wsc_dpr/{split}.c.txt"))
        for one, other in zip(found[::2], found[1::2], strict=True):
            assert one.group == other.group
            answers = {
                " ".join(twin.words[span.start : span.stop]).casefold()
                for twin in (one, other)
                for span in twin.spans["candidates"]
                if span.label == "same"
            }
            assert len(answers) == 2
