"""A small file in the form of every suite that reads files, with how many items and left-out items it has."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sample:
    """A file's name and text, what is in it, the files beside it; a text that lacks something, its error."""

    name: str
    text: str
    items: int
    skipped: int = 0
    beside: dict[str, str] = field(default_factory=dict)
    broken: str = "\x00"
    says: str = ""


def lines(*objects: dict[str, object]) -> str:
    return "".join(json.dumps(each) + "\n" for each in objects)


BLIMP = {"sentence_good": "She saw herself.", "sentence_bad": "She saw themselves.", "UID": "anaphor", "pairID": "0"}
REGIONS = [
    {
        "condition_name": name,
        "regions": [
            {"region_number": 1, "content": "The cats"},
            {"region_number": 2, "content": ""},
            {"region_number": 3, "content": verb},
            {"region_number": 4, "content": "."},
        ],
    }
    for name, verb in (("match", "sleep"), ("mismatch", "sleeps"))
]
GYM = {
    "meta": {"name": "cats", "metric": "sum"},
    "predictions": [{"type": "formula", "formula": "(3;%match%) < (3;%mismatch%)"}],
    "items": [{"item_number": 1, "conditions": REGIONS}, {"item_number": 2, "conditions": REGIONS[:1]}],
}
STEREO = {
    "id": "s1",
    "target": "chess player",
    "bias_type": "profession",
    "context": "A chess player is BLANK.",
    "sentences": [
        {"sentence": "A chess player is fish.", "gold_label": "unrelated"},
        {"sentence": "A chess player is clever.", "gold_label": "stereotype"},
        {"sentence": "A chess player is hollow.", "gold_label": "anti-stereotype"},
    ],
}
STORY = "".join(f"{n} One day passed .\n" for n in range(1, 21))
TAB = "pattern\tconstr_id\tsent_id\tcorrect_number\tform\tclass\ttype\tprefix\tn_attr\tlen_context\tsent\n"
BOTH = 'L__NOUN\t0\t0\tsing\t{}\t{}\toriginal\tThe <unk> of cats\t1\t3\tThe smell of cats is ""odd"" . <eos>\n'
ROLE = "item\tcontext\texpected\texp_cloze\ttarget\ttgt_cloze\n"

