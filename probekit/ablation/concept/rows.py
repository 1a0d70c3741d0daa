"""Rows of a report on a concept: what is readable, what is used, what other tasks lose.

Enters: scores under joint resamples. Leaves: :class:`~probekit.report.Measurement` rows of test. A probe's rows are
called ``probe``, ``probe after leace``; the model's own ``whole``, ``leace``; a difference names both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from probekit.ablation.concept.fitting import CONTROLS
from probekit.ablation.concept.used import less
from probekit.probing.measure import scored
from probekit.probing.question import Floor
from probekit.report import Measurement
from probekit.statistics.bootstrap import Score

STAGE, WHOLE, PROBE, MAJORITY, ACCURACY = "ablate-concept", "whole", "probe", "majority", "accuracy"


def after(method: str, eraser: str) -> str:
    """Return what a probe of erased vectors is called."""
    return f"{method} after {eraser}"


def difference(one: str, other: str) -> str:
    """Return what a difference is called."""
    return f"{one} - {other}"


def readable_rows(
    blank: Measurement, whole: Score, erased: Mapping[str, Score], floors: Sequence[tuple[Floor, Score]]
) -> Iterator[Measurement]:
    """Yield what a probe reads.

    Parameters
    ----------
    blank : Measurement
    whole : Score
        Of the states as they are.
    erased : mapping of str to Score
        By the name of the eraser or the control.
        A control is of one draw.
    floors : sequence of (Floor, Score)
    """
    yield scored(replace(blank, method=PROBE), ACCURACY, *whole)
    for floor, score in floors:
        yield scored(replace(blank, method=floor.method, role="floor", note=floor.note), ACCURACY, *score)
        gain = difference(PROBE, floor.method)
        yield scored(replace(blank, method=gain, role="difference"), ACCURACY, *less(whole, score))
    for name, score in erased.items():
        row = _of(blank, name, 1)
        yield scored(replace(row, method=after(PROBE, name)), ACCURACY, *score)
        lost = difference(after(PROBE, name), PROBE)
        yield scored(replace(row, method=lost, role="difference"), ACCURACY, *less(score, whole))


def used_rows(
    blank: Measurement, eraser: str, scores: Mapping[str, Mapping[str, Score]], draws: int
) -> Iterator[Measurement]:
    """Yield what the model says of the words, whole and under each erasure, and every difference that counts."""
    for metric, by_name in scores.items():
        for name, score in by_name.items():
            yield scored(replace(_of(blank, name, draws), method=name), metric, *score)
        pairs = [(name, WHOLE) for name in by_name if name != WHOLE] + [(eraser, control) for control in CONTROLS]
        for one, other in pairs:
            note = _of(blank, one, draws).note or _of(blank, other, draws).note
            row = replace(blank, method=difference(one, other), role="difference", note=note)
            yield scored(row, metric, *less(by_name[one], by_name[other]))


def other_rows(blank: Measurement, other: str, whole: Score, erased: Mapping[str, Score]) -> Iterator[Measurement]:
    """Yield what a probe of another task reads where this one was erased, and what it lost."""
    for name, score in erased.items():
        row = _of(blank, name, 1, role="companion")
        yield scored(replace(row, method=after(other, name)), ACCURACY, *score)
        lost = difference(after(other, name), other)
        yield scored(replace(row, method=lost, role="difference"), ACCURACY, *less(score, whole))


def _of(blank: Measurement, name: str, draws: int, role: str = "estimator") -> Measurement:
    if name not in CONTROLS:
        return replace(blank, role=role)
    note = f"mean of {draws} draws, whose variance is in the interval" if draws > 1 else "of one draw"
    return replace(blank, role="control", note=note)
