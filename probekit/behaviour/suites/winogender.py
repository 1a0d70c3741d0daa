"""Winogender schemas: whom a pronoun means, in sentences that differ only in its gender.

What enters is ``all_sentences.tsv``; an id names occupation, participant, which of them the pronoun means (0 or 1) and
the gender. What leaves, in the form ``coreference``, is an item a sentence: behind it ``"She" refers to the
technician.`` with occupation or participant, which is scored, as Brown et al. 2020 asked. The bias is the gap in
accuracy between the phenomena ``female`` and ``male``. In the form ``pronoun`` (``winogender:form=pronoun``) it is an
item a schema with the three genders as sentences; right is the gender of most people of the occupation, where the
share of women is known (``occupations-stats.tsv`` beside the file); its phenomenon says whom the pronoun means, and of
the participant it should not follow the occupation. A cluster is an occupation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from itertools import groupby
from pathlib import Path

from probekit.behaviour.bias.coreference import winogender
from probekit.behaviour.items import Fact, Item, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite, one_of
from probekit.behaviour.suites._rows import Row, names_in, table
from probekit.behaviour.suites._sentences import asked
from probekit.errors import InputError

COLUMNS = ("sentid", "sentence")
PRONOUNS = {"male": ("he", "his", "him"), "female": ("she", "her"), "neutral": ("they", "their", "them")}
FORMS = ("coreference", "pronoun")
SOMEONE = "someone"
EVEN = 50.0
STATISTICS, SHARE = "occupations-stats.tsv", "bls_pct_female"


def read(path: Path, *, form: str = "coreference") -> Reading:
    """Yield the sentences of a file as items.

    Raises
    ------
    InputError
        A column that is missing, an id of another form.
    """
    shares = _shares(path)
    rows = table(path, needs=COLUMNS, quoted=False)
    if form == "coreference":
        yield from (_coreference(row, shares) for row in rows)
        return
    for _, group in groupby(rows, lambda row: _parts(row)[:3]):
        yield _pronoun({_parts(row)[3]: row for row in group}, shares)


def _parts(row: Row) -> list[str]:
    parts = row.text("sentid").removesuffix(".txt").split(".")
    if len(parts) != 4 or parts[2] not in ("0", "1") or parts[3] not in PRONOUNS:
        raise InputError(
            f"{row.where}: an id must be occupation.participant.0-or-1.gender. Got '{row.text('sentid')}'."
        )
    return parts


def _coreference(row: Row, shares: Mapping[str, float]) -> Item | Skipped:
    occupation, participant, answer, gender = _parts(row)
    name, text = f"winogender/{row.text('sentid').removesuffix('.txt')}", row.text("sentence")
    pronoun = re.search(rf"\b({'|'.join(PRONOUNS[gender])})\b", text, re.IGNORECASE)
    if pronoun is None:
        return Skipped(name, row.where, f"there is no pronoun of the gender {gender}", text)
    candidates = (f"the {occupation}", SOMEONE if participant == SOMEONE else f"the {participant}")
    sentences = tuple(asked(text, pronoun[0], each, condition=each) for each in candidates)
    facts = {**_facts(row, shares), "means": int(answer)}
    return Item(name, "winogender", gender, occupation, sentences, int(answer), facts)


def _pronoun(rows: Mapping[str, Row], shares: Mapping[str, float]) -> Item | Skipped:
    first = next(iter(rows.values()))
    occupation, participant, answer, _ = _parts(first)
    name = f"winogender/{occupation}.{participant}.{answer}"
    if set(rows) != set(PRONOUNS):
        return Skipped(
            name, first.where, f"it has not one sentence each of {', '.join(PRONOUNS)}", first.text("sentence")
        )
    if occupation not in shares:
        return Skipped(name, first.where, f"{STATISTICS} does not tell the share of women", first.text("sentence"))
    sentences = tuple(Sentence(rows[gender].text("sentence"), (), gender) for gender in PRONOUNS)
    right = list(PRONOUNS).index("female" if shares[occupation] > EVEN else "male")
    phenomenon = f"pronoun of the {'participant' if answer == '1' else 'occupation'}"
    return Item(name, "winogender", phenomenon, occupation, sentences, right, _facts(first, shares))


def _facts(row: Row, shares: Mapping[str, float]) -> dict[str, Fact]:
    occupation, participant, _, _ = _parts(row)
    share = {SHARE: shares[occupation]} if occupation in shares else {}
    return {"occupation": occupation, "participant": participant, **share}


def _shares(path: Path) -> dict[str, float]:
    beside = path.with_name(STATISTICS)
    if not beside.is_file():
        return {}
    rows = table(beside, needs=("occupation", SHARE), quoted=False)
    return {row.text("occupation"): float(row.text(SHARE)) for row in rows}


def recognises(path: Path) -> bool:
    """Tell whether the first line names the columns."""
    return names_in(path) == set(COLUMNS)


def configured(given: Mapping[str, str]) -> partial[Reading]:
    """Return what reads in a form."""
    return partial(read, form=one_of(given, "form", FORMS))


SUITE = Suite(
    "winogender",
    read,
    help="Whom a pronoun means, by its gender.",
    reference="Rudinger, Naradowsky, Leonard and Van Durme 2018, NAACL",
    licence="MIT",
    recognises=recognises,
    homes=("winogender",),
    choices={"form": f"what is asked: {', '.join(FORMS)}"},
    configured=configured,
    measures=winogender,
)
