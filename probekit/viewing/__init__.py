"""Pictures of what lies on disk: each is drawn of a cache or a report, and has its numbers in a frame.

Enters: a cache or a report. Leaves: a report with its points, a figure, or a page that opens without a network. No
model runs to draw a map.
"""

from probekit.viewing.maps.report import MapReport
from probekit.viewing.maps.run import project
from probekit.viewing.neurons.report import NeuronReport
from probekit.viewing.neurons.run import view_neurons
from probekit.viewing.neurons.settings import NeuronSettings
from probekit.viewing.words.report import WordReport
from probekit.viewing.words.run import Vectors, view_analogies, view_word_similarity

__all__ = [
    "MapReport",
    "NeuronReport",
    "NeuronSettings",
    "Vectors",
    "WordReport",
    "project",
    "view_analogies",
    "view_neurons",
    "view_word_similarity",
]
