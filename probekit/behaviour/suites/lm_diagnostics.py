"""Psycholinguistic diagnostics: negated cloze, role reversal and word prediction, Ettinger 2020.

What enters is one of four tables, told apart by their columns. What leaves:

- NEG-136: an affirmative and a negated item a row, each with the completion that is true of it and the other one. The
  article before a noun is *a* or *an* as its first letter is a vowel.
- ROLE-88: an item a pair of rows with the same words in reversed roles: the same completion behind either; it should
  be likelier where people say it. What is scored is the same word behind two contexts.
- CPRAG-102: an item a row, the expected completion and two that do not fit, one of them of the same category.

Only the completion is scored. A row of NEG-136 or CPRAG-102, and a pair of ROLE-88, is a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from probekit.behaviour.items import Fact, Item, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._rows import Row, names_in, table
from probekit.behaviour.suites._sentences import put
from probekit.errors import InputError

NEGATION = ("item", "context_aff", "context_neg", "target_aff", "target_neg")
ROLES = ("item", "context", "target", "tgt_cloze")
PREDICTION = ("item", "context_s1", "context_s2", "expected", "within_category", "between_category", "constraint")
ARTICLE = re.compile(r"\(a\|an\)")


def read(path: Path) -> Reading:
    """Yield the items of a table.

    Raises
    ------
    InputError
        Columns of none of the tables.
    """
    names = names_in(path)
    for columns, reader in _TABLES.items():
        if names >= set(columns):
            return reader(path)
    nearest = max(_TABLES, key=lambda columns: len(names & set(columns)))
    missing = [column for column in nearest if column not in names]
    raise InputError(f"{path}:1: no table of lm_diagnostics: {', '.join(missing)} missing of {', '.join(nearest)}.")


def _negation(path: Path) -> Reading:
    for row in table(path, needs=NEGATION, quoted=False):
        number, positive, negative, true, false = map(row.text, NEGATION)
        kind = "natural" if "licensing" in row.cells else "simple"
        facts: dict[str, Fact] = {"licensing": row.text("licensing")} if kind == "natural" else {}
        template = f"negation {kind}/{number}"
        for name, context, targets in (
            ("affirmative", positive, (true, false)),
            ("negated", negative, (false, true)),
        ):
            sentences = tuple(put(_with_article(context, target), target, ".", condition=target) for target in targets)
            yield Item(
                f"{template}/{name}", "lm_diagnostics", f"negation {kind}, {name}", template, sentences, 0, facts
            )


def _with_article(context: str, target: str) -> str:
    return ARTICLE.sub("an" if target[:1].lower() in "aeiou" else "a", context)


def _roles(path: Path) -> Reading:
    pairs: dict[str, list[Row]] = {}
    for row in table(path, needs=ROLES, quoted=False):
        pairs.setdefault(row.text("item").rpartition("-")[0], []).append(row)
    for number, rows in pairs.items():
        yield _reversed(f"role reversal/{number}", rows)


def _reversed(name: str, rows: Sequence[Row]) -> Item | Skipped:
    where, contexts = rows[0].where, [row.text("context") for row in rows]
    if len(rows) != 2 or len({row.text("target") for row in rows}) != 1:
        return Skipped(name, where, "it is not two contexts of one completion", " / ".join(contexts)[:120])
    clozes = [_number(row, "tgt_cloze") for row in rows]
    if clozes[0] == clozes[1]:
        return Skipped(name, where, "people say the completion as often in either context", " / ".join(contexts)[:120])
    right = clozes.index(max(clozes))
    order = (right, 1 - right)
    conditions = ("appropriate", "reversed")
    target = rows[0].text("target").split()[0]
    sentences = tuple(put(contexts[i], target, ".", condition=each) for i, each in zip(order, conditions, strict=True))
    facts = {"cloze": clozes[right], "cloze reversed": clozes[1 - right]}
    return Item(name, "lm_diagnostics", "role reversal", name, sentences, 0, facts)


def _number(row: Row, column: str) -> float:
    try:
        return float(row.text(column))
    except ValueError:
        raise InputError(f"{row.where}: '{column}' must be a number. Got '{row.text(column)}'.") from None


def _prediction(path: Path) -> Reading:
    for row in table(path, needs=PREDICTION, quoted=False):
        number, first, second, *targets, constraint = map(row.text, PREDICTION)
        name = f"prediction/{number}"
        conditions = ("expected", "within category", "between categories")
        sentences: list[Sentence] = [
            put(f"{first} {second}", target, ".", condition=each)
            for target, each in zip(targets, conditions, strict=True)
        ]
        yield Item(name, "lm_diagnostics", "prediction", name, tuple(sentences), 0, {"constraint": constraint})


_TABLES: Mapping[Sequence[str], Callable[[Path], Reading]] = {
    NEGATION: _negation,
    ROLES: _roles,
    PREDICTION: _prediction,
}


def recognises(path: Path) -> bool:
    """Tell whether the first line names the columns of one of the tables."""
    return any(names_in(path) >= set(columns) for columns in _TABLES)


SUITE = Suite(
    "lm_diagnostics",
    read,
    help="Negated cloze, role reversal and word prediction.",
    reference="Ettinger 2020, TACL 8",
    licence="MIT",
    recognises=recognises,
    homes=("lm_diagnostics",),
)
