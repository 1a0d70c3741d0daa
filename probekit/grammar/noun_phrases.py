"""Noun phrases without clauses: pronouns, names, determiners, adjectives, possessors, PPs.

Each comes as a :class:`~probekit.grammar.speaker.Nominal` with its number and person.
"""

from __future__ import annotations

from probekit.grammar import closed
from probekit.grammar.lexemes import Adjective, Noun
from probekit.grammar.speaker import Nominal, Speaker, Table, prepositional, word
from probekit.grammar.tree import HEAD, A, Child, Leaf, Phrase, Token, attach

PERSONS = Table([(5, closed.I), (4, closed.YOU), (4, closed.HE), (4, closed.SHE), (4, closed.WE), (5, closed.THEY)])
THIRD_PERSONS = {
    "Sing": Table([(1, closed.HE), (1, closed.SHE)]),
    "Plur": Table([(1, closed.THEY)]),
}
POSSESSORS = Table([(3, closed.I), (3, closed.YOU), (3, closed.HE), (3, closed.SHE), (2, closed.WE), (3, closed.THEY)])

BARE, POSSESSIVE, POSSESSOR = "bare", "possessive", "possessor"
QUANTITY, THE_QUANTITY, ALL_THE, ADJECTIVAL = "quantity", "the quantity", "all the", "adjectival"

Choice = Token | str
SINGULAR: Table[Choice] = Table(
    [
        (44, closed.THE),
        (26, A),
        (4, closed.THIS["Sing"]),
        (5, closed.THAT["Sing"]),
        (3, closed.EVERY),
        (2, closed.EACH),
        (1, closed.ANOTHER),
        (4, closed.ONE),
        (11, POSSESSIVE),
        (5, POSSESSOR),
    ]
)
PLURAL: Table[Choice] = Table(
    [
        (38, closed.THE),
        (14, BARE),
        (4, closed.THIS["Plur"]),
        (4, closed.THAT["Plur"]),
        (6, closed.SOME),
        (11, QUANTITY),
        (3, THE_QUANTITY),
        (2, ALL_THE),
        (9, ADJECTIVAL),
        (1, closed.BOTH),
        (10, POSSESSIVE),
        (4, POSSESSOR),
    ]
)
ACTIVITY: Table[Choice] = Table([(6, closed.THE), (2, POSSESSIVE), (2, POSSESSOR), (1, closed.THIS["Sing"])])
MASS: Table[Choice] = Table(
    [(50, closed.THE), (25, BARE), (10, closed.SOME), (10, POSSESSIVE), (3, closed.THIS["Sing"])]
)
INDEFINITE = {
    "Sing": Table[Choice]([(1, A)]),
    "Plur": Table[Choice]([(4, BARE), (3, QUANTITY), (2, ADJECTIVAL), (1, closed.SOME)]),
    "mass": Table[Choice]([(2, BARE), (2, closed.SOME)]),
}
MANY_WORDS = Table([(4, closed.MANY), (3, closed.SEVERAL), (2, closed.FEW)])

PREPOSITIONS: dict[str, Table[tuple[str, str]]] = {
    sort: Table([(1, (preposition, other)) for preposition, others in pairs for other in others.split()])
    for sort, pairs in {
        "person": [
            ("with", "tool document"),
            ("from", "city building"),
            ("near", "structure building"),
            ("in", "building"),
        ],
        "group": [("from", "city city"), ("in", "city")],
        "animal": [("in", "area building"), ("near", "building area"), ("behind", "structure"), ("of", "person")],
        "food": [("on", "tool"), ("from", "building"), ("in", "building")],
        "drink": [("from", "building"), ("in", "building")],
        "document": [("about", "idea event person animal field"), ("from", "person person"), ("by", "person")],
        "tool": [
            ("near", "structure"),
            ("in", "building"),
            ("from", "building city"),
            ("of", "person"),
            ("behind", "structure"),
        ],
        "vehicle": [("near", "building"), ("behind", "building"), ("in", "area"), ("from", "city"), ("of", "person")],
        "building": [("near", "area building"), ("in", "area city"), ("behind", "building"), ("by", "area")],
        "area": [("near", "building city"), ("behind", "building"), ("beyond", "area"), ("with", "plant")],
        "structure": [("of", "building building"), ("near", "area"), ("behind", "building")],
        "plant": [("in", "area area"), ("near", "building structure"), ("behind", "structure")],
        "event": [("in", "building area city"), ("with", "person group"), ("at", "building"), ("about", "field")],
        "activity": [("in", "building area city"), ("at", "building")],
        "disaster": [("in", "city building area"), ("near", "area building")],
        "gesture": [("of", "person person"), ("from", "person")],
        "idea": [("about", "event person field building"), ("from", "person"), ("of", "person group")],
    }.items()
}
COMPOUNDS = {"structure": "building", "event": "part of day", "plant": "area"}


