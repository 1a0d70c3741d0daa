"""The drawing of two trees: every edge once, each kind in its own stroke, and a legend that says which is which."""

from __future__ import annotations

from collections import Counter

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from probekit.report.render.drawing import BLUE, GREY, INK, VERMILION
from probekit.report.render.trees import LEGEND, DrawnTree, draw_trees

WORDS = ("a", "b", "c", "d")
GOLD = {(0, 1), (1, 2), (1, 3)}


def drawn(predicted: set[tuple[int, int]]) -> Axes:
    return draw_trees([DrawnTree("s", WORDS, GOLD, predicted)], Figure().subplots())


@pytest.mark.parametrize(
    ("predicted", "strokes"),
    [
        (GOLD, {INK: 3, BLUE: 3}),
        ({(0, 1), (1, 2), (2, 3)}, {INK: 2, GREY: 1, BLUE: 2, VERMILION: 1}),
        ({(0, 2), (0, 3), (2, 3)}, {GREY: 3, VERMILION: 3}),
    ],
)
def test_right_and_wrong_edges_have_strokes_of_their_own(
    predicted: set[tuple[int, int]], strokes: dict[str, int]
) -> None:
    found = Counter(to_hex(arc.get_edgecolor()).upper() for arc in drawn(predicted).patches)
    assert found == {color.upper(): count for color, count in strokes.items()}


def test_the_annotated_tree_is_above_and_the_predicted_one_below() -> None:
    for arc in drawn({(0, 1), (1, 2), (2, 3)}).patches:
        heights = arc.get_path().vertices[:, 1]
        above = to_hex(arc.get_edgecolor()).upper() in (INK.upper(), GREY.upper())
        assert (min(heights) > 0) if above else (max(heights) < 0)


def test_the_legend_shows_the_strokes_that_are_drawn() -> None:
    ax = drawn({(0, 1), (1, 2), (2, 3)})
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(LEGEND)
    kinds = {(to_hex(line.get_color()).upper(), line.is_dashed()) for line in legend.get_lines()}
    arcs = {(to_hex(arc.get_edgecolor()).upper(), arc.get_linestyle() not in ("-", "solid")) for arc in ax.patches}
    assert kinds == arcs
    assert "above" in LEGEND[0]
    assert "below" in LEGEND[2]
