"""The built-in language: a generated English fragment with the truth about every sentence.

Enter a number and a seed; leave :class:`~probekit.example.Example` objects (``generate``) or
minimal pairs of subject-verb agreement (``agreement_pairs``). It needs no network and no download,
and its truth is known by construction.
"""

from __future__ import annotations

from probekit.grammar.agreement import AgreementPair, agreement_pairs
from probekit.grammar.stream import generate

__all__ = ["AgreementPair", "agreement_pairs", "generate"]
