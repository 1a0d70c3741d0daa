"""ULMFiT's last stage: gradual unfreezing, slanted triangular and discriminative rates, concat pooling [1]_.

.. [1] Howard & Ruder 2018, Universal language model fine-tuning for text classification.
"""

from __future__ import annotations

from probekit.tuning.facts import ModelFacts
from probekit.tuning.parts import ScheduleChoice
from probekit.tuning.planning.defaults import FittingHead, peak_for
from probekit.tuning.plans import Laid, PlanRecipe

FACTOR = 2.6
"""Each depth has so much less of a rate than the one above it."""


def lay(facts: ModelFacts) -> Laid:
    """Return all depths, one more unfrozen each epoch; the head is one depth above the last block in rates too."""
    return Laid(
        facts.n_layers,
        tuple(range(facts.n_layers + 1)),
        "one depth more trains each epoch, and each has the rate of the one above it by 2.6",
        schedule=ScheduleChoice("gradual", {"epochs_each": 1.0}),
        rate={
            "name": "slanted-triangular",
            "depth_factor": 1 / FACTOR,
            "head_peak": peak_for(facts.width) * FACTOR,
        },
        sentence_head=FittingHead("concat-pool", "concat", "last token, maximum and mean of a sentence, two layers"),
    )


PLAN = PlanRecipe("ulmfit", lay, "gradual unfreezing, slanted triangular rates (Howard & Ruder 2018)")
