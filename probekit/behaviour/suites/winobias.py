"""WinoBias: whom a pronoun means, where that agrees with the gender of most people of an occupation and where not.

What enters is the files of numbered lines with spans in brackets, an occupation and the pronouns that mean it; two
lines in a row speak of the same two occupations. What leaves, in the form ``coreference``, is an item a line: the
sentence and behind it ``"She" refers to the developer.`` with either occupation, of which the occupation is scored (as
Brown et al. 2020 asked Winogender). The bias is the gap in accuracy between the phenomena ``... pro`` and ``...
anti``; the two versions of a line share a cluster. In the form ``pronoun`` (``winobias:form=pronoun``) it is an item a
pair of versions, the sentence with the pronoun that the stereotype expects and with the other; right is the first, the
bias what is above one half; the pairs are read from the files of the version ``pro``, with those of ``anti`` beside
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from probekit.behaviour.bias.coreference import winobias
from probekit.behaviour.items import Fact, Item, Sentence, Skipped
from probekit.behaviour.suites import Reading, Suite, one_of
from probekit.behaviour.suites._pairs import unscorable
from probekit.behaviour.suites._rows import head_of, lines_of
from probekit.behaviour.suites._sentences import asked
from probekit.errors import InputError

FORMS = ("coreference", "pronoun")
NAME = re.compile(r"(?P<version>pro|anti)_stereotyped_(?P<type>type\d)\.txt\.(?P<split>\w+?)(?:\.gz)?")
LINE = re.compile(r"\d+ (?P<text>.+)")
SPAN = re.compile(r"\[([^\]]+)\]")
ARTICLE = re.compile(r"(?:(?:the|an?)\s+)+")
PRONOUNS = re.compile(r"\b(?:s?he|his|hers?|him|(?:him|her)self)\b", re.IGNORECASE)


def read(path: Path, *, form: str = "coreference") -> Reading:
    """Yield the lines of a file as items.

    Raises
    ------
    InputError
        A name that does not say version, type and split; a line without number or spans; an odd number of lines; in
        the form ``pronoun``, no file of the other version, or one of other length, beside it.
    """
    named = NAME.fullmatch(path.name)
    if named is None:
        raise InputError(f"{path}: the name must be as in pro_stereotyped_type1.txt.dev, as it says what the file is.")
    lines = list(_lines(path))
    if len(lines) % 2:
        raise InputError(f"{lines[-1].where}: the last line has no partner: two lines speak of the same occupations.")
    if form == "coreference":
        for index, line in enumerate(lines):
            yield _coreference(named, index, line, partner=lines[index ^ 1].occupation)
        return
    version = named["version"]
    beside = path.with_name(path.name.replace(version, "anti" if version == "pro" else "pro", 1))
    others = list(_lines(beside)) if beside.is_file() else []
    if len(others) != len(lines):
        raise InputError(f"{path}: form=pronoun needs {beside.name} beside it, with as many lines.")
    if version == "pro":
        for index, (line, other) in enumerate(zip(lines, others, strict=True)):
            yield _pronoun(named, index, line, other)


class _Line(NamedTuple):
    """A line: its text without brackets, the occupation without its article, and the first pronoun that means it."""

    where: str
    text: str
    occupation: str
    pronoun: str


def _lines(path: Path) -> Iterator[_Line]:
    for number, line in lines_of(path):
        if not line.strip():
            continue
        where, found = f"{path}:{number}", LINE.fullmatch(line.strip())
        spans = SPAN.findall(line)
        if found is None or len(spans) < 2:
            raise InputError(
                f"{where}: a line must be its number and a sentence with an occupation and a pronoun in brackets. Got "
                f"{line!r:.80}."
            )
        occupation = ARTICLE.sub("", spans[0].lower())
        yield _Line(where, found["text"].replace("[", "").replace("]", ""), occupation, spans[1].lower())


def _coreference(named: re.Match[str], index: int, line: _Line, *, partner: str) -> Item | Skipped:
    name, template, facts = _names(named, index, line)
    if partner not in line.text.lower() or partner == line.occupation:
        return Skipped(name, line.where, "the line beside it does not name another occupation of it", line.text)
    candidates = (f"the {each}" for each in (line.occupation, partner))
    sentences = tuple(asked(line.text, line.pronoun, each, condition=each) for each in candidates)
    phenomenon = f"{named['type']} {named['version']}"
    return Item(name, "winobias", phenomenon, template, sentences, 0, {**facts, "version": named["version"]})


def _pronoun(named: re.Match[str], index: int, line: _Line, other: _Line) -> Item | Skipped:
    name, template, facts = _names(named, index, line)
    if fault := unscorable((line.text, other.text)):
        return Skipped(name, line.where, fault, line.text)
    if PRONOUNS.sub("", line.text) != PRONOUNS.sub("", other.text):
        return Skipped(name, line.where, "the versions differ in more than pronouns", f"{line.text} / {other.text}")
    sentences = (Sentence(line.text, (), "pro"), Sentence(other.text, (), "anti"))
    return Item(name, "winobias", named["type"], template, sentences, 0, facts)


def _names(named: re.Match[str], index: int, line: _Line) -> tuple[str, str, dict[str, Fact]]:
    """Return id, cluster and facts of a line."""
    template = f"{named['type']}/{named['split']}/{index + 1}"
    facts: dict[str, Fact] = {"pronoun": line.pronoun, "occupation": line.occupation}
    return f"winobias/{named['version']}/{template}", template, facts


def recognises(path: Path) -> bool:
    """Tell whether the name says what the file is, and its lines have spans."""
    head = head_of(path) if NAME.fullmatch(path.name) else []
    return bool(head) and all(len(SPAN.findall(line)) > 1 for line in head if line.strip())


def configured(given: Mapping[str, str]) -> partial[Reading]:
    """Return what reads in a form."""
    return partial(read, form=one_of(given, "form", FORMS))


SUITE = Suite(
    "winobias",
    read,
    help="Whom a pronoun means, with and against the stereotype of an occupation.",
    reference="Zhao, Wang, Yatskar, Ordonez and Chang 2018, NAACL",
    licence="MIT",
    recognises=recognises,
    homes=("winobias",),
    choices={"form": f"what is asked: {', '.join(FORMS)}"},
    configured=configured,
    measures=winobias,
)
