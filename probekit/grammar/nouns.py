"""Nouns and names by sort: what a verb or preposition asks of its argument.

A line reads ``sort: lemmas``. A ``~`` marks a mass noun: no plural, no ``a``. Many of the lemmas
are verbs too (``walk``, ``report``, ``paint``): that is what makes word forms ambiguous.
"""

from __future__ import annotations

NOUNS = """
person: teacher doctor lawyer student farmer nurse pilot guard guide cook coach judge host artist writer poet singer
person: dancer actor painter driver baker butcher carpenter plumber engineer scientist professor manager director
person: editor
person: reporter journalist photographer tourist traveler visitor guest neighbor friend stranger child boy girl man
person: woman king queen prince princess soldier officer captain sailor thief expert patient native criminal official
person: rebel chief adult youth partner rival mother father sister brother daughter son uncle aunt cousin grandmother
person: hero dentist librarian gardener hunter musician composer architect accountant mechanic tailor barber waiter
person: assistant apprentice volunteer nephew niece historian novelist surgeon detective senator mayor minister monk
person: hiker swimmer runner winner witness professional intellectual individual relative junior senior
person: recruit suspect tutor escort scout usher champion author spy model sponsor graduate
group: team committee company government crew council jury club orchestra firm agency band family class court army
animal: dog cat horse cow sheep goat pig duck goose fox wolf bear lion tiger monkey mouse rat rabbit hawk fish whale
animal: dolphin turtle snake frog elephant deer donkey camel parrot pigeon owl swan crow spider lizard squirrel zebra
animal: fly
food: apple orange banana cherry peach potato tomato onion carrot sandwich cake pie cookie egg pizza pancake salad
food: bread~ rice~ cheese~ soup~ butter~ salt~ sugar~ meat~ pasta~ honey~ noodle dumpling sausage pear mushroom
food: toast~ roast snack slice fish
drink: water~ milk~ juice~ tea~ coffee~ wine~ lemonade~ cider~ beer~ drink
document: book letter report novel poem story article essay note list map form contract paper newspaper magazine diary
document: notebook ticket postcard message email script manual record program copy draft summary document certificate
document: recipe label file study sketch print invoice petition brochure editorial original review schedule tape
tool: hammer saw knife brush comb ladder box bag bottle basket bucket cup pot pan spoon fork key lamp clock watch
tool: camera phone radio guitar violin piano drum ball toy doll ring coin stamp lock chain shovel axe needle button
tool: umbrella hat coat shirt scarf glove boot shoe blanket pillow towel mirror candle torch pencil mop broom whistle
tool: wallet helmet chair table desk carpet tent flag kite gift package suitcase trunk telescope machine computer
tool: printer drill nail iron plate can vase jacket statue picture painting drawing carving photograph light model
vehicle: car truck bus train boat ship bicycle plane taxi van tractor ferry wagon motorcycle helicopter canoe sled
building: house school church library museum theater hotel hospital station store shop restaurant cafe factory office
building: castle tower bank prison barn garage palace temple farm cottage market airport stadium warehouse studio
building: bakery chapel clinic pharmacy cabin building dwelling
area: park garden forest field city town village street square beach harbor island valley hill mountain river
area: lake desert path yard camp pond meadow cave canyon orchard plaza swamp
structure: door window wall roof gate fence floor ceiling chimney balcony porch bridge staircase shelf
plant: tree flower rose bush plant tulip vine leaf branch weed oak lily fern cactus seed
event: meeting walk dance race trip party wedding concert show play match game fight debate speech lecture lesson
event: interview election trial journey visit tour march parade festival protest strike contest ceremony conference
event: performance rehearsal picnic experiment battle attack search flight hunt swim climb gathering banquet reunion
event: talk ride drive run call delay
activity: singing~ hunting~ fishing~ cleaning~ training~ cooking~ teaching~ planning~ racing~ camping~ packing~
activity: dancing~ running~ shouting~ whispering~ fighting~ voting~ trading~ testing~ printing~ shopping~
disaster: storm fire flood earthquake explosion accident crash war blizzard drought hurricane avalanche
idea: plan idea theory answer question claim offer request demand order promise proposal suggestion decision argument
idea: law rule method system policy design discovery joke lie trick dream doubt hope fear belief excuse warning
idea: complaint comment guess estimate review reason problem solution mistake error result change schedule budget
idea: secret thought opinion rumor fact hypothesis remark verdict strategy finding ruling ideal cause limit need wish
gesture: smile laugh kiss hug nod shrug glance stare look shout yell sigh cheer wave cry
field: history~ music~ art~ science~ medicine~ poetry~ physics~ chemistry~ biology~ philosophy~ geography~ law~
manner: care~ patience~ pride~ joy~ skill~ love~ caution~ delight~ surprise~ respect~ confidence~ enthusiasm~ courage~
manner: difficulty~ interest~ regret~ relief~ precision~ support~ help~
substance: paint~ dust~ snow~ mud~ sand~ smoke~ rain~ ice~ grass~
period: week month year
unit: minute hour day week month year
part of day: morning afternoon evening
"""

MEN = """
James John Robert David Paul Peter Simon Thomas Daniel Henry George Oliver Martin Victor Samuel Walter Leon Oscar
Hugo Felix Edward Arthur Will Mark Bill Jack Frank Pat Rob Chase Miles Drew Nick Dean Grant
"""

WOMEN = """
Mary Anna Laura Emma Julia Sarah Helen Alice Clara Nora Irene Martha Diana Lucy Ruth Sophie Elena Maria Vera Judith
Rose Grace Hope Faith Joy May Sue Dawn Olive Iris Ivy Daisy
"""

SURNAMES = """
Miller Baker Carter Taylor Walker Fisher Cook Brown Green White Black Young Long Hill Wood Stone Field Brooks Adams
Evans Harris Lewis Morgan Parker Roberts Turner Watson Wright Hunter Price
"""

CITIES = """
London Paris Berlin Madrid Rome Vienna Boston Chicago Dublin Lisbon Prague Warsaw Athens Cairo Tokyo Oslo Toronto
Sydney Lima Havana Reading Bath Mobile Nice Turkey Chile Poland France Spain Brazil Japan Kenya Norway Canada
"""

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
