"""What is chosen of an ensemble, all of it on dev: weights, the best member, temperatures.

Enters: what members say of dev. Leaves: a :class:`Chosen`, and what it makes of anything that members say. No row of
test is looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probekit.statistics.mixtures import fit_temperature, log_loss, tempered
from probekit.tuning.combined import FloatArray, answers
from probekit.tuning.ensemble.members import Gathered
from probekit.tuning.weighting import Choosing, combine, get_weighting

UNIFORM = "uniform"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen.

    Attributes
    ----------
    weighting : str
    weights : float64 array [members]
    best : int
        The member that is best on dev.
    temperatures : dict of str to float
        Of ``ensemble``, ``uniform`` and ``best member``; empty of numbers.
    targets : {"labels", "numbers"}
    """

    weighting: str
    weights: FloatArray
    best: int
    temperatures: dict[str, float]
    targets: str

    def together(self, said: FloatArray) -> dict[str, FloatArray]:
        """Return what the ensemble, its members weighed equally, and the best one say [n, outputs]."""
        m = len(said)
        equal = np.full(m, 1 / m)
        return {
            "ensemble": combine(said, self.weights, self.targets),
            UNIFORM: combine(said, equal, self.targets),
            "best member": said[self.best],
        }

    def calibrated(self, name: str, said: FloatArray) -> FloatArray:
        """Return log-probabilities at the temperature of their name."""
        return tempered(said, self.temperatures[name])


def choose(gathered: Gathered, weighting: str) -> Chosen:
    """Choose weights, the best member and temperatures on dev."""
    scorer, said, targets = gathered.scorers["dev"], gathered.said["dev"], gathered.data.targets
    weigh = get_weighting(weighting).weigh  # a name that is none is refused before anything is left out
    m = len(said)
    if gathered.out_of_fold:
        equal = np.full(m, 1 / m)
        best = int(np.argmax([member.own_dev for member in gathered.members]))
        alone = held_out(said, targets)
        found = {}
        if targets == "labels":
            heat = fit_temperature(alone, scorer.gold)
            own = ~np.isnan(said[best, :, 0])
            found = {"ensemble": heat, UNIFORM: heat, "best member": fit_temperature(said[best][own], scorer.gold[own])}
        return Chosen(UNIFORM, equal, best, found, targets)

    def score(combined: FloatArray) -> float:
        return scorer.value(answers(combined, targets))

    choosing = Choosing(said, scorer.gold, targets, score)
    scores = [(score(own), -_loss(choosing, place)) for place, own in enumerate(said)]
    best = max(range(m), key=scores.__getitem__)
    made = Chosen(weighting, weigh(choosing), best, {}, targets)
    if targets == "labels":
        for name, log_p in made.together(said).items():
            made.temperatures[name] = fit_temperature(log_p, scorer.gold)
    return made


def held_out(said: FloatArray, targets: str) -> FloatArray:
    """Return what those members say of each row together that held it out [n, outputs]; NaN where one did not."""
    there = ~np.isnan(said[:, :, 0])
    return combine(np.nan_to_num(said), there / there.sum(axis=0), targets)


def _loss(choosing: Choosing, place: int) -> float:
    if choosing.targets == "labels":
        return log_loss(choosing.said[place], choosing.gold)
    return float(((choosing.said[place, :, 0] - choosing.gold) ** 2).mean())
