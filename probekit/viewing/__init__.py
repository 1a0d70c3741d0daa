"""Pictures of what lies on disk: each is drawn of a cache or a report, and has its numbers in a frame.

Enters: a cache or a report. Leaves: a report with its points, a figure, or a page that opens without a network. No
model runs, but for what a layer would predict: that is read by the model's own head.
"""

from probekit.viewing.alignment.grid import AlignmentGrid, view_alignment
from probekit.viewing.attention.relation_report import RelationMap
from probekit.viewing.attention.relation_run import view_attention_relations
from probekit.viewing.attention.report import AttentionMap
from probekit.viewing.attention.run import view_attention
from probekit.viewing.maps.report import MapReport
from probekit.viewing.maps.run import project
from probekit.viewing.neurons.report import NeuronReport
from probekit.viewing.neurons.run import view_neurons
from probekit.viewing.neurons.settings import NeuronSettings
from probekit.viewing.predictions.report import LensReport
from probekit.viewing.predictions.run import view_lens
from probekit.viewing.predictions.settings import LensSettings
from probekit.viewing.similarity.report import SimilarityReport
from probekit.viewing.similarity.run import view_similarity
from probekit.viewing.words.report import WordReport
from probekit.viewing.words.run import Vectors, view_analogies, view_word_similarity

__all__ = [
    "AlignmentGrid",
    "AttentionMap",
    "LensReport",
    "LensSettings",
    "MapReport",
    "NeuronReport",
    "NeuronSettings",
    "RelationMap",
    "SimilarityReport",
    "Vectors",
    "WordReport",
    "project",
    "view_alignment",
    "view_analogies",
    "view_attention",
    "view_attention_relations",
    "view_lens",
    "view_neurons",
    "view_similarity",
    "view_word_similarity",
]
