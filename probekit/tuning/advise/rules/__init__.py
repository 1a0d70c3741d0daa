"""The rules by which a plan is made from a report, one decision a file.

Enters: a :class:`~probekit.tuning.advise.Case`, with what the rules before decided. Leaves: one
:class:`~probekit.tuning.advise.Decision`, or None. A rule reads dev rows alone, through ``case.profile``, and its
reason has the numbers that it decided by.
"""
