"""Other corpora that a plan names, and what is in them: a run that read others is another run.

Enters: a plan. Leaves: a digest for each corpus by its name. Surprise: the digest is of the files, not of what was read
of them, so that nothing is parsed; where a file lies does not count, what is asked of it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from probekit.corpus import open_corpus
from probekit.storage.strict import canonical
from probekit.tuning.closeness import get_closeness
from probekit.tuning.plan import TunePlan
from probekit.tuning.signals import get_signal


def digests_of(plan: TunePlan) -> dict[str, str]:
    """Return the sha256 of every corpus that a plan names, by that name.

    Raises
    ------
    UsageError, InputError
        A corpus that is not there.
    """
    found = {}
    for name in dict.fromkeys(corpora_of(plan)):
        record = open_corpus(name).source
        if record is not None:
            what = {"kind": record.kind, "options": dict(record.options), "digests": sorted(record.digests.values())}
            found[name] = hashlib.sha256(canonical(what)).hexdigest()
    return found


def corpora_of(plan: TunePlan) -> Iterator[str]:
    """Yield the names of other corpora: of signals, of closeness, of stages before the task."""
    for stage in plan.first:
        yield stage.corpus
    members = [(get_signal(one.name).corpora, one.options) for one in plan.signals]
    members += [(get_closeness(one.name).corpora, one.options) for one in plan.close]
    for names, options in members:
        for name in names:
            where = str(options.get(name, ""))
            if where:
                yield where.partition("@")[2] or where