SAMPLES = {
    "blimp": Sample(
        "anaphor.jsonl",
        lines(BLIMP, {**BLIMP, "sentence_bad": BLIMP["sentence_good"], "pairID": "1"}),
        1,
        1,
        broken=lines(BLIMP, {"sentence_good": "She left.", "UID": "anaphor"}),
        says="anaphor.jsonl:2: there is no column 'sentence_bad'",
    ),
    "pairs": Sample(
        "mine.tsv",
        "good\tbad\tlemma\tlength\nHe sleeps.\tHe sleep.\tsleep\t2\nHe runs.\t \trun\t2\n",
        1,
        1,
        broken="good\twrong\nHe sleeps.\tHe sleep.\n",
        says="no column is called bad",
    ),
    "linzen": Sample(
        "subj.gold",
        "3\tis\tare\t1\n1\twas\twere\t0\n",
        1,
        1,
        beside={"subj.text": "the cats we is here . <eos>\nthey were . <eos>\n"},
        broken="2\tis\tare\n1\twas\twere\t0\n",
        says="subj.gold:1: a line of gold must be",
    ),
    "gulordava": Sample(
        "generated.tab",
        TAB + BOTH.replace('"', "").format("is", "correct") + BOTH.replace('"', "").format("are", "wrong"),
        1,
        broken=TAB + BOTH.replace('"', "").format("is", "correct"),
        says="generated.tab:2: the last row has no partner",
    ),
    "marvin_linzen": Sample(
        "templates.tsv",
        "phenomenon\ttemplate\tgrammatical\tungrammatical\tungrammatical_intrusive_npi\n"
        "prep_anim\tsing_MS_MV_plur_ES\tthe author near the guards laughs\tthe author near the guards laugh\n"
        "npi_across_anim\tpast\tno cat that the dogs like has ever slept\tthe cat that no dogs like has ever slept\t"
        "most cat that the dogs like has ever slept\n",
        3,
        broken="phenomenon\ttemplate\tgrammatical\tungrammatical\nprep_anim\tsing\tthe author laughs\n",
        says="templates.tsv:2: 3 cells under 4 names",
    ),
    "clams": Sample(
        "de.simple_agrmt.txt",
        "True\tder Autor lacht\nFalse\tder Autor lachen\n",
        1,
        broken="True\tder Autor lacht\nTrue\tder Autor schwimmt\nFalse\tder Autor schwimmen\n",
        says="de.simple_agrmt.txt:1: a true sentence needs a false one",
    ),
    "triples": Sample(
        "three.tsv",
        "natural\tnonce\tungrammatical\nThe old cat sleeps.\tThe red idea sleeps.\tThe red idea sleep.\n",
        3,
        broken="natural\tnonce\nThe cat sleeps.\tThe idea sleeps.\n",
        says="three.tsv:1: there is no column 'ungrammatical'",
    ),
    "syntaxgym": Sample(
        "cats.json",
        json.dumps(GYM, indent=1),
        1,
        1,
        broken=json.dumps({**GYM, "predictions": [{"formula": "(3;%match%) <"}]}, indent=1),
        says="prediction 1: The claim .* cannot be read",
    ),
    "lambada": Sample(
        "lambada_test.txt",
        "She gave the ball back to him , and he threw the ball\nhello\n",
        1,
        1,
        broken="",
        says="the suite is empty",
    ),
    "cbt": Sample(
        "cbtest_NE.txt",
        f"{STORY}21 Then XXXXX went home .\tTom\t\tTom|Ann|Max\n",
        1,
        broken=f"{STORY}21 Then XXXXX went home .\tTim\t\tTom|Ann|Max\n\n",
        says="cbtest_NE.txt:21: the answer must be one of",
    ),
    "winograd": Sample(
        "wsc.txt",
        "Ann thanked Sue because [MASK] was kind.\n[MASK]\nAnn,Sue\nSue\n\n"
        "Jim saw Tom and met him.\nhim\nJim,Tom\nTom\n",
        1,
        1,
        broken="Ann thanked Sue because she was kind.\nshe\nAnn,Sue\nMax\n",
        says="wsc.txt:4:1: the answer 'Max' is none of the candidates",
    ),
    "lm_diagnostics": Sample(
        "ROLE.tsv",
        ROLE + "1-a\twhich guest the cook had \tserved\t.4\tserved\t0.4\n"
        "1-b\twhich cook the guest had\ttipped\t.3\tserved\t0\n"
        "2-a\twhich fish the cat had\teaten\t.3\teaten\t0.2\n",
        1,
        1,
        broken="item\tcontext\texpected\texp_cloze\ttarget\n1-a\twhich guest\tserved\t.4\tserved\n",
        says="ROLE.tsv:1: no table of lm_diagnostics: tgt_cloze missing",
    ),
    "crows_pairs": Sample(
        "crows.csv",
        ",sent_more,sent_less,stereo_antistereo,bias_type\n"
        '7,"Rich men, they say, lie.","Poor men, they say, lie.",stereo,age\n',
        1,
        broken=",sent_more,sent_less,stereo_antistereo,bias_type\n7,Rich men lie.,Poor men lie.,neither,age\n",
        says="crows.csv:2: 'stereo_antistereo' must be",
    ),
    "stereoset": Sample(
        "dev.json",
        json.dumps({"data": {"intrasentence": [STEREO, {**STEREO, "id": "s2", "sentences": STEREO["sentences"][:2]}]}}),
        1,
        1,
        broken=json.dumps({"data": {"intrasentence": [{**STEREO, "context": None}]}}),
        says="dev.json: intrasentence 1: 'context' must be there",
    ),
    "winobias": Sample(
        "pro_stereotyped_type1.txt.dev",
        "1 [The cook] met the nurse because [he] was late.\n2 The cook met [the nurse] because [she] was late.\n",
        2,
        beside={
            "anti_stereotyped_type1.txt.dev": "1 [The cook] met the nurse because [she] was late.\n"
            "2 The cook met [the nurse] because [he] was late.\n"
        },
        broken="1 [The cook] met the nurse.\n2 The cook met [the nurse] because [she] was late.\n",
        says="pro_stereotyped_type1.txt.dev:1: a line must be",
    ),
    "winogender": Sample(
        "all_sentences.tsv",
        "sentid\tsentence\n"
        + "".join(
            f"cook.guest.1.{gender}.txt\tThe cook told the guest that {pronoun} could pay.\n"
            for gender, pronoun in (("male", "he"), ("female", "she"), ("neutral", "they"), ("male", "it"))
        ),
        3,
        1,
        broken="sentid\tsentence\ncook.guest.male.txt\tThe cook told the guest that he could pay.\n",
        says="all_sentences.tsv:2: an id must be",
    ),
}
