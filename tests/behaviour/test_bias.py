"""Bias measures of items: as planted, as their papers' programs count, and with intervals that hold what is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from probekit.behaviour import Item, Sentence
from probekit.behaviour.bias import BiasScore, crows_pairs, stereoset, winobias, winogender
from probekit.errors import InputError, NumericError, UsageError

THREE = ("stereotype", "anti-stereotype", "unrelated")


def item(
    i: int, template: str, phenomenon: str = "kind", *, conditions: Sequence[str] = ("", ""), **facts: object
) -> Item:
    sentences = tuple(Sentence(f"text {k}", condition=condition) for k, condition in enumerate(conditions))
    return Item(f"i{i}", "s", phenomenon, template, sentences, 0, facts)  # type: ignore[arg-type]


def named(found: list[BiasScore]) -> dict[tuple[str, str], BiasScore]:
    return {(score.measure, score.group): score for score in found}


def test_crows_pairs_counts_what_is_preferred() -> None:
    kinds = ["gender"] * 6 + ["age"] * 4
    ways = ["stereo"] * 7 + ["antistereo"] * 3
    items = [item(i, f"t{i}", kind, direction=way) for i, (kind, way) in enumerate(zip(kinds, ways, strict=True))]
    scores = [[0, -1]] * 5 + [[-1, -1]] + [[-2, -1]] * 2 + [[0, -1]] * 2
    found = named(crows_pairs(items, scores))
    assert [group for _, group in found] == ["", "gender", "age", "stereo", "antistereo"]
    whole = found["stereotype score", ""]
    assert (whole.value, whole.n, whole.n_units, whole.unbiased, whole.ties) == (pytest.approx(0.75), 10, 10, 0.5, 1)
    assert whole.low is not None
    assert whole.high is not None
    assert whole.low < 0.75 < whole.high
    assert found["stereotype score", "gender"].value == pytest.approx(5.5 / 6)
    assert found["stereotype score", "age"].low is None  # of four pairs
    assert found["stereotype score", "antistereo"].value == pytest.approx(2 / 3)


def test_the_interval_holds_no_preference_where_labels_are_shuffled() -> None:
    rng = np.random.default_rng(0)
    items = [item(i, f"t{i // 3}") for i in range(240)]
    inside = 0
    for _ in range(30):
        # Items of one template are alike.
        margins = rng.normal(size=80).repeat(3) + 0.5 * rng.normal(size=240)
        whole = crows_pairs(items, np.stack([margins, np.zeros(240)], axis=1).tolist())[0]
        assert whole.low is not None
        assert whole.high is not None
        inside += whole.low <= 0.5 <= whole.high
    assert inside >= 26


def test_stereoset_is_what_its_program_counts() -> None:
    # Means over target terms: of a, two items; of b, one. The order of sentences is the suite's own.
    items = [item(0, "a", "race", conditions=THREE), item(1, "a", "race", conditions=THREE)]
    items.append(item(2, "b", "gender", conditions=THREE[::-1]))
    scores = [[3, 2, 1], [1, 2, 1.5], [1, 2, 3]]
    found = named(stereoset(items, scores))
    sense, stereotype = (75 + 100) / 2, (50 + 100) / 2
    assert found["language modelling score", ""].value == pytest.approx(sense)
    assert found["stereotype score", ""].value == pytest.approx(stereotype)
    assert found["ICAT", ""].value == pytest.approx(sense * min(stereotype, 100 - stereotype) / 50)
    assert found["ICAT", "gender"].value == 0
    assert ("ICAT", "intersentence") not in found
    kinds = [replace(its, facts={"kind": kind}) for its, kind in zip(items, ("intra", "inter", "inter"), strict=True)]
    assert named(stereoset(kinds, scores))["stereotype score", "inter"].value == pytest.approx((0 + 100) / 2)
    assert found["stereotype score", "race"].value == 50
    whole = found["ICAT", ""]
    assert (whole.n, whole.n_units, whole.unit, whole.low) == (3, 2, "term", None)


def test_stereoset_of_an_ideal_and_of_a_random_model() -> None:
    rng = np.random.default_rng(0)
    items = [item(i, f"term{i // 10}", conditions=THREE) for i in range(600)]
    sides = [[1, 0, -9] if i % 2 else [0, 1, -9] for i in range(600)]
    assert [round(score.value) for score in stereoset(items, sides)[:3]] == [100, 50, 100]
    for score in stereoset(items, rng.normal(size=(600, 3)).tolist())[:3]:
        assert score.value == pytest.approx(50, abs=6)
        assert score.low is not None
        assert score.high is not None
        assert score.low < score.value <= score.high
    with pytest.raises(InputError, match="no sentence of condition 'unrelated'"):
        stereoset([item(0, "a", conditions=THREE[:2])], [[1, 2]])


def test_winobias_finds_the_planted_gap() -> None:
    rng = np.random.default_rng(1)
    items, scores = [], []
    for i in range(400):
        for version, chance in (("pro", 0.9), ("anti", 0.6)):
            items.append(item(i, f"t{i}", f"type{1 + i % 2} {version}", version=version))
            scores.append([1, 0] if rng.random() < chance else [0, 1])
    found = named(winobias(items, scores))
    gap = found["gap, pro less anti", ""]
    assert gap.value == pytest.approx(0.3, abs=0.06)
    assert gap.value == pytest.approx(
        found["coreference accuracy", "pro"].value - found["coreference accuracy", "anti"].value
    )
    assert gap.low is not None
    assert gap.high is not None
    assert 0.2 < gap.low < 0.3 < gap.high
    assert (gap.n, gap.n_units, gap.unbiased) == (800, 400, 0)
    assert found["coreference accuracy", "type2: anti"].n == 200
    assert found["gap, pro less anti", "type1"].n == 400
    with pytest.raises(InputError, match="version of item 'i0' must be one of pro, anti"):
        winobias([item(0, "a", version="other")], [[1, 0]])


def test_a_gap_that_no_template_shows_has_an_interval_that_more_templates_narrow() -> None:
    # A model that never looks at the pronoun is as right with the stereotype as against it, line by line.
    ends = []
    for lines in (12, 300):
        items = [item(2 * i + j, f"t{i}", "type1", version=("pro", "anti")[j]) for i in range(lines) for j in (0, 1)]
        gap = named(winobias(items, [[1, 0]] * lines + [[0, 1]] * lines))["gap, pro less anti", ""]
        assert gap.value == 0
        assert gap.low == pytest.approx(-(gap.high or 0))
        ends.append(gap.high)
    # Of 12 lines that are alike, a share of other ones up to 1 - 0.05 ** (1 / 12) can have stayed unseen.
    assert ends == pytest.approx([0.2209, 0.0099], abs=1e-4)


def test_winobias_of_pairs_of_pronouns_is_a_share() -> None:
    items = [item(i, f"t{i}", f"type{1 + i % 2}", conditions=("pro", "anti")) for i in range(20)]
    found = named(winobias(items, [[1, 0]] * 15 + [[0, 1]] * 5))
    assert [found["stereotype score", name].n for name in ("", "type1", "type2")] == [20, 10, 10]
    assert (found["stereotype score", ""].value, found["stereotype score", ""].unbiased) == (0.75, 0.5)


def test_winogender_finds_what_goes_with_the_share_of_women() -> None:
    rng = np.random.default_rng(2)
    items, scores = [], []
    for j in range(20):
        share = 100 * j / 19
        for k in range(12):
            for gender, chance in (("female", share / 100), ("male", 1 - share / 100), ("neutral", 0.5)):
                # A pronoun that means the participant goes with nothing.
                its = chance if k % 2 == 0 else 0.5
                items.append(item(len(items), f"o{j}", gender, means=k % 2, bls_pct_female=share))
                scores.append([1, 0] if rng.random() < its else [0, 1])
    found = named(winogender(items, scores))
    link = found["correlation with share of women", ""]
    assert link.value > 0.8
    assert link.low is not None
    assert link.low > 0.5
    assert (link.n, link.n_units, link.unit) == (240, 20, "occupation")
    assert found["gap, female less male", ""].value == pytest.approx(0, abs=0.12)
    assert found["coreference accuracy", "neutral"].n == 240
    inside = 0
    for _ in range(20):
        shuffled = [scores[i] for i in rng.permutation(len(scores))]
        link = named(winogender(items, shuffled))["correlation with share of women", ""]
        assert link.low is not None
        assert link.high is not None
        inside += link.low < 0 < link.high
    assert inside >= 16
    with pytest.raises(InputError, match="gender of item 'i0' must be one of female, male, neutral"):
        winogender([item(0, "a", "other")], [[1, 0]])


def test_winogender_of_pronouns_is_a_share_and_a_margin() -> None:
    names = ("male", "female", "neutral")
    items, scores = [], []
    for j, share in enumerate(np.linspace(10, 90, 9).tolist()):
        for whom in ("occupation", "participant"):
            sentences = tuple(Sentence(name, condition=name) for name in names)
            facts = {"bls_pct_female": share, "occupation": f"o{j}"}
            right = int(share > 50)
            items.append(Item(f"{j}{whom}", "winogender", f"pronoun of the {whom}", f"o{j}", sentences, right, facts))
            # Of the occupation as the share says, and of the participant always male; the neutral one is likeliest.
            scores.append([0, share - 50 if whom == "occupation" else -1, 99])
    found = named(winogender(items, scores))
    assert found["stereotype score", "pronoun of the occupation"].value == pytest.approx(8.5 / 9)  # one tie
    assert found["stereotype score", "pronoun of the participant"].value == pytest.approx(5 / 9)
    assert found["correlation with share of women", ""].value == pytest.approx(1)
    assert found["correlation with share of women", ""].n == 9


def test_scores_that_fit_no_item_are_errors() -> None:
    with pytest.raises(UsageError, match="Got 1 for 2 items"):
        crows_pairs([item(0, "a"), item(1, "b")], [[1, 2]])
    with pytest.raises(UsageError, match="must be 2 numbers"):
        crows_pairs([item(0, "a")], [[1, 2, 3]])
    with pytest.raises(NumericError, match="'i0' is not a number"):
        crows_pairs([item(0, "a")], [[1, float("nan")]])
    assert crows_pairs([item(0, "a")], [[1, float("-inf")]])[0].value == 1
