"""probekit: what do the layers of a pretrained language model know?

The public names are loaded on first use, so that ``import probekit`` imports neither torch nor
transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "AblationReport": "probekit.ablation.report",
    "ActivationCache": "probekit.cache.reader",
    "AttentionReport": "probekit.attention.report",
    "BehaviourReport": "probekit.behaviour.report",
    "ConceptReport": "probekit.ablation.concept.report",
    "Corpus": "probekit.corpus",
    "EnsembleReport": "probekit.tuning.ensemble.report",
    "Example": "probekit.corpus",
    "LayerReport": "probekit.report",
    "Measurement": "probekit.report",
    "ProbeTask": "probekit.tasks",
    "ProbekitError": "probekit.errors",
    "Target": "probekit.tasks",
    "TransferReport": "probekit.probing.transfer.report",
    "TunePlan": "probekit.tuning.plan",
    "TunedEnsemble": "probekit.tuning.combined",
    "TunedModel": "probekit.tuning.predict",
    "ablate": "probekit.ablation.run",
    "ablate_attention": "probekit.ablation.attention.run",
    "ablate_concept": "probekit.ablation.concept.run",
    "ablate_inputs": "probekit.ablation.inputs.run",
    "ablate_weights": "probekit.ablation.weights.run",
    "advise": "probekit.tuning.tune",
    "align": "probekit.attention.alignment.run",
    "attend": "probekit.attention.run",
    "behave": "probekit.behaviour.run",
    "ensemble": "probekit.tuning.ensemble.run",
    "extract": "probekit.extraction.run",
    "from_sklearn": "probekit.probing.scikit",
    "generate": "probekit.behaviour.generating.run",
    "interchange": "probekit.ablation.interchange.run",
    "open_corpus": "probekit.corpus",
    "probe": "probekit.probing.run",
    "probe_tasks": "probekit.probing.run",
    "score_tokens": "probekit.behaviour.cached_scores",
    "steer": "probekit.ablation.steering.run",
    "transfer": "probekit.probing.transfer.run",
    "tune": "probekit.tuning.tune",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from probekit.ablation.attention.run import ablate_attention as ablate_attention
    from probekit.ablation.concept.report import ConceptReport as ConceptReport
    from probekit.ablation.concept.run import ablate_concept as ablate_concept
    from probekit.ablation.inputs.run import ablate_inputs as ablate_inputs
    from probekit.ablation.interchange.run import interchange as interchange
    from probekit.ablation.report import AblationReport as AblationReport
    from probekit.ablation.run import ablate as ablate
    from probekit.ablation.steering.run import steer as steer
    from probekit.ablation.weights.run import ablate_weights as ablate_weights
    from probekit.attention.alignment.run import align as align
    from probekit.attention.report import AttentionReport as AttentionReport
    from probekit.attention.run import attend as attend
    from probekit.behaviour.cached_scores import score_tokens as score_tokens
    from probekit.behaviour.generating.run import generate as generate
    from probekit.behaviour.report import BehaviourReport as BehaviourReport
    from probekit.behaviour.run import behave as behave
    from probekit.cache.reader import ActivationCache as ActivationCache
    from probekit.corpus import Corpus as Corpus
    from probekit.corpus import Example as Example
    from probekit.corpus import open_corpus as open_corpus
    from probekit.errors import ProbekitError as ProbekitError
    from probekit.extraction.run import extract as extract
    from probekit.probing.run import probe as probe
    from probekit.probing.run import probe_tasks as probe_tasks
    from probekit.probing.scikit import from_sklearn as from_sklearn
    from probekit.probing.transfer.report import TransferReport as TransferReport
    from probekit.probing.transfer.run import transfer as transfer
    from probekit.report import LayerReport as LayerReport
    from probekit.report import Measurement as Measurement
    from probekit.tasks import ProbeTask as ProbeTask
    from probekit.tasks import Target as Target
    from probekit.tuning.combined import TunedEnsemble as TunedEnsemble
    from probekit.tuning.ensemble.report import EnsembleReport as EnsembleReport
    from probekit.tuning.ensemble.run import ensemble as ensemble
    from probekit.tuning.plan import TunePlan as TunePlan
    from probekit.tuning.predict import TunedModel as TunedModel
    from probekit.tuning.tune import advise as advise
    from probekit.tuning.tune import tune as tune


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'probekit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
