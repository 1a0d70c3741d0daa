"""Adjectives and adverbs.

A line of adjectives reads ``sort: lemmas``; an adjective without a mark has degrees (``older``).
A ``*`` marks one without; a ``+`` one that looks like a participle and in a predicate asks for
``very`` or ``more``, with which no treebank calls it a verb (``very tired``); a ``^`` one that only
stands before its noun (``stolen``, ``annual``). A line of adverbs reads ``kind: lemmas``.
"""

from __future__ import annotations

ADJECTIVES = """
person: polite honest famous rich brave clever wise generous lazy patient proud shy loyal* careful careless
person: young old tall short strong weak kind calm happy sad nervous cheerful friendly lonely professional^ native^
person: tired+ worried+ excited+ bored+ surprised+ exhausted+ wounded^ retired^ injured^ trusted^ confused+ mean
person: junior^
person: senior^ intellectual^ official^ criminal^ adult^ modest* stubborn* talented* eccentric* respected^ admired^
person: trained^ invited^ hired^ shocked+ loved^ free* smiling^ laughing^ dancing^ suspected^ rebel^
group: large small rich famous official^ local* powerful international* private* public* foreign^ regional^ trained^
group: respected^ trusted^ winning^ marching^
animal: big small young old wild tame hungry fierce gentle clever lazy brown* black* white* gray* frightened+
animal: sleeping^
animal: lost^ wounded^ fat thin loud slow fast feral^ nimble* trained^ hunted^ feared^ hidden^ barking^ free* calm
food: fresh sweet sour salty hot cold warm tasty delicious* cooked^ burned^ frozen^ raw* spicy baked^ smoked^ stale
food: ripe roasted^ grilled^ fried^ shared^ salted^ sliced^ peeled^ stolen^ dry orange*
drink: fresh sweet hot cold warm bitter iced^ boiled^ bottled^ spilled^ cool
document: long short old new interesting+ boring+ important* secret* official^ printed^ signed^ missing^ lost^
document: original^ open* complete* confusing+ stolen^ unfinished^ brief legible* published^ edited^ corrected^
document: copied^
document: translated^ revised^ stamped^ hidden^ burned^ labeled^ novel^
tool: heavy light big small old new cheap expensive* broken* clean dirty wooden* red* green* blue* orange* yellow*
tool: white* black* stolen^ lost^ painted^ missing^ useful* empty* round* square* hidden^ locked^ polished^ rusty
tool: fragile* portable* borrowed^ wrapped^ packed^ covered^ repaired^ dropped^ iron^ warm dry
vehicle: fast slow old new cheap expensive* damaged^ stolen^ red* green* blue* white* rented^ parked^ heavy rusty
vehicle: repaired^ borrowed^ painted^ empty* missing^ light
building: big small old new large empty* abandoned^ crowded+ quiet famous modern* local* public* closed^ dark clean
building: cozy spacious* derelict* guarded^ painted^ rented^ heated^ locked^ damaged^ secure* open* warm
area: beautiful* quiet large small green crowded+ dark dangerous* safe wild hidden^ public* wide deep frozen^ dry cold
area: flooded^ guarded^ explored^ calm clear narrow
structure: open* closed^ broken* high low wide narrow old new painted^ wooden* white* locked^ damaged^ ornate*
structure: repaired^ covered^ guarded^ blocked^ clean secure*
plant: tall small green dry dead* wild beautiful* fresh growing^ lush dried^ trimmed^
event: long short exciting+ boring+ important* final^ annual^ public* private* secret* planned^ dangerous* surprising+
event: quiet tiring+ lively* fair official^ daily^ festive* solemn* scheduled^ recorded^ delayed^ canceled^ free*
activity: long exciting+ boring+ dangerous* tiring+ quiet loud daily^ planned^ free* endless^
disaster: terrible* sudden* big small recent^ dangerous* deadly* surprising+ feared^
proposition: clear strange surprising+ important* true* obvious* possible* good bad shocking+ sad odd* amusing+
proposition: likely*
proposition: unfair*
task: hard easy difficult* good boring+ exciting+ dangerous* important* tiring+ useful* interesting+ safe rude risky*
task: wise
idea: good bad new old simple* clear strange interesting+ surprising+ important* correct* wrong* right* original^
idea: secret*
idea: popular* difficult* hidden^ confusing+ complete* early^ late^ absurd* plausible* shocking+ amusing+ separate*
idea: direct* accepted^ rejected^ repeated^ promised^ discussed^ feared^ limited^ tested^ novel^ ideal*
field: modern* ancient* difficult* popular* important* useful* boring+
gesture: loud quiet short friendly* sad strange warm nervous sudden* cold long faked^ repeated^
substance: wet dry white* fresh
"""

ADVERBS = """
manner: quickly slowly carefully quietly loudly happily sadly calmly bravely politely proudly nervously angrily gently
manner: badly well hard fast early late alone eagerly cautiously clumsily gracefully patiently silently
frequency: often always never usually sometimes rarely frequently seldom
between: probably certainly clearly also only just finally still quickly suddenly eventually already reportedly
degree: very really extremely fairly very
opening: perhaps maybe finally fortunately unfortunately suddenly eventually apparently surprisingly sadly luckily
opening: today now then later meanwhile afterwards
place: here there outside inside nearby upstairs downstairs
"""
