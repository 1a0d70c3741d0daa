"""Questions: :class:`ProbeTask` and :class:`Target`, and the catalogue that finds them."""

from probekit.tasks.catalogue import TASKS, get_task, load_catalogue
from probekit.tasks.task import SPANS, Draft, Kind, ProbeTask, Target, catalogue_folder

__all__ = ["SPANS", "TASKS", "Draft", "Kind", "ProbeTask", "Target", "catalogue_folder", "get_task", "load_catalogue"]
