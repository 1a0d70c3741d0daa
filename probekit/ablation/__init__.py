"""Ablation: what a model uses, seen by what breaks when a part of it is changed.

An :class:`Edit` is plain data, which changes a running model at one place: a head, a neuron, a direction. Edits are
hashed, so that whatever was computed under them bears their name.
"""

from probekit.ablation.acting import action, edited
from probekit.ablation.edits import Edit, edits_digest, read_edits
from probekit.ablation.extracting import Edits
from probekit.ablation.sweep import Resumed, WithoutEachHead

__all__ = ["Edit", "Edits", "Resumed", "WithoutEachHead", "action", "edited", "edits_digest", "read_edits"]
