"""The head, by the kind of target: one linear map; over the words of a sentence a CRF, where labels are like BIO."""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule
from probekit.tuning.defaults import head_for


def decide(case: Case) -> Decision:
    """Return the name of the head."""
    name, text = head_for(str(case.report.settings.get("kind") or "word"), case.labels)
    return Decision("head", {"name": name, "options": {}}, text, {"labels": len(case.labels)} if case.labels else {})


RULE = Rule("head", decide, "by the kind of target; a CRF for labels like BIO")
