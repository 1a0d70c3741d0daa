"""Erasure of a concept: which projection takes out of vectors what a linear reader can know of some labels.

Enters: arrays. Leaves: an :class:`Eraser`, which acts on arrays, and whose file is the subspace of an edit. Beside what
is learned stand random subspaces of equal rank and of equal loss of norm: what these break too, the concept did not.
"""

from probekit.ablation.erasure.eraser import Eraser
from probekit.ablation.erasure.inlp import Nullspace, inlp
from probekit.ablation.erasure.leace import leace
from probekit.ablation.erasure.random_subspace import random_of_loss, random_of_rank

__all__ = ["Eraser", "Nullspace", "inlp", "leace", "random_of_loss", "random_of_rank"]
