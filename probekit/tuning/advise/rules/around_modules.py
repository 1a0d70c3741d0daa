"""What trains around modules: nothing. The blocks stay as they were, norms too, so that what is stored is small [1]_.

.. [1] Houlsby et al. 2019, Parameter-efficient transfer learning for NLP; they train norms as well.
"""

from __future__ import annotations

from probekit.tuning.advise import Case, Decision, Rule


def decide(case: Case) -> Decision | None:
    """Return that no block trains; nothing where there are no modules."""
    if not case.decided.get("modules"):
        return None
    names = ", ".join(dict.fromkeys(str(one["name"]) for one in case.decided["modules"]))
    text = f"modules train ({names}) and what is new; the blocks around them, norms too, stay as they were"
    return Decision("train", [], text, {"highest": max(case.decided["read"]["layers"])})


RULE = Rule("around-modules", decide, "blocks with modules stay frozen (after Houlsby et al. 2019)")
