"""What a model was before it is tuned: where it is a run's, that run's head and rows; else what it was pretrained for.

Enters: a run before its first step. Leaves: a :class:`Source`, which opens only what is asked of it. Surprise: the rows
of a run are read again from where they were, and are refused where they are no longer those that it trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.corpus import open_corpus, reopen_annotated
from probekit.corpus.corpus import CorpusSource
from probekit.errors import CacheError, UsageError
from probekit.extraction.spec import ExtractionSpec
from probekit.tuning.data.data import TuningData, from_model
from probekit.tuning.data.folds import folded
from probekit.tuning.data.reading import USUAL, beside_chats, further, read_model, reading_of
from probekit.tuning.data.text import TARGETS, TEXT, lay_out_text, load_language_model, task_named
from probekit.tuning.groups import facts_of
from probekit.tuning.network.assembly import assemble
from probekit.tuning.plan import TunePlan
from probekit.tuning.plans import make_plan
from probekit.tuning.runs.folder import RunFolder
from probekit.tuning.runs.identity import FOLD, PLAN, READ_FROM, RUN, complete_record
from probekit.tuning.runs.opening import with_head

if TYPE_CHECKING:
    from probekit.models.sources.load import LoadedModel
    from probekit.tasks import ProbeTask
    from probekit.tuning.network.network import Network


@dataclass(frozen=True, slots=True)
class Source:
    """The model that a run starts from, loaded anew whenever it is asked for.

    Attributes
    ----------
    started : LoadedModel
        That of the run that starts, which stays as it is.
    known : ProbeTask or None
        The task of that run, which may be that of this one, and stand in no catalogue.
    reading : ExtractionSpec
        How the run that starts reads its texts.
    """

    started: LoadedModel
    known: ProbeTask | None = None
    reading: ExtractionSpec = USUAL

    @property
    def place(self) -> Path:
        """The folder of its files."""
        return self.started.source.files()[0].parent

    @property
    def is_run(self) -> bool:
        """Whether it is the model of a run."""
        return (self.place / RUN).is_file()

    @property
    def asked(self) -> dict[str, Any]:
        """The record of the run that it is of.

        Raises
        ------
        UsageError, CacheError
            It is no run's, or of one that is not complete.
        """
        return complete_record(RunFolder(self.place, writes=False))

    @property
    def task(self) -> ProbeTask:
        """The task of the run that it is of."""
        return task_named(self.asked["task"], *([] if self.known is None else [self.known]))

    def loaded(self, *, text: bool) -> LoadedModel:
        """Return the model, with its own head where that is to predict tokens."""
        source, device = self.started.source, self.started.device.type
        return load_language_model(source, device=device) if text else source.load(device=device)

    def network(self) -> Network:
        """Return the model with the head of the run that it is of."""
        asked = self.asked
        run, plan = RunFolder(self.place, writes=False), TunePlan.read_file(self.place / PLAN)
        return with_head(self.loaded(text=asked["targets"] == TARGETS), run, plan, asked, beside=None)

    def rows(self, loaded: LoadedModel, instead: str | None) -> TuningData:
        """Return the rows that the run trained on.

        Parameters
        ----------
        loaded : LoadedModel
            That reads them.
        instead : str or None
            Where they are now.

        Raises
        ------
        UsageError
            It is not known where they are.
        CacheError
            They are others.
        """
        return rows_of(self.place, self.asked, self.task, loaded, instead, option="--close ewc:rows=CORPUS")

    def language_model(self) -> Network:
        """Return the model with the head that it was pretrained with.

        Raises
        ------
        UsageError
            It has none; or the run reads chats, most of whose tokens are their template's.
        """
        if self.reading.input == "chat":
            raise beside_chats("'ewc' with rows=")
        try:
            loaded = self.loaded(text=True)
        except UsageError as error:
            raise UsageError(f"'ewc' with rows= needs the head that the model was pretrained with. {error}") from error
        plan = make_plan("full", facts_of(loaded), TEXT.name, kind=TEXT.kind, targets=TARGETS)
        return assemble(loaded, plan, kind=TEXT.kind, targets=TARGETS, classes=())

    def text(self, loaded: LoadedModel, rows: str) -> TuningData:
        """Return a corpus for :meth:`language_model`, read as the run reads its own; what is too long is cut off."""
        corpus = open_corpus(rows)
        return lay_out_text(loaded, corpus.name, read_model(loaded, corpus, further(self.reading)))


def rows_of(
    place: Path, asked: Mapping[str, Any], task: ProbeTask, loaded: LoadedModel, instead: Any, *, option: str
) -> TuningData:
    """Read the rows of a run again, in the parts that it had them in.

    Parameters
    ----------
    place : Path
        Of the run.
    asked : mapping
        Its record.
    task : ProbeTask
    loaded : LoadedModel
        That reads them.
    instead : anything :func:`~probekit.corpus.open_corpus` takes, or None
        Where they are now.
    option : str
        By which that is said.

    Raises
    ------
    UsageError
        It is not known where they are.
    CacheError
        They are others.
    """
    read_from = asked.get(READ_FROM) or {}
    record = None if (document := read_from.get("corpus")) is None else CorpusSource.from_json(document)
    spec, at = reading_of(read_from), asked["plan"]["read"].get("at")
    if instead is None and record is None:
        raise UsageError(f"The run in {place} does not say where the rows are that it trained on. Name them: {option}.")
    corpus = reopen_annotated(record, instead=None if instead is None else open_corpus(instead))
    if asked["targets"] == TARGETS:
        data = lay_out_text(loaded, corpus.name, read_model(loaded, corpus, spec))
    else:
        data = from_model(loaded, corpus, task, targets=asked["targets"], spec=spec, at=at)
    if FOLD in asked:
        data = folded(data, *asked[FOLD])
    data = data.limited(asked["examples"], asked["plan"]["loop"]["seed"])
    if data.digest != asked["data"]:
        raise CacheError(
            f"The rows of '{corpus.name}' are not those that the run in {place} trained on. Name these: {option}."
        )
    return data
