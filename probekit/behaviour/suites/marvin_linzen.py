"""Targeted syntactic evaluation: agreement, reflexives and negative polarity items from templates, Marvin & Linzen
2018.

What enters is a TSV with ``phenomenon``, ``template``, ``grammatical``, ``ungrammatical`` and, for polarity items, a
second ungrammatical sentence. What leaves is an item a pair. Its cluster is the template with the words that differ,
since a template crosses every subject with every verb; no template but the cross itself says more.

Of a polarity item, two pairs are made: ``.../intrusive`` against a sentence whose *no* stands where it licenses
nothing, ``.../unlicensed`` against one without any. The sentences say which is which: in the columns of the file the
names of the two stand the other way round.

``attractors`` counts nouns of the other number between the word that agrees and its controller, ``distance`` words from
the controller to it; both only where the template tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from probekit.behaviour.items import Fact
from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._pairs import pair
from probekit.behaviour.suites._rows import Row, names_in, table
from probekit.behaviour.suites._sentences import contrast_fact

COLUMNS = ("phenomenon", "template", "grammatical", "ungrammatical")
SECOND = "ungrammatical_intrusive_npi"
BETWEEN = ("prep", "subj_rel", "obj_rel_across", "obj_rel_no_comp_across", "reflexives_across")
"""Beginnings of the phenomena whose second noun stands between the controller and what agrees."""
BESIDE = ("simple_agrmt", "simple_reflexives", "vp_coord", "long_vp_coord")
"""Those with one noun."""
CONTROLLER = 1
"""Of both, the position of the controller: behind the article."""


def read(path: Path) -> Reading:
    """Yield the pairs of a file.

    Raises
    ------
    InputError
        A column that is missing, a row of too few cells.
    """
    for number, row in enumerate(table(path, needs=COLUMNS, quoted=False), 1):
        phenomenon, template, right, wrong = map(row.text, COLUMNS)
        others = [wrong, *([row.text(SECOND)] if row.cells.get(SECOND) else [])]
        for other in others:
            npi = len(others) > 1
            ending = f"/{'intrusive' if 'no' in other.split() else 'unlicensed'}" if npi else ""
            yield pair(
                "marvin_linzen",
                f"{phenomenon}/{number}{f'/{others.index(other) + 1}' if npi else ''}",
                where=row.where,
                texts=(right, other),
                phenomenon=phenomenon + ending,
                template=f"{phenomenon}/{template}/{contrast_fact(right, other)}",
                facts=_facts(row, right.split(), other.split()),
            )


def _facts(row: Row, right: list[str], wrong: list[str]) -> Mapping[str, Fact]:
    phenomenon, template = row.text("phenomenon"), row.text("template")
    facts: dict[str, Fact] = {"template": template}
    numbers = [part for part in template.split("_") if part in ("sing", "plur")]
    if not phenomenon.startswith(BETWEEN + BESIDE) or not numbers:
        return facts
    facts["number"] = numbers[0]
    facts["attractors"] = int(phenomenon.startswith(BETWEEN) and len(set(numbers)) > 1)
    first = next((i for i, words in enumerate(zip(right, wrong, strict=False)) if len(set(words)) > 1), CONTROLLER)
    facts["distance"] = first - CONTROLLER
    return facts


def recognises(path: Path) -> bool:
    """Tell whether the first line names the columns."""
    return names_in(path) >= set(COLUMNS)


SUITE = Suite(
    "marvin_linzen",
    read,
    help="Agreement, reflexives and negative polarity items from templates.",
    reference="Marvin and Linzen 2018, EMNLP",
    licence="MIT",
    recognises=recognises,
    homes=("agreement_marvin_linzen",),
)
