"""What stands beside the scores of several models: depths, code lengths, and everybody's notes.

Enters: reports and the heads they have in the table. Leaves: pieces of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from probekit.errors import UsageError
from probekit.report.conclusions import by_role, points_of
from probekit.report.render.table import depths, notes, readable
from probekit.sites import Layer

if TYPE_CHECKING:
    from probekit.report.layers import LayerReport

BY_LAYER = ("probe", "tune")
"""Stages whose rows are scores of layers; others have tables of their own."""


def check_by_layer(reports: Sequence[LayerReport]) -> None:
    """Refuse reports whose rows are no scores of layers.

    Raises
    ------
    UsageError
    """
    for place, report in enumerate(reports, start=1):
        if others := [row.stage for row in report.rows if row.stage not in BY_LAYER]:
            raise UsageError(
                f"Report {place} of {len(reports)} is of `{others[0]}`, which is not aligned by layer: rows of one "
                "layer that are no draws of one score would be averaged. `report page` puts several on a page."
            )


def depths_and_code_lengths(report: LayerReport, layer: Layer) -> list[str]:
    """Write the depths of a report, and what its labels cost at a layer, the chosen one.

    Parameters
    ----------
    report : LayerReport
    layer : int, str or None
        None: no layer was chosen, so no code length is quoted.

    Returns
    -------
    list of str
        ``expected layer 1.31``, ``centre of gravity 2.30 [2.11, 2.49]``, ``online code 1,203 bits
        (compression 3.52, control 1.20)``; empty where nothing of the kind was measured.
    """
    # What prices labels in bits; each may have a control ``<method>_control``.
    codes = by_role(report, "companion", split="train", metric="bits")
    return [*depths(report), *(text for method in codes if (text := _code(report, method, layer)))]


def notes_of_each(reports: Sequence[LayerReport], heads: Sequence[str]) -> list[str]:
    """Return every note once, behind the heads of the reports it belongs to where these are not all.

    Parameters
    ----------
    reports : sequence of LayerReport
    heads : sequence of str
        One a report.

    Returns
    -------
    list of str
        ``note: ...``, then ``note (A, C): ...``, in the order of their first report.
    """
    owners: dict[str, list[str]] = {}
    for report, head in zip(reports, heads, strict=True):
        for note in notes(report):
            owners.setdefault(note, []).append(head)
    shared = [f"note: {note}" for note, whose in owners.items() if len(whose) == len(reports)]
    return shared + [
        f"note ({', '.join(whose)}): {note}" for note, whose in owners.items() if len(whose) < len(reports)
    ]


def _code(report: LayerReport, method: str, layer: Layer) -> str:
    if layer is None:
        return ""
    bits, compression, control = (
        points_of(report, name, split="train", metric=metric).get(layer)
        for name, metric in ((method, "bits"), (method, "compression"), (f"{method}_control", "compression"))
    )
    if bits is None or compression is None:
        return ""
    against = f", control {control.value:.2f}" if control is not None else ""
    return f"{readable(method)} {bits.value:,.0f} bits (compression {compression.value:.2f}{against})"
