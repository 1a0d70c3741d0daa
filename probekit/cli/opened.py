"""A report in a file as the command that wrote it has it: each kind has a table and a figure of its own.

Enters: a report as rows. Leaves: the report of its stage; rows of probes, or of several stages, stay what they are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probekit.report import LayerReport
    from probekit.report.rows import RowReport

KINDS = {
    "transfer": "probekit.probing.transfer.report:TransferReport",
    "behave": "probekit.behaviour.report:BehaviourReport",
    "attention": "probekit.attention.report:AttentionReport",
    "align": "probekit.attention.alignment.report:AlignmentReport",
    "ablate": "probekit.ablation.report:AblationReport",
    "ablate-inputs": "probekit.ablation.inputs.report:InputReport",
    "ablate-concept": "probekit.ablation.concept.report:ConceptReport",
    "ablate-attention": "probekit.ablation.attention.report:AttentionChangeReport",
    "ablate-weights": "probekit.ablation.weights.report:PruningReport",
    "interchange": "probekit.ablation.interchange.report:InterchangeReport",
    "steer": "probekit.ablation.steering.report:SteeringReport",
    "ensemble": "probekit.tuning.ensemble.report:EnsembleReport",
    "view-attention": "probekit.viewing.attention.report:AttentionMap",
    "view-attention-relations": "probekit.viewing.attention.relation_report:RelationMap",
    "view-map": "probekit.viewing.maps.report:MapReport",
    "view-neurons": "probekit.viewing.neurons.report:NeuronReport",
    "view-lens": "probekit.viewing.predictions.report:LensReport",
    "view-similarity": "probekit.viewing.similarity.report:SimilarityReport",
    "view-words": "probekit.viewing.words.report:WordReport",
}
"""Class of the report, by the stage of all its rows; imported when a file is of it."""


def opened(report: LayerReport) -> LayerReport | RowReport:
    """Return a report as what its command wrote.

    Raises
    ------
    InputError
        Its first line is none of such a report.
    """
    stages = {row.stage for row in report.rows}
    if len(stages) != 1 or (named := KINDS.get(stages.pop())) is None:
        return report
    from probekit.report.rows import check_provenance

    check_provenance(report.provenance, f"report of `{report.rows[0].stage}`")
    module, _, name = named.partition(":")
    kind: type[RowReport] = getattr(import_module(module), name)
    return kind(tuple(report.rows), report.provenance)
