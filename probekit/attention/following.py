"""Whether the head that follows a relation best does so beyond a fixed offset, and beyond untrained weights.

Enters: the dependencies of the part that chooses and of the part that is shown, each with what points right on it.
Leaves: shares of the shown part with intervals over documents or sentences. Surprise: head, direction and offset are
all chosen on the one part, so that the other's shares are of a single head and need no correction for their number; the
p values of the relations are corrected for theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probekit.attention.relations import Choice, Pairs, choose
from probekit.statistics.panels import Compared, Panel, Rate, corrected
from probekit.statistics.units import units_of


@dataclass(frozen=True, slots=True)
class Following:
    """How well the head chosen for a relation follows it.

    Attributes
    ----------
    relation : str
    chosen : Choice
        On the part that chooses.
    unit : {"document", "sentence"}
        What the intervals resample.
    head, offset : Rate
        What the head and the fixed offset get right on the shown part.
    untrained : Rate or None
        The same of the head chosen of untrained weights.
    gain : Compared
        The head less the offset, paired; its p value is not corrected.
    p : float or None
        Corrected for the number of relations [Holm 1979]; None: too few units.
    """

    relation: str
    chosen: Choice
    unit: str
    head: Rate
    offset: Rate
    untrained: Rate | None
    gain: Compared
    p: float | None


def follow(
    dev: Pairs[np.bool_],
    test: Pairs[np.bool_],
    relations: Sequence[str],
    *,
    documents: Sequence[str | None],
    untrained: tuple[Pairs[np.bool_], Pairs[np.bool_]] | None = None,
    seed: int = 0,
) -> list[Following]:
    """Choose a head, a direction and an offset for every relation, and show what they get right.

    Parameters
    ----------
    dev, test : Pairs
        What chooses, and what is shown.
    relations : sequence of str
        Those asked for; both parts have them.
    documents : sequence of str or None
        Of every sentence, by ordinal.
    untrained : (Pairs, Pairs), optional
        The same dependencies, pointed at by the same model with random weights.
    seed : int
        Of the resamples.
    """
    chosen, panels, units = [], [], []
    for relation in relations:
        choice, shown = choose(dev.of(relation)), test.of(relation)
        right = [shown.by_head[:, choice.direction, choice.head], shown.offsets == choice.offset]
        if untrained is not None:
            other = choose(untrained[0].of(relation))
            right.append(untrained[1].of(relation).by_head[:, other.direction, other.head])
        unit = units_of(documents, shown.sentences)
        chosen.append(choice)
        panels.append(Panel([str(number) for number in unit.of], np.stack(right, axis=1).astype(float), seed=seed))
        units.append(unit.unit)
    gains = [panel.difference(0, 1) for panel in panels]
    return [
        Following(
            relation,
            choice,
            unit,
            panel.rate(0),
            panel.rate(1),
            None if untrained is None else panel.rate(2),
            gain,
            p,
        )
        for relation, choice, unit, panel, gain, p in zip(
            relations, chosen, units, panels, gains, corrected(gains), strict=True
        )
    ]
