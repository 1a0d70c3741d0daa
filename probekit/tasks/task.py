"""Questions: :class:`ProbeTask`, and the :class:`Target` list that it makes of an example.

A task is pickled for another process by where its functions are defined: folder, file and name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from probekit import plain
from probekit.errors import InputError, UsageError, did_you_mean
from probekit.example import Example
from probekit.loading import definition_of, from_folder

Kind = Literal["word", "span", "pair", "sentence", "tree"]

SPANS = {"word": 1, "span": 1, "pair": 2, "sentence": 1, "tree": 1}
"""How many spans a target of each kind has."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?::.+)?")


def catalogue_folder() -> Path:
    """Where the bundled tasks are: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "probes"
    return inside if inside.is_dir() else package.parent / "probes"


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """A function of a folder of task files by where it is defined; no folder: the bundled catalogue."""

    folder: str | None
    module: str
    name: str
    args: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)


def function_reference(function: Any, setting: str) -> Any:
    """Return where a function is defined, if a task file does; any other as it is."""
    if isinstance(function, partial):
        inner = function_reference(function.func, setting)
        reference = isinstance(inner, FunctionReference)
        return replace(inner, args=function.args, keywords=function.keywords) if reference else function
    place = definition_of(function, f"TASK.{setting}")
    if place is None:
        return function
    bundled = place.folder == catalogue_folder().resolve()
    return FunctionReference(None if bundled else str(place.folder), place.module, place.name)


def resolve(reference: FunctionReference) -> Callable[..., Any]:
    """Import the function that a reference names."""
    folder = catalogue_folder().resolve() if reference.folder is None else Path(reference.folder)
    function = from_folder(folder, reference.module, reference.name)
    return (
        partial(function, *reference.args, **reference.keywords) if reference.args or reference.keywords else function
    )


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to predict.

    Attributes
    ----------
    spans : tuple of (int, int)
        One half-open word range, or two for a pair.
    label : str, int or float
        A number is cut into train-quantile bins when the task asks for ``bins``; else equal numbers are one label
        (1.0 is 1), True and False are texts.
    key : str, tuple of str, or None
        What a memory could learn by heart (the word form); feeds the control task. None: the
        task has no control.
    passed_over : bool
        Of a word of a tree: scores do not look at it.
    """

    spans: tuple[tuple[int, int], ...]
    label: str | int | float
    key: str | tuple[str, ...] | None = None
    passed_over: bool = False

    def __post_init__(self) -> None:
        # There is one of these a word: what is plain already passes at the cost of a look.
        spans, key = self.spans, self.key
        if not (type(spans) is tuple and all(_is_range(span) for span in spans)):
            object.__setattr__(self, "spans", _ranges(spans))
        if not (key is None or type(key) is str):
            whole = isinstance(plain.scalar(key), str)
            object.__setattr__(self, "key", plain.text(key, "key") if whole else plain.texts(key, "key"))
        if self.passed_over is not False:
            object.__setattr__(self, "passed_over", plain.flag(self.passed_over, "passed_over"))


def check_spans(task: ProbeTask, target: Target, example: Example) -> None:
    """Refuse a target that points outside its example.

    Raises
    ------
    InputError
        A fault of the task file.
    """
    for start, stop in target.spans:
        if not 0 <= start < stop <= len(example.words):
            raise InputError(
                f"The task '{task.name}' gave the span ({start}, {stop}) for example '{example.id}', "
                f"which has {len(example.words)} words. Correct the task file."
            )


def _is_range(span: object) -> bool:
    return type(span) is tuple and len(span) == 2 and type(span[0]) is int and type(span[1]) is int


def _ranges(spans: object) -> tuple[tuple[int, int], ...]:
    """Return spans as pairs of whole numbers; one pair alone is a span alone."""
    wanted = "pairs (start, stop) of whole numbers"
    entries = plain.listed(spans, "spans", wanted)
    if len(entries) == 2 and plain.as_whole(entries[0]) is not None:
        entries = [entries]
    pairs = []
    for entry in entries:
        pair = plain.wholes(entry, "spans", wanted)
        if len(pair) != 2:
            raise plain.refused("spans", wanted, spans)
        pairs.append((pair[0], pair[1]))
    return tuple(pairs)


