"""Cross-linguistic agreement from templates: CLAMS, Mueller et al. 2020.

What enters is a file a phenomenon, ``de.prep_anim.txt``: ``True`` or ``False``, a tab, a sentence; the false sentences
behind a true one are its bad versions. What leaves is an item a false sentence. Its cluster is the phenomenon with the
words that differ: the files name no templates, so they also tell neither number nor attractors.
"""

from __future__ import annotations

from pathlib import Path

from probekit.behaviour.suites import Reading, Suite
from probekit.behaviour.suites._pairs import pair
from probekit.behaviour.suites._rows import head_of, lines_of
from probekit.behaviour.suites._sentences import contrast_fact
from probekit.corpus.lines import file_stem
from probekit.errors import InputError

TRUTHS = ("True", "False")


def read(path: Path) -> Reading:
    """Yield the pairs of a file.

    Raises
    ------
    InputError
        A line that is none, a false sentence without a true one before it, a true one without a false one behind it.
    """
    language, _, phenomenon = file_stem(path).rpartition(".")
    right, used, begun = "", True, ""
    for number, line in lines_of(path):
        if not line.strip():
            continue
        truth, tab, sentence = line.partition("\t")
        sentence = sentence.strip()
        if truth not in TRUTHS or not tab:
            raise InputError(f"{path}:{number}: a line must be True or False, a tab and a sentence. Got {line!r:.80}.")
        if truth == "True":
            if not used:
                raise _alone(begun)
            right, used, begun = sentence, False, f"{path}:{number}"
            continue
        if not begun:
            raise InputError(f"{path}:{number}: a false sentence needs a true one before it.")
        used = True
        yield pair(
            "clams",
            f"{file_stem(path)}/{number}",
            where=f"{path}:{number}",
            texts=(right, sentence),
            phenomenon=file_stem(path),
            template=f"{phenomenon}/{contrast_fact(right, sentence)}",
            facts={"language": language or "unknown"},
        )
    if not used:
        raise _alone(begun)


def _alone(where: str) -> InputError:
    return InputError(f"{where}: a true sentence needs a false one behind it.")


def recognises(path: Path) -> bool:
    """Tell whether the first lines begin with True or False and a tab."""
    head = [line for line in head_of(path) if line.strip()]
    return bool(head) and all(line.partition("\t")[0] in TRUTHS and "\t" in line for line in head)


SUITE = Suite(
    "clams",
    read,
    help="Agreement from templates in several languages.",
    reference="Mueller, Nicolai, Petrou-Zeniou, Talmina and Linzen 2020, ACL",
    licence="Apache 2.0",
    recognises=recognises,
    homes=("agreement_clams",),
)
