"""Pictures of what lies on disk: each is drawn of a cache or a report, and has its numbers in a frame.

Enters: a cache or a report. Leaves: a report with its points, a figure, or a page that opens without a network. No
model runs to draw a map.
"""

from probekit.viewing.maps.report import MapReport
from probekit.viewing.maps.run import project

__all__ = ["MapReport", "project"]
