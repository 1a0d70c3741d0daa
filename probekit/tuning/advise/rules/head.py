"""The head, by the kind of target: one linear map; over the words of a sentence a CRF, where labels are like BIO."""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.planning.defaults import head_for
from probekit.tuning.reasons import Evidence


def decide(case: Case) -> Decision:
    """Return the name of the head."""
    head = head_for(str(case.report.settings.get("kind") or "word"), case.labels)
    evidence: dict[str, Evidence] = {"labels": len(case.labels)} if case.labels else {}
    return Decision("head", {"name": head.name, "options": {}}, head.text, evidence)


RULE = Rule("head", decide, "by the kind of target; a CRF for labels like BIO")
