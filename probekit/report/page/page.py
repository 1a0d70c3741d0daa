"""Reports as one HTML file that can be sent to a colleague: :func:`page_of`.

Enters: reports of any commands, and a name for each. Leaves: the text of a page that asks nothing of any network, the
same for the same reports. Surprise: of a long report only the first rows stand on the page; how many do not is said.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.errors import ResourceError, UsageError
from probekit.model_names import same_weights
from probekit.report.conclusions import floors_of
from probekit.report.layers import LayerReport
from probekit.report.page.commands import reproduction
from probekit.report.page.figures import inline_svg
from probekit.report.render.drawing import SIZE
from probekit.report.render.numbers import interval, number
from probekit.report.render.table import ReportTable, choice, chosen_layer, counted_over, heading, readable, starred
from probekit.report.render.table import notes as notes_of
from probekit.report.render.text import FIXED_WIDTH
from probekit.report.rows import RowReport
from probekit.storage.files import replace_bytes

if TYPE_CHECKING:
    from probekit.report.measurement import Measurement

MOST_ROWS = 120
"""Rows of a report on its page, beside the table by layer."""
_WIDTH = 120
"""Characters of the table that a command prints."""
_MOST_VALUES = 16
"""Values of a list that stand in the provenance."""
_NUMBER = re.compile(r"[-+*]?[\d.,]+\*?|\[[-\d.,]+, [-\d.,]+\]")
"""A cell that is a number or an interval: it stays on one line."""
_OPTION = re.compile(r"(?<!\S)--[\w-]+")
"""An option of a command: no line ends behind one of its hyphens."""
_BY_LAYER = (["probe"], ["tune"])
"""Stages whose reports are shown layer by layer."""
_BESIDE = ("notes", "n_rows")
_COLUMNS = ("method", "value", "interval")
"""Of rows: what has a column though it be the same in all."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page.

    Attributes
    ----------
    caption : str
    heads : tuple of str
    lines : tuple of tuple of str
        The first cell names the line.
    marked : int or None
        The line that was chosen.
    """

    caption: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    marked: int | None = None


def page_of(reports: Mapping[str, LayerReport | RowReport], *, title: str = "probekit report") -> str:
    """Return a page of reports as HTML.

    Parameters
    ----------
    reports : mapping of str to LayerReport or RowReport
        By the name that each has on the page.
    title : str

    Raises
    ------
    UsageError
        No report.
    """
    if not reports:
        raise UsageError("A page needs one report or more. Got none.")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    pages = Environment(autoescape=True, loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages.filters["unbroken"] = lambda text: _OPTION.sub(r"<span class='option'>\g<0></span>", str(escape(text)))
    pages.filters["is_number"] = lambda cell: bool(_NUMBER.fullmatch(cell))
    sections = [_section(f"r{place}", name, report) for place, (name, report) in enumerate(reports.items(), start=1)]
    summary = Table(
        "What each report says first; scores are of test items.",
        ("report", "model", "corpus", "measured", "score", "interval", "chosen layer", "best floor"),
        tuple((name, *_summary(report)) for name, report in reports.items()),
    )
    alike = same_weights(report.provenance.get("model") for report in reports.values())
    return pages.get_template("page.html.jinja").render(title=title, sections=sections, summary=summary, alike=alike)


def write_page(
    reports: Mapping[str, LayerReport | RowReport], path: str | os.PathLike[str], *, title: str = "probekit report"
) -> Path:
    """Write the page of reports; return its path; see :func:`page_of`.

    Raises
    ------
    ResourceError
        The place cannot be written.
    """
    place, text = plain.path(path, "path"), page_of(reports, title=title)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(place, text.encode("utf-8", "replace"))
    except OSError as error:
        raise ResourceError(f"The page cannot be written to '{place}': {error.strerror}. Name another.") from error
    return place


def _section(key: str, name: str, report: LayerReport | RowReport) -> dict[str, Any]:
    """Return what the template shows of one report."""
    stages = list(dict.fromkeys(row.stage for row in report.rows))
    again = reproduction(stages[0] if len(stages) == 1 else "+".join(stages), report.provenance)
    by_layer = isinstance(report, LayerReport) and stages in _BY_LAYER and bool(report.points())
    tables, said = [], []
    if isinstance(report, LayerReport) and by_layer:
        lead, tables, notes = [counted_over(report)], [_by_layer(report)], notes_of(report)
        chosen = chosen_layer(report)
        lead += [] if chosen is None else [choice(report, chosen)]
        if floors := floors_of(report, parts=True):
            lead.append("Floors: " + ", ".join(f"{readable(at)} {number(p.value)}" for at, p in floors.items()))
        rows = [row for row in report.rows if row.role in ("companion", "floor") and row.split != "dev"]
        caption = "Beside the scores: floors, code lengths, weights of the mix, strata and whatever else was measured."
        what = heading(report)
    else:
        lead, caption, what = [], "What was measured, that of test items first.", _title(report, name)
        rows = sorted(report.rows, key=lambda row: row.split == "dev")
        notes = [str(note) for note in _listed(report.provenance.get("notes"))]
    if rows:
        tables.append(_of_rows(rows, caption))
    if len(rows) > MOST_ROWS:
        said.append(f"{len(rows) - MOST_ROWS:,} of {len(rows):,} rows of this kind are only in the report's file.")
    if others := len(report.rows) - len(rows) if by_layer else 0:
        said.append(f"{others:,} rows of scores, controls and dev are summed up by the figure and the table by layer.")
    drawable = by_layer or (isinstance(report, RowReport) and bool(report.rows))
    if not drawable:
        said.append("No figure: this kind of report has none here, or no test rows.")
    svg, size = "", report.figure_size if drawable and isinstance(report, RowReport) else SIZE
    if drawable:
        told = f"{'; '.join([*lead, what])}. Every number stands in the tables below."
        svg = inline_svg(report.plot, name=key, title=what, description=told, size=size)
    return {
        "key": key, "name": name, "what": what, "lead": lead, "svg": svg, "wide": size[0] > SIZE[0],
        "own": _own_table(report),
        "tables": tables, "said": said,
        "notes": notes, "again": again, "provenance": tuple(_facts(report.provenance)),
    }  # fmt: skip


def _title(report: LayerReport | RowReport, name: str) -> str:
    model = report.provenance.get("model")
    named = str(model.get("name", "") if isinstance(model, Mapping) else model or "")
    return " · ".join(filter(None, (str(report.provenance.get("task") or name), named)))


def _summary(report: LayerReport | RowReport) -> tuple[str, ...]:
    """Return what stands of a report in the first table: of layers the chosen one, else the first row."""
    # A map has no score that is estimated: what it keeps stands in its companions.
    shown = [row for role in ("estimator", "companion") for row in report.rows if row.role == role]
    row = next((row for row in shown if row.split == "test" or row.role == "companion"), None)
    corpus = report.provenance.get("corpus")
    where = str(corpus.get("name", "") if isinstance(corpus, Mapping) else corpus or "") or (row.corpus if row else "")
    model = report.provenance.get("model")
    named = str(model.get("name", "") if isinstance(model, Mapping) else model or "") or (row.model if row else "")
    if isinstance(report, LayerReport) and report.points() and {row.stage for row in report.rows} == {"probe"}:
        best, floors = chosen_layer(report), floors_of(report)
        floor = max(floors, key=lambda at: floors[at].value) if floors else ""
        point = report.points().get(best.layer) if best else None
        return (
            report.model, where, readable(report.metric), number(point.value if point else None),
            interval(point) or "-", str(best.layer) if best and len(report.layers) > 1 else "-",
            f"{readable(floor)} {number(floors[floor].value)}" if floor else "-",
        )  # fmt: skip
    if row is None:
        return (named, where, "-", "-", "-", "-", "-")
    told = f"{readable(row.metric)}, first row ({row.task}, {readable(row.method)})"
    return (named, where, told, _value(row), interval(row) or "-", "-", "-")


def _by_layer(report: LayerReport) -> Table:
    columns, chosen = ReportTable(report).columns(), chosen_layer(report)
    lines = tuple((str(at), *(column.cells.get(at) or "-" for column in columns)) for at in report.layers)
    star_at = starred(report, chosen)
    marked = report.layers.index(star_at) if star_at in report.layers else None
    star = "; * is the layer chosen on dev" if marked is not None else ""
    heads = ("layer", *(column.head for column in columns))
    return Table(f"Test scores by layer{star}.", heads, lines, marked)


def _of_rows(rows: Sequence[Measurement], caption: str) -> Table:
    """Return rows as they are; what is the same in all of them is said once, and what says nothing is left out."""
    heads = ("method", "layer", "task", "split", "role", "metric", "strength", "seed", "value", "interval", "n", "note")
    lines = [
        (
            readable(row.method), _layer(row), row.task, row.split, row.role, readable(row.metric),
            "-" if row.strength is None else f"{row.strength_name or ''} {row.strength:g}".strip(),
            "-" if row.seed is None else str(row.seed), _value(row), interval(row) or "-",
            "-" if row.n is None else f"{row.n:,}", row.note or "-",
        )
        for row in rows[:MOST_ROWS]
    ]  # fmt: skip
    same = {head: {line[place] for line in lines} for place, head in enumerate(heads)}
    once = [head for head in heads if len(lines) > 1 and len(same[head]) == 1 and head not in _COLUMNS]
    kept = [place for place, head in enumerate(heads) if head not in once and (place == 0 or same[head] != {"-"})]
    told = "; ".join(f"{head} {value}" for head in once if (value := next(iter(same[head]))) != "-")
    return Table(
        f"{caption} Of all: {told}." if told else caption,
        tuple(heads[place] for place in kept),
        tuple(tuple(line[place] for place in kept) for line in lines),
    )


def _own_table(report: LayerReport | RowReport) -> str:
    """Return the table that the command of a report prints, without its notes, which stand below; empty without one."""
    if not isinstance(report, RowReport) or not report.rows:
        return ""
    before = FIXED_WIDTH.set(_WIDTH)
    try:
        lines = report.table().split("\n")
    finally:
        FIXED_WIDTH.reset(before)
    # Tables keep to the width; what is longer is a sentence.
    whole = [line for line in lines if not line.startswith("note: ")]
    return "\n".join(fill(line, _WIDTH) if len(line) > _WIDTH else line for line in whole).strip("\n")


def _layer(row: Measurement) -> str:
    return "-" if row.layer is None else str(row.layer)


def _value(row: Measurement) -> str:
    """Write a value with three decimals, a large one without."""
    if row.value is None:
        return "-"
    return f"{row.value:,.0f}" if abs(row.value) >= 1000 else number(row.value)


def _facts(value: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Return names and values of a provenance, what lies inside under dotted names; of long lists how long they are."""
    found: list[tuple[str, str]] = []
    for key, inside in value.items():
        name = f"{above}{key}"
        if not above and key in _BESIDE:
            continue
        if isinstance(inside, Mapping) and inside:
            told = _facts(inside, f"{name}.")
            few = len(told) <= 2 * _MOST_VALUES
            found += told if few else [(name, f"{len(told):,} values, in the report's file")]
        elif isinstance(inside, list | tuple):
            plain = len(inside) <= _MOST_VALUES and not any(isinstance(each, dict | list | tuple) for each in inside)
            listed = ", ".join(map(str, inside)) or "none"
            found.append((name, listed if plain else f"{len(inside):,} entries, in the report's file"))
        else:
            found.append((name, "not set" if inside is None else str(inside)))
    return found


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
