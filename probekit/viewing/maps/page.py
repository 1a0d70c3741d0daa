"""A map as one page: points that tell their word in its sentence, on a canvas, without a network.

Enters: a :class:`~probekit.viewing.MapReport`. Leaves: HTML. Surprise: every text travels as JSON in which ``<`` is
written ``\\u003c``, so that no word of a corpus ends the script that holds it; the page writes texts as texts only.
"""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.example import SPLITS
from probekit.report.render.numbers import number
from probekit.viewing.maps.draw import COLOURS, SHAPES, color_of, drawing_order, is_rest, limits_of
from probekit.viewing.maps.points import smallest_hashes
from probekit.viewing.pages import embedded

if TYPE_CHECKING:
    from probekit.viewing.maps.report import MapReport

MOST = 20_000
"""Points of a page; a browser draws them at once."""
_DARK = ("#56B4E9", "#FF8A4C", "#35C79A", "#E59CC4", "#E69F00", "#9AD4F5", "#9C8CF0", "#D9719F", "#C9C95A", "#F2F2F2")
"""The colours of a figure, lighter, for a dark page."""


def page_of(report: MapReport) -> str:
    """Return the page, whole: its script, its style and its data are inside."""
    template = files("probekit.viewing.maps").joinpath("map.html").read_text(encoding="utf-8")
    data, notes = _data(report), list(report.notes)
    if len(data["word"]) < report.n_points:
        notes.append(
            f"{len(data['word']):,} of {report.n_points:,} points are on this page, those with the smallest hash; "
            "counts and numbers are of all."
        )
    parts = {
        "TITLE": escape(report.heading),
        "CAPTION": escape(report.caption),
        "TABLE": _table(report),
        "NOTES": "".join(f"<p>{escape(note)}</p>" for note in notes),
        "DATA": embedded(data),
    }
    # In one pass, so that a word like @NOTES@ stays what it is.
    return re.sub(r"@([A-Z]+)@", lambda found: parts[found[1]], template)


def _data(report: MapReport) -> dict[str, Any]:
    made, colours = report.provenance, report.colours
    points = made["points"]
    rows = smallest_hashes(points, MOST, seed=made["settings"]["seed"])
    maps = [np.array([made["places"][str(layer)][axis] for axis in "xy"]).T for layer in report.layers]
    middle, reach = limits_of(maps)
    ids = list(dict.fromkeys(points["sentence"][row] for row in rows))
    place = {ident: number for number, ident in enumerate(ids)}
    groups = []
    for code, (name, count) in enumerate(colours.groups):
        light = color_of(colours, code)
        dark = _DARK[COLOURS.index(light)] if light in COLOURS else light
        shape = "." if is_rest(colours, code) else SHAPES[code]
        groups.append({"name": name, "count": f"{count:,}", "light": light, "dark": dark, "shape": shape})
    return {
        "by": made["settings"]["by"],
        "groups": groups,
        "order": drawing_order(colours),
        "group": [colours.group[row] for row in rows],
        **{name: [points[name][row] for row in rows] for name in ("word", "label", "value", "spans")},
        "splits": list(SPLITS),
        "split": [SPLITS.index(points["split"][row]) for row in rows],
        "sentence": [place[points["sentence"][row]] for row in rows],
        "sentences": [{"id": ident, "words": made["sentences"][ident]} for ident in ids],
        "middle": middle.tolist(),
        "reach": reach,
        "maps": [
            {
                "layer": str(layer),
                "kept": _kept(report, layer),
                "x": places[rows, 0].tolist(),
                "y": places[rows, 1].tolist(),
            }
            for layer, places in zip(report.layers, maps, strict=True)
        ],
    }


def _kept(report: MapReport, layer: int | str) -> str:
    told = [f"{metric.replace('_', ' ')} {number(report.value(metric, layer))}" for metric in report.metrics[:2]]
    return ", ".join(told)


def _table(report: MapReport) -> str:
    metrics = report.metrics
    head = "".join(f"<th scope='col'>{escape(metric.replace('_', ' '))}</th>" for metric in metrics)
    lines = (
        f"<tr><th scope='row'>{escape(str(layer))}</th>"
        + "".join(f"<td>{number(report.value(metric, layer))}</td>" for metric in metrics)
        + "</tr>"
        for layer in report.layers
    )
    return f"<table><tr><th scope='col'>layer</th>{head}</tr>{''.join(lines)}</table>"
