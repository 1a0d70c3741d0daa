"""Lexemes: a lemma, its class, and its tokens with UD features and Penn tags.

As in English-EWT (UD 2.16) every finite verb, past tense too, bears the number and person of its subject, and ``you``
counts as ``Number=Sing|Person=2``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from probekit.grammar import morphology
from probekit.grammar.tree import Token, token

NONFINITE = {
    "VB": ("VB", "VerbForm=Inf"),
    "VB command": ("VB", "Mood=Imp|VerbForm=Fin"),
    "VBG": ("VBG", "Tense=Pres|VerbForm=Part"),
    "VBG gerund": ("VBG", "VerbForm=Ger"),
    "VBN": ("VBN", "Tense=Past|VerbForm=Part"),
    "VBN passive": ("VBN", "Tense=Past|VerbForm=Part|Voice=Pass"),
}


@dataclass(frozen=True, slots=True)
class Noun:
    """A common noun, a proper noun where its tag says so, of one sort."""

    lemma: str
    sort: str
    mass: bool = False
    upos: str = "NOUN"
    tokens: dict[str, Token] = field(default_factory=dict, compare=False, repr=False)

    def token(self, number: str) -> Token:
        """Give the form for ``Sing`` or ``Plur``."""
        if number not in self.tokens:
            form = self.lemma if number == "Sing" else morphology.plural(self.lemma)
            tag = ("NN" if self.upos == "NOUN" else "NNP") + ("" if number == "Sing" else "S")
            self.tokens[number] = token(f"{form} {self.lemma} {self.upos} {tag} Number={number}")
        return self.tokens[number]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb or auxiliary."""

    lemma: str
    upos: str = "VERB"
    tokens: dict[tuple[str, str, int] | str, Token] = field(default_factory=dict, compare=False, repr=False)

    def token(self, need: str) -> Token:
        """Give a non-finite form, one of ``NONFINITE``."""
        if need not in self.tokens:
            tag, feats = NONFINITE[need]
            form = _NONFINITE_RULES[tag](self.lemma)
            self.tokens[need] = token(f"{form} {self.lemma} {self.upos} {tag} {feats}")
        return self.tokens[need]

    def finite(self, tense: str, number: str, *, person: int = 3) -> Token:
        """Give the form for ``Pres`` or ``Past`` that agrees with its subject."""
        key = (tense, number, person)
        if key not in self.tokens:
            third = number == "Sing" and person == 3
            tag = "VBD" if tense == "Past" else "VBZ" if third else "VBP"
            form = self._finite_form(
                tag, first=number == "Sing" and person == 1, second=person == 2, plural=number == "Plur"
            )
            feats = f"Mood=Ind|Number={number}|Person={person}|Tense={tense}|VerbForm=Fin"
            self.tokens[key] = token(f"{form} {self.lemma} {self.upos} {tag} {feats}")
        return self.tokens[key]

    def _finite_form(self, tag: str, *, first: bool, second: bool, plural: bool) -> str:
        if self.lemma == "be" and tag == "VBD":
            return "were" if plural or second else "was"
        if self.lemma == "be" and tag == "VBP":
            return "am" if first else "are"
        if tag == "VBP":
            return self.lemma
        return morphology.past(self.lemma) if tag == "VBD" else morphology.third_person(self.lemma)


_NONFINITE_RULES: dict[str, Callable[[str], str]] = {
    "VB": str,
    "VBG": morphology.present_participle,
    "VBN": morphology.past_participle,
}


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective; ``mark`` is the lexicon's, empty where it has degrees."""

    lemma: str
    mark: str = ""
    tokens: dict[str, Token | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def positive(self) -> Token:
        """The form without degree."""
        found = self.token("Pos")
        assert found is not None
        return found

    def token(self, degree: str) -> Token | None:
        """Give the form for ``Pos``, ``Cmp`` or ``Sup``; None where English says ``more``."""
        if degree not in self.tokens:
            form = _DEGREE_RULES[degree](self.lemma)
            tag = {"Pos": "JJ", "Cmp": "JJR", "Sup": "JJS"}[degree]
            made = None if form is None else token(f"{form} {self.lemma} ADJ {tag} Degree={degree}")
            self.tokens[degree] = made
        return self.tokens[degree]


_DEGREE_RULES: dict[str, Callable[[str], str | None]] = {
    "Pos": str,
    "Cmp": morphology.comparative,
    "Sup": morphology.superlative,
}
