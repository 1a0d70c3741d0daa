"""From a cache, a task and a layer to vectors and labels.

Enters: an :class:`~probekit.cache.reader.ActivationCache`, the examples with their annotations, a
:class:`~probekit.tasks.ProbeTask`. Leaves: a :class:`TargetTable` (made once) and, for each layer, what an estimator
reads: a matrix with one vector a target (:class:`Pooler`), or the tokens around the targets (:class:`TokenGatherer`).
Labels come from the corpus, never from the cache.
"""

from probekit.features.bins import in_bins, number_bins
from probekit.features.matching import matched
from probekit.features.pooling import PAIRS, POOLS, Pooler
from probekit.features.table import Label, TargetTable, collect, keep_top, without_labels
from probekit.features.tokens import TokenGatherer, TokenRows

__all__ = [
    "PAIRS",
    "POOLS",
    "Label",
    "Pooler",
    "TargetTable",
    "TokenGatherer",
    "TokenRows",
    "collect",
    "in_bins",
    "keep_top",
    "matched",
    "number_bins",
    "without_labels",
]
