"""Lexemes: a lemma, its class, and its inflected tokens (American spelling) with UD features and Penn tags.

A form is looked up in the irregular tables, else spelled by rule. As in English-EWT (UD 2.16) every finite verb, past
tense too, bears the number and person of its subject, and ``you`` counts as ``Number=Sing|Person=2``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from probekit.grammar.tree import Token, token

VOWELS = "aeiou"

PLURALS_WRITTEN = """
man/men woman/women child/children goose/geese mouse/mice sheep/sheep deer/deer fish/fish knife/knives wife/wives
leaf/leaves thief/thieves wolf/wolves shelf/shelves potato/potatoes tomato/tomatoes hero/heroes policeman/policemen
fireman/firemen businesswoman/businesswomen fisherman/fishermen chairwoman/chairwomen grandchild/grandchildren
hypothesis/hypotheses scarf/scarves
"""
PLURALS = dict(pair.split("/") for pair in PLURALS_WRITTEN.split())

# lemma/past/participle
IRREGULAR_WRITTEN = """
be/was/been become/became/become have/had/had do/did/done begin/began/begun bite/bit/bitten blow/blew/blown
break/broke/broken bring/brought/brought build/built/built burn/burned/burned buy/bought/bought catch/caught/caught
choose/chose/chosen come/came/come cost/cost/cost cut/cut/cut deal/dealt/dealt dig/dug/dug draw/drew/drawn
drink/drank/drunk drive/drove/driven eat/ate/eaten fall/fell/fallen feed/fed/fed feel/felt/felt fight/fought/fought
find/found/found fly/flew/flown forget/forgot/forgotten forgive/forgave/forgiven freeze/froze/frozen get/got/gotten
give/gave/given go/went/gone grow/grew/grown hear/heard/heard hide/hid/hidden hit/hit/hit hold/held/held
hurt/hurt/hurt keep/kept/kept kneel/knelt/knelt know/knew/known lead/led/led leave/left/left lend/lent/lent
let/let/let lose/lost/lost make/made/made mean/meant/meant meet/met/met pay/paid/paid proofread/proofread/proofread
put/put/put quit/quit/quit read/read/read ride/rode/ridden ring/rang/rung rise/rose/risen run/ran/run say/said/said
see/saw/seen seek/sought/sought sell/sold/sold send/sent/sent set/set/set shake/shook/shaken shine/shone/shone
shoot/shot/shot show/showed/shown shut/shut/shut sing/sang/sung sink/sank/sunk sit/sat/sat sleep/slept/slept
speak/spoke/spoken spend/spent/spent spread/spread/spread stand/stood/stood steal/stole/stolen strike/struck/struck
swear/swore/sworn sweep/swept/swept swim/swam/swum take/took/taken teach/taught/taught tear/tore/torn tell/told/told
think/thought/thought throw/threw/thrown understand/understood/understood upset/upset/upset wake/woke/woken
wear/wore/worn win/won/won wind/wound/wound write/wrote/written
"""
IRREGULAR = {lemma: (past, participle) for lemma, past, participle in (e.split("/") for e in IRREGULAR_WRITTEN.split())}

# more than one syllable, with the stress on the last: the consonant doubles
STRESSED_LAST_WRITTEN = """
admit permit submit commit prefer refer regret control rebel occur forget begin upset compel propel expel equip kidnap
program format
"""
STRESSED_LAST = frozenset(STRESSED_LAST_WRITTEN.split())

COMPARED = {
    "good": ("better", "best"),
    "bad": ("worse", "worst"),
    "far": ("farther", "farthest"),
    "shy": ("shyer", "shyest"),
}


def _sibilant(word: str) -> bool:
    return word.endswith(("s", "x", "z", "ch", "sh"))


def _y_after_consonant(word: str) -> bool:
    return word[-1] == "y" and word[-2] not in VOWELS


def _syllables(word: str) -> int:
    """Count the groups of vowel letters, a silent last e apart."""
    core = word[:-1] if word[-1] == "e" and not word.endswith("le") else word
    return max(1, sum(a in VOWELS + "y" and b not in VOWELS + "y" for a, b in zip(core, core[1:] + "#", strict=True)))


def _doubles(word: str) -> bool:
    if len(word) < 3 or word[-1] in VOWELS + "wxy" or word[-2] not in VOWELS:
        return False
    single_vowel = word[-3] not in VOWELS or (word[-3:-1] == "ui" and word[-4:-3] == "q")
    return single_vowel and (_syllables(word) == 1 or word in STRESSED_LAST)


def _with_s(word: str) -> str:
    if _y_after_consonant(word):
        return word[:-1] + "ies"
    return word + ("es" if _sibilant(word) else "s")


def plural(noun: str) -> str:
    """Inflect for number: ``city`` gives ``cities``."""
    return PLURALS.get(noun) or _with_s(noun)


def third_person(verb: str) -> str:
    """Inflect for the third person singular present: ``watch`` gives ``watches``."""
    if verb in ("be", "have"):
        return {"be": "is", "have": "has"}[verb]
    return verb + "es" if verb in ("do", "go", "echo") else _with_s(verb)


def past(verb: str) -> str:
    """Inflect for the past tense: ``stop`` gives ``stopped``."""
    return IRREGULAR[verb][0] if verb in IRREGULAR else _regular_past(verb)


def past_participle(verb: str) -> str:
    """Inflect for the past participle: ``write`` gives ``written``."""
    return IRREGULAR[verb][1] if verb in IRREGULAR else _regular_past(verb)


def _regular_past(verb: str) -> str:
    if verb[-1] == "e":
        return verb + "d"
    if _y_after_consonant(verb):
        return verb[:-1] + "ied"
    return verb + (verb[-1] if _doubles(verb) else "") + "ed"


def present_participle(verb: str) -> str:
    """Inflect for the present participle and gerund: ``lie`` gives ``lying``."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb[-1] == "e" and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        return verb[:-1] + "ing"
    return verb + (verb[-1] if _doubles(verb) else "") + "ing"


def comparative(adjective: str) -> str | None:
    """Inflect for degree, ``big`` gives ``bigger``; None where English says ``more``."""
    return COMPARED[adjective][0] if adjective in COMPARED else _compared(adjective, "er")


def superlative(adjective: str) -> str | None:
    """Inflect for degree, ``happy`` gives ``happiest``; None where English says ``most``."""
    return COMPARED[adjective][1] if adjective in COMPARED else _compared(adjective, "est")


def _compared(adjective: str, ending: str) -> str | None:
    if _y_after_consonant(adjective) and _syllables(adjective) <= 2:
        return adjective[:-1] + "i" + ending
    if _syllables(adjective) > 1:
        return None
    stem = adjective[:-1] if adjective[-1] == "e" else adjective + (adjective[-1] if _doubles(adjective) else "")
    return stem + ending


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
            form = self.lemma if number == "Sing" else plural(self.lemma)
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
        return past(self.lemma) if tag == "VBD" else third_person(self.lemma)


_NONFINITE_RULES: dict[str, Callable[[str], str]] = {
    "VB": str,
    "VBG": present_participle,
    "VBN": past_participle,
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
    "Cmp": comparative,
    "Sup": superlative,
}
