"""The catalogue of tasks: the files of ``probes/``, of users' folders and of installed packages.

A task is one file: a docstring, one pure function from an :class:`~probekit.corpus.Example` to its
:class:`~probekit.tasks.Target` list, and ``TASK = ProbeTask(...)``. A folder of tasks is loaded as a package of its
own name, so ``from ._helpers import ...`` works in it and two folders never collide.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from probekit.errors import UsageError, check_recordable, did_you_mean
from probekit.registry import Registry
from probekit.tasks.task import ProbeTask, catalogue_folder

TASKS = Registry("task", ProbeTask, attribute="TASK", group="probekit.tasks", home=catalogue_folder)


def load_catalogue(*folders: str | Path) -> dict[str, ProbeTask]:
    """Load every task of the bundled catalogue, of the user's folders and of installed packages.

    Parameters
    ----------
    *folders : str or Path
        Folders of task files (``--probes DIR``); they work exactly like ``probes/``.

    Returns
    -------
    dict of str to ProbeTask
        By name, sorted.

    Raises
    ------
    UsageError
        A folder that is not there or holds no task, a file that does not load or sets no ``TASK``,
        a name that is taken.
    """
    for folder in folders:
        check_recordable(folder)
    bundled = catalogue_folder().resolve()
    own = dict.fromkeys(Path(folder).resolve() for folder in folders)
    entries = TASKS.entries(*(folder for folder in own if folder != bundled))
    return {name: replace(entry.member, doc=entry.doc) for name, entry in sorted(entries.items())}


def get_task(name: str, *folders: str | Path) -> ProbeTask:
    """Find a task by what the user typed, ``pos`` or ``morph:Number``."""
    catalogue = load_catalogue(*folders)
    base, _, option = name.partition(":")
    if base not in catalogue:
        hint = did_you_mean(base, catalogue)
        raise UsageError(f"There is no task '{name}'.{hint} `probekit tasks` lists them: {', '.join(catalogue)}.")
    return catalogue[base].with_option(option if ":" in name else None)
