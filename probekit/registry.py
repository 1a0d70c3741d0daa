"""Catalogues: the one way a folder of files becomes members by name, open to other installed packages.

Enters: a folder of modules, each of which sets one attribute (``TASK = ProbeTask(...)``). Leaves: its members by
name. The file is its own registration; one whose name starts with ``_`` holds helpers. Folders of a user work like the
built-in one, and a single file may be named by its path; an installed package adds members through an entry point,
``probekit.tasks`` and the like, that names a module, an object, or a package whose modules are members. Surprise: a
fault in the built-in folder or in a user's is an error, a fault of an installed package a warning: the others stay
usable.
"""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from probekit.errors import ProbekitError, UsageError, did_you_mean
from probekit.loading import LOADING, line_of, load_file, load_folder

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Entry(Generic[M]):
    """A member with where it comes from.

    Attributes
    ----------
    member : object
    place : str
        Its file, or the installed package with its entry point.
    doc : str
        The docstring of its module.
    package : str
        The installed package that gives it; empty for the built-in folder and those of users.
    """

    member: M
    place: str
    doc: str = ""
    package: str = ""


class Registry(Generic[M]):
    """A catalogue.

    Parameters
    ----------
    what : str
        What a member is, in words: ``task``.
    kind : type
        Of the members.
    attribute : str
        What a file sets: ``TASK``.
    group : str
        Of the entry points: ``probekit.tasks``.
    home : str or callable
        The package whose files are members, or what gives a folder of them.
    names : callable, optional
        ``names(member)`` gives the names a member is found by; by default its ``name``.
    """

    def __init__(
        self,
        what: str,
        kind: type[M],
        *,
        attribute: str,
        group: str,
        home: str | Callable[[], Path],
        names: Callable[[M], Iterable[str]] | None = None,
    ) -> None:
        self.what, self.kind, self.attribute, self.group = what, kind, attribute, group
        self._home = home
        self._names: Callable[[M], Iterable[str]] = names or (lambda member: (attrgetter("name")(member),))
        self._built_in: tuple[Entry[M], ...] | None = None
        self._installed: tuple[tuple[Entry[M], ...], tuple[str, ...]] | None = None
        self._whole: Mapping[str, M] | None = None
        self._said: set[str] = set()

    def __repr__(self) -> str:
        return f"Registry({self.what!r})"

    def members(self) -> Mapping[str, M]:
        """Return every member of the built-in folder and of installed packages by name, loaded once."""
        if self._whole is None:
            with LOADING:
                self._whole = MappingProxyType({name: entry.member for name, entry in self.entries().items()})
        return self._whole

    def entries(self, *folders: Path) -> dict[str, Entry[M]]:
        """Return every member by name with where it comes from: built-in, then users' folders, then packages'.

        Parameters
        ----------
        *folders : Path
            Of the user, resolved; one that has changed is read again.

        Raises
        ------
        UsageError
            A folder that is not there or empty, a file that does not load or sets no member, a name that is taken.
        """
        with LOADING:
            found: dict[str, Entry[M]] = {}
            for entry in self._own():
                self._take(found, entry)
            for folder in folders:
                for entry in self._folder(folder):
                    self._take(found, entry)
            entries, faults = self._others()
            said = list(faults)
            for entry in entries:
                try:
                    self._take(found, entry)
                except UsageError as error:
                    said.append(f"{error} It is left out.")
            for fault in said:
                self._warn(fault)
            return found

    def get(self, name: str, option: str) -> M:
        """Find a member by its name; ``option`` is what the user typed it for."""
        known = self.members()
        if not known:
            raise UsageError(f"There is no {self.what} to choose from yet. Leave out `{option}`.{self._missing()}")
        if name not in known:
            raise UsageError(
                f"The `{option}` option must be one of {', '.join(known)}. Got '{name}'.{did_you_mean(name, known)}"
                f"{self._missing()}"
            )
        return known[name]

    def file(self, path: Path) -> M:
        """Return the member of one file of a user; the others of its folder are left alone.

        Raises
        ------
        UsageError
            A file that is not there, does not load or sets no member, a name that is taken.
        """
        with LOADING:
            entry = self._entry(load_file(path, self.what), str(path))
            self._take(self.entries(), entry)
            return entry.member

    def faults(self) -> tuple[str, ...]:
        """Return what is wrong with members that installed packages give, a sentence each."""
        with LOADING:
            self.entries()
            return tuple(sorted(self._said))

    def _missing(self) -> str:
        return "".join(f" {fault}" for fault in self.faults())

    def _take(self, found: dict[str, Entry[M]], entry: Entry[M]) -> None:
        names = tuple(self._names(entry.member))
        for name in names:
            if name in found:
                raise UsageError(
                    f"{entry.place}: the {self.what} name '{name}' is taken by {found[name].place}. "
                    "Choose another name."
                )
        found.update(dict.fromkeys(names, entry))

    def _own(self) -> Iterable[Entry[M]]:
        if not isinstance(self._home, str):
            return self._folder(self._home().resolve())
        if self._built_in is None:
            self._built_in = tuple(self._modules(importlib.import_module(self._home)))
        return self._built_in

    def _folder(self, folder: Path) -> Iterator[Entry[M]]:
        if not os.path.isdir(folder):  # where Path.is_dir would raise at a name that is too long
            raise UsageError(f"The folder '{folder}' is not there. Give a folder of {self.what} files.")
        modules = load_folder(folder, self.what)
        if not modules:
            raise UsageError(f"The folder '{folder}' holds no {self.what} file (*.py without a leading '_').")
        for path, module in modules:
            yield self._entry(module, str(path))

    def _modules(self, package: ModuleType) -> Iterator[Entry[M]]:
        for name in _files(package):
            module = importlib.import_module(name)
            yield self._entry(module, str(module.__file__))

    def _entry(self, module: ModuleType, place: str, package: str = "") -> Entry[M]:
        member = getattr(module, self.attribute, None)
        if not isinstance(member, self.kind):
            raise UsageError(
                f"{place}: a {self.what} file must set {self.attribute} = {self.kind.__name__}(...). Files of helpers "
                "start with '_'."
            )
        return Entry(member, place, (module.__doc__ or "").strip(), package)

    def _others(self) -> tuple[tuple[Entry[M], ...], tuple[str, ...]]:
        """Return the members that installed packages give, and what is wrong with the others; read once."""
        if self._installed is None:
            entries: list[Entry[M]] = []
            faults: list[str] = []
            for point in _points(self.group):
                for load in self._loads(point, faults):
                    self._try(load, point, faults, entries)
            self._installed = tuple(entries), tuple(faults)
        return self._installed

    def _loads(self, point: EntryPoint, faults: list[str]) -> list[Callable[[], Entry[M]]]:
        """Return what loads the members of an entry point one by one."""
        found: list[Any] = []
        self._try(point.load, point, faults, found)
        if not found:
            return []
        loaded, place = found[0], f"the installed package {_owner(point)} ({self.group}: {point.name} = {point.value})"
        if isinstance(loaded, self.kind):
            doc = (sys.modules[point.module].__doc__ or "").strip()
            return [lambda: Entry(loaded, place, doc, _owner(point))]
        if isinstance(loaded, ModuleType) and not hasattr(loaded, self.attribute) and hasattr(loaded, "__path__"):

            def one(name: str) -> Callable[[], Entry[M]]:
                return lambda: self._entry(importlib.import_module(name), f"{place}, {name}", _owner(point))

            return [one(name) for name in _files(loaded)]
        return [lambda: self._entry(loaded, place, _owner(point))]

    def _try(self, load: Callable[[], Any], point: EntryPoint, faults: list[str], found: list[Any]) -> None:
        """Load one thing of another package; whatever goes wrong in its code is a fault of that package alone."""
        try:
            found.append(load())
        except (Exception, SystemExit) as error:
            what = str(error) if isinstance(error, ProbekitError) else f"{type(error).__name__}: {error}."
            faults.append(
                f"The installed package {_owner(point)} has an entry point '{point.name}' ({self.group}), which fails "
                f"at {line_of(error, _foreign, point.value)}: {what} It is left out: update or remove the package."
            )

    def _warn(self, fault: str) -> None:
        if fault not in self._said:
            self._said.add(fault)
            logging.getLogger(__name__).warning("%s", fault)


def _files(package: ModuleType) -> Iterator[str]:
    """Yield the names of a package's own modules, sorted; helpers and packages inside it are left aside."""
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not info.ispkg and not info.name.rpartition(".")[2].startswith("_"):
            yield info.name


def _foreign(file: Path) -> bool:
    """Tell whether a line of a traceback is the other package's, not of what imports it."""
    return file != Path(__file__) and "importlib" not in file.parts and not file.name.startswith("<")


def _points(group: str) -> list[EntryPoint]:
    import importlib.metadata  # takes a tenth of what --help may

    return sorted(importlib.metadata.entry_points(group=group), key=lambda point: (point.name, point.value))


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module
