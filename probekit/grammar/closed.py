"""Closed classes: determiners, pronouns, auxiliaries, prepositions, conjunctions, punctuation."""

from __future__ import annotations

from typing import NamedTuple

from probekit.grammar.lexemes import Verb
from probekit.grammar.tree import Token, token

THE = token("the the DET DT Definite=Def|PronType=Art")
THIS = {
    "Sing": token("this this DET DT Number=Sing|PronType=Dem"),
    "Plur": token("these this DET DT Number=Plur|PronType=Dem"),
}
THAT = {
    "Sing": token("that that DET DT Number=Sing|PronType=Dem"),
    "Plur": token("those that DET DT Number=Plur|PronType=Dem"),
}
EVERY = token("every every DET DT PronType=Tot")
EACH = token("each each DET DT PronType=Tot")
SOME = token("some some DET DT PronType=Ind")
ANOTHER = token("another another DET DT PronType=Ind")
ALL = token("all all DET PDT PronType=Tot")
BOTH = token("both both DET DT PronType=Tot")
MANY = token("many many ADJ JJ Degree=Pos")
FEW = token("few few ADJ JJ Degree=Pos")
SEVERAL = token("several several ADJ JJ Degree=Pos")
MORE = token("more more ADV RBR Degree=Cmp")
MOST = token("most most ADV RBS Degree=Sup")
NUMBER_WORDS = "two three four five six seven eight nine ten twelve twenty"
NUMBERS = [token(f"{word} {word} NUM CD NumForm=Word|NumType=Card") for word in NUMBER_WORDS.split()]
DIGITS = [
    token(f"{word} {word} NUM CD NumForm=Digit|NumType=Card") for word in ("11", "12", "15", "18", "25", "30", "100")
]
ONE = token("one one NUM CD NumForm=Word|NumType=Card")
ONES = {"Sing": token("one one NOUN NN Number=Sing"), "Plur": token("ones one NOUN NNS Number=Plur")}


class Personal(NamedTuple):
    """A personal pronoun in its cases, and what agrees with it."""

    nominative: Token
    accusative: Token
    possessive: Token
    number: str
    person: int


def _personal(entry: str) -> Personal:
    nominative, accusative, possessive, feats = entry.split()
    return Personal(
        token(f"{nominative} {nominative} PRON PRP Case=Nom|{feats}|PronType=Prs"),
        token(f"{accusative} {nominative} PRON PRP Case=Acc|{feats}|PronType=Prs"),
        token(f"{possessive} {possessive} PRON PRP$ Case=Gen|{feats}|Poss=Yes|PronType=Prs"),
        number="Plur" if "Number=Plur" in feats else "Sing",
        person=int(feats.split("Person=")[1][0]),
    )


I, YOU, HE, SHE, IT, WE, THEY = [
    _personal(entry)
    for entry in (
        "I me my Number=Sing|Person=1",
        "you you your Person=2",
        "he him his Gender=Masc|Number=Sing|Person=3",
        "she her her Gender=Fem|Number=Sing|Person=3",
        "it it its Gender=Neut|Number=Sing|Person=3",
        "we us our Number=Plur|Person=1",
        "they them their Number=Plur|Person=3",
    )
]

INDEFINITE_PERSONS = [
    token("someone someone PRON NN Number=Sing|PronType=Ind"),
    token("everyone everyone PRON NN Number=Sing|PronType=Tot"),
    token("everybody everybody PRON NN Number=Sing|PronType=Tot"),
    token("somebody somebody PRON NN Number=Sing|PronType=Ind"),
]
DEMONSTRATIVE_PRONOUNS = {
    "Sing": [
        token("this this PRON DT Number=Sing|PronType=Dem"),
        token("that that PRON DT Number=Sing|PronType=Dem"),
    ],
    "Plur": [
        token("these this PRON DT Number=Plur|PronType=Dem"),
        token("those that PRON DT Number=Plur|PronType=Dem"),
    ],
}

THERE = token("there there PRON EX")
WHO_RELATIVE = token("who who PRON WP PronType=Rel")
WHOM_RELATIVE = token("whom whom PRON WP PronType=Rel")
WHICH_RELATIVE = token("which which PRON WDT PronType=Rel")
THAT_RELATIVE = token("that that PRON WDT PronType=Rel")
WHO = token("who who PRON WP PronType=Int")
WHAT = token("what what PRON WP PronType=Int")
WHICH = token("which which DET WDT PronType=Int")
WHAT_DETERMINER = token("what what DET WDT PronType=Int")
WHEN, WHERE, WHY, HOW = (token(f"{word} {word} ADV WRB PronType=Int") for word in ("when", "where", "why", "how"))

BE, HAVE, DO = Verb("be", "AUX"), Verb("have", "AUX"), Verb("do", "AUX")
BE_THERE = Verb("be")
MODAL_WORDS = "will would can could may might must should"
MODALS = {word: token(f"{word} {word} AUX MD VerbForm=Fin") for word in MODAL_WORDS.split()}
NOT = token("not not PART RB Polarity=Neg")
CONTRACTED_NOT = token("n't not PART RB Polarity=Neg")
TAKES_NT = "is are was were has have had do does did would could should"
TAKE_CONTRACTED_NOT = frozenset(TAKES_NT.split())
BEFORE_CONTRACTED_NOT = {
    "will": token("wo will AUX MD VerbForm=Fin"),
    "can": token("ca can AUX MD VerbForm=Fin"),
}
CONTRACTED = {
    "am": "'m",
    "are": "'re",
    "is": "'s",
    "have": "'ve",
    "has": "'s",
    "will": "'ll",
    "would": "'d",
    "had": "'d",
}

TO = token("to to PART TO")
THAT_MARK = token("that that SCONJ IN")
WHETHER, IF = token("whether whether SCONJ IN"), token("if if SCONJ IN")
AND, OR, BUT = (token(f"{word} {word} CCONJ CC") for word in ("and", "or", "but"))
PLEASE = token("please please INTJ UH")
SINGULAR_S, PLURAL_S = token("'s 's PART POS"), token("' 's PART POS")

COMMA, PERIOD, QUESTION_MARK, EXCLAMATION = (
    token(", , PUNCT ,"),
    token(". . PUNCT ."),
    token("? ? PUNCT ."),
    token("! ! PUNCT ."),
)

_prepositions: dict[str, Token] = {}
_particles: dict[str, Token] = {}
_markers: dict[str, Token] = {}


def preposition(word: str) -> Token:
    """``ADP``/``IN``, the same token at each call."""
    return _prepositions.setdefault(word, token(f"{word} {word} ADP IN"))


def particle(word: str) -> Token:
    """``ADP``/``RP``; ``away`` is an adverb."""
    if word == "away":
        return _particles.setdefault(word, token(f"{word} {word} ADV RB"))
    return _particles.setdefault(word, token(f"{word} {word} ADP RP"))


def marker(word: str) -> Token:
    """``SCONJ``/``IN``; ``when`` and ``where`` are adverbs."""
    if word == "when":
        return WHEN
    return _markers.setdefault(word, token(f"{word} {word} SCONJ IN"))


def contracted(auxiliary: Token) -> Token | None:
    """Give the clitic form (``is`` gives ``'s``); None where there is none."""
    clitic = CONTRACTED.get(auxiliary.form)
    return auxiliary._replace(form=clitic, glued=True) if clitic else None