class Draft(NamedTuple):
    """A target with its place in the corpus: split and ordinal of its example, and the words of its first span."""

    split: str
    example: int
    target: Target
    form: str


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """A question: which positions, which label.

    Attributes
    ----------
    name : str
        What the user types, ``pos`` or (with its option) ``morph:Number``.
    targets : callable
        ``targets(example)``, or ``targets(example, option)`` where the task takes an option.
    kind : {"word", "span", "pair", "sentence", "tree"}
        A tree's targets are the words of a whole sentence in order, each labelled with the position of its
        head (-1: the root).
    needs : tuple of str
        Annotations read; a corpus without them is refused by name.
    option : str or None
        What may follow the colon, in words; None: nothing may.
    default_option : str or None
        Used when nothing follows the colon; None with ``option`` set: one must be given.
    choices : tuple of str
        The only options there are; empty: the corpus decides.
    needs_of : callable, optional
        ``needs_of(option)`` gives the annotations that an option reads besides ``needs``; it raises
        :class:`~probekit.errors.UsageError` for an option that cannot be understood.
    joined_by : str
        What ``--annotations`` may name where a corpus lacks what is needed (``uds:FOLDER``); empty: it comes with
        the corpus.
    named : callable, optional
        ``named(example, option)`` yields what the option names beside what an example has in its place, so that
        a question without an answer can say which name occurs nowhere, and what does.
    finalise : callable, optional
        ``finalise(drafts)`` chooses among the targets of the whole corpus, a list of :class:`Draft`, where
        which ones to ask depends on all of them (the frequency of words); it returns those to keep.
    bins : int or None
        Cut numeric labels into this many train-quantile bins.
    open_labels : bool
        The corpus decides whether labels are names or numbers: what predicts numbers reads them as such, where all
        of them are.
    top_labels : int or None
        Ask of so many labels, the most frequent of the training part. A target whose label training has but more
        rarely is left out, counted and named; a label that training never showed counts as an error, as ever.
    metrics : tuple of str
        What it is scored by besides accuracy and macro F1 (``span_f1``); of a tree: all it is scored by, the
        main one first (``uuas``, ``dspr``; ``root_accuracy``, ``nspr``).
    reference : str
        The paper that asked first.
    licence : str
    doc : str
        The docstring of its file, filled in by the catalogue.
    trial : str or None
        An option to try it with, where one must be given and none is among the choices.
    sample : callable, optional
        ``sample()`` gives a few examples that it can be asked of, where it needs what no built-in reader gives.
    """

    name: str
    targets: Callable[..., Iterable[Target]]
    kind: Kind = "word"
    needs: tuple[str, ...] = ()
    option: str | None = None
    default_option: str | None = None
    choices: tuple[str, ...] = ()
    needs_of: Callable[[str], tuple[str, ...]] | None = None
    joined_by: str = ""
    named: Callable[..., Iterable[tuple[str, str]]] | None = None
    finalise: Callable[[Sequence[Draft]], Iterable[Draft]] | None = None
    bins: int | None = None
    open_labels: bool = False
    top_labels: int | None = None
    metrics: tuple[str, ...] = ()
    reference: str = ""
    licence: str = "MIT"
    doc: str = ""
    trial: str | None = None
    sample: Callable[[], Iterable[Example]] | None = None

    def __post_init__(self) -> None:
        for setting in ("name", "kind", "joined_by", "reference", "licence", "doc"):
            self._set(setting, plain.text(getattr(self, setting), setting))
        for setting in ("option", "default_option", "trial"):
            if (value := getattr(self, setting)) is not None:
                self._set(setting, plain.text(value, setting))
        for setting in ("needs", "choices", "metrics"):
            self._set(setting, plain.texts(getattr(self, setting), setting))
        for setting in ("targets", "needs_of", "named", "finalise", "sample"):
            if (value := getattr(self, setting)) is not None or setting == "targets":
                plain.called(value, setting)
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"name must be lower-case letters, digits and hyphens (an option may follow ':'). Got {self.name!r}."
            )
        if self.kind not in SPANS:
            raise UsageError(f"kind must be one of {', '.join(SPANS)}. Got {self.kind!r}.")
        for setting, least in (("bins", 2), ("top_labels", 2)):
            if (value := getattr(self, setting)) is not None:
                number = plain.as_whole(value)
                if number is None or number < least:
                    raise UsageError(f"{setting} must be a whole number from {least}, or None. Got {value!r}.")
                self._set(setting, number)
        self._set("open_labels", plain.flag(self.open_labels, "open_labels"))
        if self.choices and self.default_option not in (None, *self.choices):
            raise UsageError(f"default_option must be one of the choices. Got {self.default_option!r}.")

    def _set(self, setting: str, value: object) -> None:
        object.__setattr__(self, setting, value)

    def __reduce__(self) -> tuple[Any, ...]:
        # Task files are modules of a package that another process has not loaded yet.
        values = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        return _unpickled, tuple(
            function_reference(value, name) if callable(value) else value for name, value in values.items()
        )

    def with_option(self, option: str | None) -> ProbeTask:
        """Bind what the user typed after the colon."""
        if self.option is None:
            if option is not None:
                raise UsageError(f"The task '{self.name}' takes no option: leave it out. Got '{self.name}:{option}'.")
            return self
        chosen = option or self.default_option
        if not chosen:
            raise UsageError(f"The task '{self.name}' needs an option: {self.name}:<{self.option}>. Got '{self.name}'.")
        if self.choices and chosen not in self.choices:
            raise UsageError(
                f"The option of '{self.name}' must be one of {', '.join(self.choices)}. "
                f"Got '{self.name}:{chosen}'.{did_you_mean(chosen, self.choices)}"
            )
        name = self.name if chosen == self.default_option else f"{self.name}:{chosen}"
        needs = self.needs + (self.needs_of(chosen) if self.needs_of is not None else ())
        targets, named = partial(self.targets, option=chosen), self.named and partial(self.named, option=chosen)
        return replace(self, name=name, targets=targets, named=named, option=None, needs=needs)


def _unpickled(*values: Any) -> ProbeTask:
    resolved: list[Any] = [resolve(value) if isinstance(value, FunctionReference) else value for value in values]
    return ProbeTask(*resolved)