def noun_phrase(
    speaker: Speaker, sort: str, *, case: str = "Nom", depth: int = 1, number: str | None = None
) -> Nominal:
    """Draw a noun phrase of a sort; ``depth`` 0 has no modifiers after the noun."""
    chance = speaker.chance
    if sort == "city":
        return _name_of_city(speaker)
    roll = chance.random()
    if sort == "person":
        if roll < (0.24 if case == "Nom" else 0.15):
            return pronoun(speaker, case, number)
        if number != "Plur" and roll > 0.86:
            return _name_of_person(speaker)
        if number != "Plur" and roll > 0.84:
            indefinite = word("NP", chance.pick(closed.INDEFINITE_PERSONS))
            return Nominal(indefinite, "Sing", 3, sort, "pronoun")
    elif roll < 0.07 and sort not in ("field", "manner", "group"):
        return _pronoun_of_thing(speaker, case, number)
    if depth > 0 and roll > 0.79 and number != "Sing":
        return coordinated(speaker, sort)
    return common(speaker, sort, number=number, depth=depth)


def common(
    speaker: Speaker, sort: str, *, number: str | None = None, depth: int = 1, indefinite: bool = False
) -> Nominal:
    """Draw a phrase headed by a common noun."""
    chance = speaker.chance
    noun = speaker.noun(sort)
    chosen = "Sing" if noun.mass else number or ("Sing" if chance.happens(0.62) else "Plur")
    if indefinite:
        table = INDEFINITE["mass" if noun.mass else chosen]
    else:
        table = ACTIVITY if sort == "activity" else MASS if noun.mass else SINGULAR if chosen == "Sing" else PLURAL
    if sort in ("field", "manner"):
        children: list[Child] = []
        determiner: Choice = BARE
    else:
        determiner = chance.draw(table)
        children = _determined(speaker, determiner)
    definite = determiner is closed.THE or determiner == POSSESSIVE
    if chance.happens(0.32) and sort in speaker.lexicon.adjectives and sort != "field":
        children += _adjectives(speaker, noun, definite=determiner is closed.THE, single=definite or determiner is A)
    elif sort in COMPOUNDS and chance.happens(0.12):
        children.append(("compound", Leaf(speaker.noun(COMPOUNDS[sort]).token("Sing"))))
    anaphor = not noun.mass and children[-1:] and children[-1][0] == "amod" and chance.happens(0.07)
    children.append((HEAD, Leaf(closed.ONES[chosen] if anaphor else noun.token(chosen))))
    phrase = Phrase("NP", children)
    if depth > 0 and sort in PREPOSITIONS and chance.happens(0.19):
        phrase = with_preposition(speaker, phrase, sort)
    return Nominal(phrase, chosen, 3, sort, "common")


def with_preposition(speaker: Speaker, phrase: Phrase, sort: str, *, number: str | None = None) -> Phrase:
    """Modify a noun phrase by a PP whose noun has the wanted number."""
    preposition, other = speaker.chance.draw(PREPOSITIONS[sort])
    if number and other == "city":
        preposition, other = "near", "building"
    inner = common(speaker, other, number=number, depth=0) if other != "city" else _name_of_city(speaker)
    return Phrase("NP", [(HEAD, phrase), ("nmod", prepositional(closed.preposition(preposition), inner.phrase))])


def pronoun(speaker: Speaker, case: str, number: str | None = None) -> Nominal:
    """Draw a personal pronoun; an object never repeats the speaker or hearer of its sentence."""
    if number:
        chosen = speaker.chance.draw(THIRD_PERSONS[number])
    else:
        chosen = speaker.chance.draw(PERSONS)
        if case == "Acc" and chosen.person in speaker.spoken:
            chosen = speaker.chance.draw(THIRD_PERSONS["Sing"])
    speaker.spoken.add(chosen.person)
    return Nominal(
        word("NP", chosen.nominative if case == "Nom" else chosen.accusative),
        chosen.number,
        chosen.person,
        "person",
        "pronoun",
    )


