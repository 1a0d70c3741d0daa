"""Questions: :class:`ProbeTask` and :class:`Target`, and the catalogue that finds them.

A task is one file in ``probes/`` (or in a user's own folder): a docstring, one pure function from
an :class:`~probekit.corpus.Example` to its :class:`Target` list, and ``TASK = ProbeTask(...)``.
The file is its own registration. Surprise: a folder of tasks is loaded as a package of its own
name, so ``from ._helpers import ...`` works in it and two folders never collide.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from probekit import plain
from probekit.errors import UsageError, check_recordable, did_you_mean
from probekit.loading import from_folder, load_folder, place_of

Kind = Literal["word", "span", "pair", "sentence", "tree"]

SPANS = {"word": 1, "span": 1, "pair": 2, "sentence": 1, "tree": 1}
"""How many spans a target of each kind has."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?::.+)?")


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
    settle : callable, optional
        ``settle(drafts)`` chooses among the targets of the whole corpus, a list of :class:`Draft`, where
        which ones to ask depends on all of them (the frequency of words); it returns those to keep.
    bins : int or None
        Cut numeric labels into this many train-quantile bins.
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
    settle: Callable[[Sequence[Draft]], Iterable[Draft]] | None = None
    bins: int | None = None
    top_labels: int | None = None
    metrics: tuple[str, ...] = ()
    reference: str = ""
    licence: str = "MIT"
    doc: str = ""

    def __post_init__(self) -> None:
        for setting in ("name", "kind", "joined_by", "reference", "licence", "doc"):
            self._set(setting, plain.text(getattr(self, setting), setting))
        for setting in ("option", "default_option"):
            if (value := getattr(self, setting)) is not None:
                self._set(setting, plain.text(value, setting))
        for setting in ("needs", "choices", "metrics"):
            self._set(setting, plain.texts(getattr(self, setting), setting))
        for setting in ("targets", "needs_of", "named", "settle"):
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
        if self.choices and self.default_option not in (None, *self.choices):
            raise UsageError(f"default_option must be one of the choices. Got {self.default_option!r}.")

    def _set(self, setting: str, value: object) -> None:
        object.__setattr__(self, setting, value)

    def __reduce__(self) -> tuple[Any, ...]:
        # Task files are modules of a package that another process has not loaded yet.
        values = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        return _arrived, tuple(_leaving(value, name) if callable(value) else value for name, value in values.items())

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


@dataclass(frozen=True, slots=True)
class _Sent:
    """A function of a folder of task files on its way to another process; no folder: the bundled catalogue."""

    folder: str | None
    module: str
    name: str
    args: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)


def _leaving(function: Any, setting: str) -> Any:
    """Say where a function is defined, if a task file does; any other goes as it is."""
    if isinstance(function, partial):
        inner = _leaving(function.func, setting)
        sent = isinstance(inner, _Sent)
        return replace(inner, args=function.args, keywords=function.keywords) if sent else function
    place = place_of(function, f"TASK.{setting}")
    if place is None:
        return function
    bundled = place.folder == catalogue_folder().resolve()
    return _Sent(None if bundled else str(place.folder), place.module, place.name)


def _arrived(*values: Any) -> ProbeTask:
    found: list[Any] = [_found(value) if isinstance(value, _Sent) else value for value in values]
    return ProbeTask(*found)


def _found(sent: _Sent) -> Callable[..., Any]:
    folder = catalogue_folder().resolve() if sent.folder is None else Path(sent.folder)
    function = from_folder(folder, sent.module, sent.name)
    return partial(function, *sent.args, **sent.keywords) if sent.args or sent.keywords else function


def catalogue_folder() -> Path:
    """Where the bundled tasks are: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "probes"
    return inside if inside.is_dir() else package.parent / "probes"


def load_catalogue(*folders: str | Path) -> dict[str, ProbeTask]:
    """Load every task of the bundled catalogue and of the user's folders.

    Parameters
    ----------
    *folders : str or Path
        Folders of task files (``--probes DIR``); they work exactly like ``probes/``.

    Returns
    -------
    dict of str to ProbeTask
        By name, sorted.

    Raises
    ------
    UsageError
        A folder that is not there or holds no task, a file that does not load or sets no ``TASK``,
        a name that is taken.
    """
    found: dict[str, ProbeTask] = {}
    homes: dict[str, Path] = {}
    for folder in folders:
        check_recordable(folder)
    for folder in dict.fromkeys(Path(folder).resolve() for folder in (catalogue_folder(), *folders)):
        if not os.path.isdir(folder):  # where Path.is_dir would raise at a name that is too long
            raise UsageError(f"The probes folder '{folder}' is not there. Give a folder of task files.")
        modules = load_folder(folder)
        if not modules:
            raise UsageError(f"The probes folder '{folder}' holds no task file (*.py without a leading '_').")
        for path, module in modules:
            task = getattr(module, "TASK", None)
            if not isinstance(task, ProbeTask):
                raise UsageError(
                    f"{path}: a task file must set TASK = ProbeTask(...). Files of helpers start with '_'."
                )
            if task.name in found:
                raise UsageError(
                    f"{path}: the task name '{task.name}' is taken by {homes[task.name]}. Choose another name."
                )
            found[task.name] = replace(task, doc=(module.__doc__ or "").strip())
            homes[task.name] = path
    return dict(sorted(found.items()))


def get_task(name: str, *folders: str | Path) -> ProbeTask:
    """Find a task by what the user typed, ``pos`` or ``morph:Number``."""
    catalogue = load_catalogue(*folders)
    base, _, option = name.partition(":")
    if base not in catalogue:
        hint = did_you_mean(base, catalogue)
        raise UsageError(f"There is no task '{name}'.{hint} `probekit tasks` lists them: {', '.join(catalogue)}.")
    return catalogue[base].with_option(option if ":" in name else None)
