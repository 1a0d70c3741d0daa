"""What a model learns before the task of a plan: other tasks, one behind the other, by :class:`StageChoice`.

Enters: plain values, of a file or of a caller, or what was typed: ``label@snli.jsonl:epochs=3``, ``lm@reviews.txt``.
Leaves: frozen choices whose options were checked when they were made. Surprise: ``lm`` is short for the task ``text``;
what stands behind the last colon belongs to the name of the corpus unless it begins with an option of a stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from probekit import plain
from probekit.errors import UsageError
from probekit.tuning.checking import Option, named, options_of
from probekit.tuning.heads import get_head
from probekit.tuning.options import Count, bound, by_place, keyword_only
from probekit.tuning.typed import apart, unquoted, value

TEXT, SHORT = "text", "lm"
"""The task of language modelling, and what it is called as a stage."""
WRITTEN = "TASK@CORPUS:option=value"


@dataclass(frozen=True, slots=True)
class StageOptions:
    """How a stage trains.

    Attributes
    ----------
    epochs : int
        0: as many as a plan of the catalogue has for so many examples.
    examples : int
        So many training examples at most, drawn by the plan's seed; 0: all.
    head : str
        Of the catalogue; empty: the one that fits. It is not taken over.
    targets : {"labels", "numbers"}
    """

    epochs: int
    examples: int
    head: str
    targets: str


def _options(*, epochs: Count = 0, examples: Count = 0, head: str = "", targets: str = "labels") -> StageOptions:
    plain.choice(targets, "targets", ("labels", "numbers"))
    if head:
        get_head(head)
    return StageOptions(epochs, examples, head, targets)


@dataclass(frozen=True, slots=True)
class StageChoice:
    """A task on a corpus that the model is tuned for first.

    Attributes
    ----------
    task : str
    corpus : str
        As it is opened by its name.
    options : mapping
    """

    task: str
    corpus: str
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        task = named(self.task, "first.task")
        object.__setattr__(self, "task", TEXT if task == SHORT else task)
        object.__setattr__(self, "corpus", named(self.corpus, "first.corpus"))
        object.__setattr__(self, "options", options_of(self.options, "first.options"))
        own = self.bound
        if self.task == TEXT and (own.head or own.targets != "labels"):
            raise UsageError(
                "A stage of language modelling has the model's own head: it takes no `head`, no `targets`."
            )

    @property
    def bound(self) -> StageOptions:
        """The options, each read as what it is."""
        return bound(_options, "stage", self.options)()

    @property
    def name(self) -> str:
        """``TASK@CORPUS``."""
        return f"{self.task}@{self.corpus}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"task": self.task, "corpus": self.corpus, "options": dict(self.options)}


def typed_stages(text: str) -> list[dict[str, Any]]:
    """Read stages as they are typed, several with ``;`` between them: ``label@snli.jsonl:epochs=3;pos@grammar:n=90``.

    Raises
    ------
    UsageError
        No task or no corpus, or an option without its name.
    """
    found = []
    known = keyword_only(_options)
    for part in apart(text, ";"):
        first, *rest = apart(part, ",")
        on, colon, last = first.rpartition(":")
        if colon and "=" in last and last.partition("=")[0].strip() in known:
            first, rest = on, [last, *rest]
        task, sign, corpus = (one.strip() for one in first.partition("@"))
        if not (task and sign and corpus):
            raise UsageError(f"A stage before the task is written {WRITTEN}, as in lm@reviews.txt. Got '{part}'.")
        if wrong := [one for one in rest if "=" not in one or one.partition("=")[0].strip() not in known]:
            raise UsageError(
                f"Options of a stage are written {WRITTEN},option=value; it has {', '.join(known)}. Got '{wrong[0]}'. "
                'The name of a corpus that has a comma stands in quotes: label@"a,b.jsonl".'
            )
        options = by_place(_options, rest, "stage")
        read = {name: value(one) for name, one in options.items()}
        found.append({"task": TEXT if task == SHORT else task, "corpus": unquoted(corpus), "options": read})
    return found


def check_stages(first: Sequence[StageChoice], *, task: str, keep: int, signals: Sequence[str]) -> None:
    """Refuse stages that leave nothing to what follows them.

    Parameters
    ----------
    first : sequence of StageChoice
    task : str
        Of the plan.
    keep : int
    signals : sequence of str
        Names of what the plan learns from beside its task.

    Raises
    ------
    UsageError
        The head of a language model is needed behind a stage that does not keep it, or no block is kept.
    """
    if not first:
        return
    if keep < 1:
        raise UsageError(
            "The plan keeps no block (keep=0), so that stages before it (first) leave it nothing. Keep blocks, or set "
            "first= for none."
        )
    labelled = next((stage for stage in first if stage.task != TEXT), None)
    if labelled is None:
        return
    behind = [stage.name for stage in first[first.index(labelled) + 1 :] if stage.task == TEXT]
    needs = behind[0] if behind else "the task 'text'" if task == TEXT else "the signal 'lm'" if "lm" in signals else ""
    if needs:
        raise UsageError(
            f"The stage '{labelled.name}' (first) keeps the model below its head and not the head that it was "
            f"pretrained with, which {needs} needs behind it. Put lm@CORPUS before it, or leave one of both out."
        )
