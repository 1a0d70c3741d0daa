"""Verbs by construction, with the sorts they ask for.

A line reads ``construction subjects [> objects [> second]] [preposition or particle] : lemmas``,
several sorts joined by ``|``. A ``*`` marks a state: no progressive, no manner, no command.
The constructions are those of :mod:`probekit.grammar.events` and ``complements``.
"""

from __future__ import annotations

VERBS = """
act person: laugh smile cry sleep nap rest work walk dance run swim jump march travel wait sing yell dream kneel
act person: shiver
act person: hesitate pause nod complain apologize protest cheer whisper practice study paint sketch cook hunt fish
act person: hike
act person: shop wander return struggle lie joke stumble yawn hum shrug snore giggle whistle race camp garden party
act person: fight duck rebel graduate spy model snack drive ride sigh strike parade volunteer climb
act group: work march travel wait vote meet train practice play win lose compete strike march protest parade perform
act animal: sleep run jump rest hide eat drink wander swim play fly climb race
happen person: arrive leave disappear fall stop escape win lose retire faint emigrate
happen animal: arrive disappear fall escape die vanish
happen vehicle: stop crash disappear arrive turn slow start
happen event|activity: start end begin continue stop
happen disaster: start end begin continue spread
happen tool: fall break disappear
happen structure: shake close open creak
happen building: burn close open collapse
happen plant: grow die bloom wither flower
happen idea: fail work change spread
do person > person: help watch follow see* hear* know* love* trust* respect* visit call thank photograph chase attack
do person > person: rescue find touch fear* need* miss* ignore remember* film guard admire* meet greet blame hug kiss
do person > person: guide
do person > person: coach praise warn question answer interview hire support nurse forgive doubt* pay train invite
do person > person: shock
do person > person: trick surprise envy* flatter recruit scold judge host fight phone email excuse fire book escort
do person > person: usher
do person > person: tutor suspect* free calm sponsor toast hate* like* name
do person > animal: help watch follow see* hear* love* photograph feed chase attack rescue find touch fear* hunt train
do person > animal: film guard own* brush nurse tame free calm hide sell buy sketch paint ride kick milk
do animal > person|animal: watch follow chase attack bite scare see* hear* fear* kick touch guard
do group > person: hire support question train defend pay praise blame honor reward recruit
do person > tool: carry drop lift break lose find steal hide sell buy borrow need* want* clean repair throw catch push
do person > tool: pull move use design own* cover touch pack kick like* polish wrap assemble return mend request
do person > tool: label ship box bag photograph tape store empty dry warm drill iron chain package nail hammer light
do person > document: write read copy print sign publish study check review translate finish lose hide burn correct
do person > document: edit
do person > document: draft find mark steal proofread memorize revise like* see* carry return request demand file
do person > document: stamp
do person > document: label email mail list author complete present script tape
do person > food: eat cook taste smell cut share buy serve prepare order sell bake chew peel slice salt butter sugar
do person > food: box
do person > food: bag toast roast fry grill warm cool dry store swallow want* like* plate
do person > drink: drink pour spill sip taste order share boil sell bottle cool warm sugar want* like* serve
do animal > food: eat smell steal find want* like* nibble swallow
do person > vehicle: drive park repair wash stop sell buy paint steal rent see* hear* board wreck pilot race clean
do person > vehicle: own* want* like* ride chain secure empty photograph
do person > building: visit leave enter reach clean search find guard map photograph film describe own* like* explore
do person > building: tour
do person > building: sketch storm attack paint empty open close heat secure
do person > area: visit leave enter reach clean search find guard map photograph film describe own* like* explore tour
do person > area: sketch weed seed climb farm cross walk water plant scout
do person > structure: open close lock paint clean repair break touch measure cover watch block bolt shut fix secure
do person > structure: mop
do person > structure: guard nail chain need* tape
do person > plant: plant water cut grow smell sell buy trim prune label dry photograph sketch paint like* pot
do person|group > event|activity: plan organize attend host film stop start finish enjoy delay cancel watch remember*
do person|group > event|activity: record
own group > idea|building|event: have*
do person|group > event: stage tape
do person|group > event|activity: schedule describe support miss interrupt boycott witness judge budget sponsor
do person|group > idea: support question change explain accept reject understand* discuss test present study record
do person|group > idea: defend doubt* repeat share regret* report debate review praise criticize dismiss adopt sketch
do person|group > idea: draft estimate champion plan need* separate like* clear
do person > gesture: notice ignore remember* return see* hear* expect* fake
do person > field: study teach love* like* understand* practice
do person > substance: smell touch see* remove shovel need*
own person > tool|document|animal|plant|food|drink|vehicle|building|idea|event : have*
move event|idea|gesture|activity > person: surprise worry shock delight please comfort trouble frighten bore annoy
move event|idea|gesture|activity > person: interest confuse
move event|idea|gesture|activity > person: disappoint upset amuse embarrass help change thrill irritate calm
do disaster > building|area|structure: damage destroy change shake reach hit devastate flood
do idea > event|idea: cause change delay influence shape affect explain limit
aim person > person|animal at: look stare glance smile laugh shout yell point wave
aim person > person|animal for: wait search look care pray
aim person > person|idea|event about: talk think dream worry complain speak joke ask write lie gossip
aim person > person|group with: work talk play agree argue travel trade dance race fight party
aim person > person to: talk listen write speak apologize
aim person > structure on: knock lean
aim person|group > event|idea|activity for: pay plan vote hope prepare wait campaign
aim person > idea|person in: believe* trust*
aim person > tool for: look search reach pay ask
aim person > person|idea on: depend* rely* count
aim person|group > idea|event against: protest vote argue
aim person > person|group on: spy report
part person > tool|document up: pick wrap pack lock box bag
part person > tool down: put nail
part person > tool|document|food away: throw put lock
part person > document out: print hand read fill
part person > document up: tear
part person|group > event off: call put
part person > structure up: board
give person > tool|document > person to: give send show offer lend sell hand throw mail pass promise bring award loan
give person > food|drink > person to: give offer serve pass hand bring sell feed
give person > field > person to: teach
make person > tool|food > person for: buy find make design
make person > food|drink > person for: prepare cook order pour buy
say person: think* know* believe* report claim hope* fear* guess doubt* notice announce explain hear* discover
say person: remember* forget* regret* promise admit repeat joke swear agree complain argue mention realize* suspect*
say person: note remark estimate comment dream answer reason
say group: report claim announce decide promise argue admit declare rule
tell person: tell remind convince inform warn promise show assure notify
wonder person: know* ask wonder remember* forget* discover guess* explain learn doubt*
try person: volunteer want* need* plan hope try decide promise offer agree refuse attempt start begin continue learn
try person: forget* wish* demand prepare hesitate struggle manage choose expect* like* love* prefer* threaten
try group: want* need* plan hope try decide promise offer agree refuse prepare vote demand
seem person|animal: seem* appear* tend*
order person: ask persuade force order help allow invite encourage warn tell want* expect* need* teach train beg urge
order group: ask force order allow encourage want* expect* pay
like person: enjoy avoid stop start finish keep like* love* hate* regret* imagine practice begin quit dread* resume
look person|event|activity|idea|tool|building|animal: seem* look* become sound* appear* remain*
look person|animal: feel* grow get stay
look food: smell* taste* look*
look drink: taste* smell*
"""
