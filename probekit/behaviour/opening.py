"""Opens suites: :func:`open_suite` takes a name or a path and returns items, and what of them was left out and why.

Enters ``blimp``, ``blimp/anaphor_*``, ``grammar:n=500``, ``winograd:scoring=full:wsc273.txt``, a file, or a folder of
them. Leaves an :class:`OpenedSuite`. Names are looked for in the folder of data sets that the environment variable
``PROBEKIT_DATA`` names. Surprise: items whose sentences are the same, word for word, as an earlier item's are kept, and
counted in a remark.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from probekit.behaviour.items import Item, Skipped
from probekit.behaviour.suites import SUITES, Suite
from probekit.behaviour.suites._rows import head_of
from probekit.corpus.lines import file_stem
from probekit.corpus.notes import list_names
from probekit.errors import InputError, UsageError, check_recordable, did_you_mean
from probekit.statistics.units import how_many

DATA = "PROBEKIT_DATA"
"""The environment variable that names a folder of data sets."""
_OPTIONS = re.compile(r"[^=,:/\\]+=[^=,:]*(?:,[^=,:/\\]+=[^=,:]*)*")


@dataclass(frozen=True, slots=True)
class OpenedSuite:
    """Items that were read.

    Attributes
    ----------
    name : str
        As the user wrote it.
    items : tuple of Item
        Not empty.
    skipped : tuple of Skipped
        What was left out.
    remarks : tuple of str
        A sentence each: files passed over, reasons with their counts, items that repeat others.
    files : tuple of Path
        In the order in which they were read.
    suites : tuple of Suite
        What read them.
    """

    name: str
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...]
    remarks: tuple[str, ...]
    files: tuple[Path, ...]
    suites: tuple[Suite, ...]


def open_suite(spec: str | os.PathLike[str], *, own: Sequence[Path] = ()) -> OpenedSuite:
    """Open a suite.

    Parameters
    ----------
    spec : str or path
        A file, or a folder of which every file that a suite recognises is read; the name of a suite (``blimp``), or of
        some of its files or phenomena (``blimp/wh_*``), looked for in the folder that ``PROBEKIT_DATA`` names;
        ``NAME:PATH`` where a file does not tell its format, ``NAME:OPTION=VALUE,...`` and ``NAME:OPTION=VALUE:PATH``.
    own : sequence of Path
        Folders of suites of the user's own, a file each that sets ``SUITE``.

    Returns
    -------
    OpenedSuite

    Raises
    ------
    UsageError
        No such name, option or file.
    InputError
        A file that is not what it should be; a suite without a single item.
    """
    text = os.fspath(spec)
    check_recordable(text)
    known = {name: entry.member for name, entry in SUITES.entries(*(folder.resolve() for folder in own)).items()}
    suite, path, wanted = _resolved(text, known)
    passed: list[str] = []
    if suite is not None and suite.made:
        chosen = [(Path(), suite)]
    elif path.is_dir():
        chosen, passed = _inside(path, [suite] if suite else list(known.values()))
    else:
        chosen = [(path, suite or _of_file(path, known))]
    files = [(file, reader) for file, reader in chosen if _named(file, wanted)]
    if not files and not suite:
        raise _no_member(text, wanted, [file_stem(file) for file, _ in chosen])
    return _read(text, files or chosen, wanted="" if files else wanted, passed=passed)


def _resolved(text: str, suites: Mapping[str, Suite]) -> tuple[Suite | None, Path, str]:
    """Return the suite that is named, the path, and the files or phenomena that are wanted of it."""
    if os.path.exists(text):
        return None, Path(text), ""
    head, _, rest = text.partition(":")
    name, _, wanted = head.partition("/")
    suite = suites.get(name)
    if suite is None:
        hint = did_you_mean(name, suites)
        raise UsageError(
            f"There is no file or folder '{text:.80}', and no suite '{name:.40}'.{hint} Give a path, or one of: "
            f"{', '.join(suites)}."
        )
    given, _, beyond = rest.partition(":")
    if _OPTIONS.fullmatch(given) and not os.path.exists(rest):
        suite, rest = suite.with_options(dict(pair.split("=") for pair in given.split(","))), beyond
    if suite.made:
        if rest or wanted:
            raise UsageError(f"The suite '{name}' is generated: nothing follows it but options. Got '{text:.80}'.")
        return suite, Path(), ""
    if rest:
        if not os.path.exists(rest):
            raise UsageError(f"There is no file or folder '{rest:.80}'. Check the path behind '{name}:'.")
        return suite, Path(rest), wanted
    return suite, _home(suite), wanted


def _home(suite: Suite) -> Path:
    """Return the folder of a suite among the data sets."""
    advice = f"Give its file or folder, {suite.name}:PATH."
    data = os.environ.get(DATA, "")
    if not data:
        raise UsageError(
            f"Where the suite '{suite.name}' lies is not known: set {DATA} to a folder of data sets. {advice}"
        )
    for home in (*suite.homes, suite.name):
        if (folder := Path(data) / home).is_dir():
            return folder
    raise UsageError(f"The folder '{data}' ({DATA}) has no {' or '.join(suite.homes or (suite.name,))}. {advice}")


def _inside(folder: Path, suites: Sequence[Suite]) -> tuple[list[tuple[Path, Suite]], list[str]]:
    """Return the files of a folder that are read, each with what reads it, and the names of those passed over."""
    chosen, passed = [], []
    for file in sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")):
        reader = _recogniser(file, suites)
        if reader is None:
            passed.append(file.name)
        else:
            chosen.append((file, reader))
    if not chosen:
        what = f"the suite '{suites[0].name}'" if len(suites) == 1 else "a suite"
        raise InputError(f"{folder}: no file of this folder is one of {what}. It holds {list_names(passed) or 'none'}.")
    return chosen, passed


def _of_file(path: Path, suites: Mapping[str, Suite]) -> Suite:
    reader = _recogniser(path, list(suites.values()))
    if reader is None and path.is_file() and not _begins(path).strip():
        raise InputError(f"{path}: the file is empty, there is no item to judge. Check the path.")
    if reader is None:
        known = ", ".join(suite.name for suite in suites.values() if not suite.made)
        begins = "".join(head_of(path, 1))
        raise UsageError(
            f"{path}: no suite recognises this file by its name and first line, '{begins:.80}'. Of minimal pairs say "
            f"which columns they are in, pairs:good=NAME,bad=NAME:{path.name}; of another suite its name, "
            f"NAME:{path.name}, of {known}."
        )
    return reader


def _begins(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4096)


def _recogniser(path: Path, suites: Sequence[Suite]) -> Suite | None:
    """Return the suite whose file it is; a general one only where no other takes it."""
    found = [suite for suite in suites if suite.recognises(path)]
    return min(found, key=lambda suite: suite.general, default=None)


def _named(file: Path, wanted: str) -> bool:
    stem = file_stem(file)
    return not wanted or any(fnmatchcase(name, wanted) for name in (file.name, stem, stem.rpartition(".")[2]))


def _no_member(text: str, wanted: str, known: Iterable[str]) -> UsageError:
    names = sorted(set(known))
    return UsageError(
        f"'{text}' finds nothing called '{wanted}'.{did_you_mean(wanted, names)} There is {list_names(names, 20)}."
    )


def _read(name: str, files: list[tuple[Path, Suite]], *, wanted: str, passed: list[str]) -> OpenedSuite:
    """Read files; where no file is called as wanted, the phenomena are that are."""
    items: list[Item] = []
    skipped: list[Skipped] = []
    for path, suite in files:
        for each in suite.read(path):
            (skipped if isinstance(each, Skipped) else items).append(each)  # type: ignore[arg-type]
    phenomena = {item.phenomenon for item in items}
    if wanted:
        items = [item for item in items if fnmatchcase(item.phenomenon, wanted)]
        if not items:
            raise _no_member(name, wanted, [*(file_stem(path) for path, _ in files), *phenomena])
    twice = next((each for each, count in Counter(item.id for item in items).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"{name}: the id '{twice}' stands twice. Give every item an id of its own.")
    remarks = list(_remarks(items, skipped, passed))
    if not items:
        where = ", ".join(str(path) for path, _ in files[:3])
        raise InputError(f"{where}: the suite is empty, there is no item to judge. {' '.join(remarks)}".rstrip())
    suites = {suite.name: suite for _, suite in files}
    read = tuple(path for path, suite in files if not suite.made)
    return OpenedSuite(name, tuple(items), tuple(skipped), tuple(remarks), read, tuple(suites.values()))


def _remarks(items: Iterable[Item], skipped: Iterable[Skipped], passed: list[str]) -> Iterator[str]:
    reasons: dict[str, list[Skipped]] = {}
    for each in skipped:
        reasons.setdefault(each.reason, []).append(each)
    for reason, those in reasons.items():
        names = list_names([each.id for each in those])
        yield f"{how_many(len(those), 'item')} left out, {reason}: {names} ({those[0].where})."
    seen: Counter[tuple[str, ...]] = Counter(tuple(sentence.text for sentence in item.sentences) for item in items)
    claims = len({item.claim for item in items}) > 1
    if (repeats := sum(seen.values()) - len(seen)) and not claims:
        yield f"The sentences of {how_many(repeats, 'item')} stand in an earlier one too; all are kept."
    if passed:
        yield f"Files passed over: {list_names(passed)}."