def _pronoun_of_thing(speaker: Speaker, case: str, number: str | None) -> Nominal:
    chosen = closed.THEY if (number or speaker.chance.pick(("Sing", "Sing", "Plur"))) == "Plur" else closed.IT
    if speaker.chance.happens(0.45):
        demonstratives = closed.DEMONSTRATIVE_PRONOUNS[chosen.number]
        return Nominal(word("NP", speaker.chance.pick(demonstratives)), chosen.number, 3, "thing", "pronoun")
    return Nominal(
        word("NP", chosen.nominative if case == "Nom" else chosen.accusative), chosen.number, 3, "thing", "pronoun"
    )


def _name_of_person(speaker: Speaker) -> Nominal:
    chance, names = speaker.chance, speaker.lexicon
    children: list[Child] = [(HEAD, Leaf(chance.pick(names.men if chance.happens(0.5) else names.women).token("Sing")))]
    if chance.happens(0.3):
        children.append(("flat", Leaf(chance.pick(names.surnames).token("Sing"))))
    return Nominal(Phrase("NP", children), "Sing", 3, "person", "name")


def _name_of_city(speaker: Speaker) -> Nominal:
    return Nominal(word("NP", speaker.chance.pick(speaker.lexicon.cities).token("Sing")), "Sing", 3, "city", "name")


def coordinated(speaker: Speaker, sort: str) -> Nominal:
    """Join two noun phrases with ``and``: a plural."""
    if sort == "person" and speaker.chance.happens(0.35):
        first = _name_of_person(speaker)
    else:
        first = common(speaker, sort, depth=0)
    second = common(speaker, sort, depth=0)
    return Nominal(joined(first.phrase, second.phrase, conjunction=closed.AND, label="NP"), "Plur", 3, sort, "common")


def joined(first: Phrase, second: Phrase, *, conjunction: Token, label: str) -> Phrase:
    """Coordinate two phrases: the second depends on the first, the conjunction on the second."""
    return Phrase(label, [(HEAD, first), attach(Leaf(conjunction), second, relation="cc"), ("conj", second)])


def _determined(speaker: Speaker, choice: Choice) -> list[Child]:
    chance = speaker.chance
    if isinstance(choice, Token):
        return [("nummod" if choice is closed.ONE else "det", Leaf(choice))]
    if choice == POSSESSIVE:
        owner = chance.draw(POSSESSORS)
        return [("nmod:poss", Leaf(owner.possessive))]
    if choice == POSSESSOR:
        return [("nmod:poss", possessor(speaker))]
    if choice in (QUANTITY, THE_QUANTITY):
        amount = Leaf(chance.pick(closed.NUMBERS if chance.happens(0.85) else closed.DIGITS))
        the: list[Child] = [("det", Leaf(closed.THE))] if choice == THE_QUANTITY else []
        return [*the, ("nummod", amount)]
    if choice == ALL_THE:
        return [("det:predet", Leaf(closed.ALL)), ("det", Leaf(closed.THE))]
    if choice == ADJECTIVAL:
        return [("amod", Leaf(chance.draw(MANY_WORDS)))]
    return []


def possessor(speaker: Speaker) -> Phrase:
    """Draw ``the teacher 's``."""
    chance = speaker.chance
    if chance.happens(0.35):
        owner = _name_of_person(speaker)
    else:
        number = "Sing" if chance.happens(0.7) else "Plur"
        noun = Leaf(speaker.noun("person").token(number))
        owner = Nominal(Phrase("NP", [("det", Leaf(closed.THE)), (HEAD, noun)]), number, 3, "person", "common")
    plain_s = owner.number == "Plur" and owner.phrase.head.token.form.endswith("s")
    clitic = closed.PLURAL_S if plain_s else closed.SINGULAR_S
    return Phrase("NP", [(HEAD, owner.phrase), ("case", Leaf(clitic))])


def _adjectives(speaker: Speaker, noun: Noun, *, definite: bool, single: bool) -> list[Child]:
    chance = speaker.chance
    adjective: Adjective = chance.pick(speaker.lexicon.adjectives[noun.sort])
    if adjective.lemma == noun.lemma:  # no "rebel rebel"
        return []
    roll = chance.random()
    if adjective.mark == "" and roll < 0.1 and definite:
        superlative = adjective.token("Sup")
        if superlative is not None:
            return [("amod", word("ADJP", superlative))]
        return [("amod", Phrase("ADJP", [("advmod", Leaf(closed.MOST)), (HEAD, Leaf(adjective.positive))]))]
    if adjective.mark in ("", "+") and roll < 0.2 and single:
        degree = chance.pick(speaker.lexicon.adverbs["degree"])
        return [("amod", Phrase("ADJP", [("advmod", Leaf(degree)), (HEAD, Leaf(adjective.positive))]))]
    return [("amod", Leaf(adjective.positive))]
