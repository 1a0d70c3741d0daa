"""A concept taken out of a model's states: is it readable there, and does the model use it.

Enters: tasks, a model with its head, a corpus. Leaves: a
:class:`~probekit.ablation.concept.report.ConceptReport`.
"""
