"""What a plan is applied to: a model, a task over a corpus, and perhaps a cache of the model's states.

Enters: names and paths, or a report that says most of them. Leaves: :class:`Materials`. Surprise: the cache decides
which weights the model must have; one whose digests differ is refused, since its states would be another model's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache as cached
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit import plain
from probekit.cache.location import cache_root, named_cache
from probekit.cache.reader import ActivationCache
from probekit.controls import KINDS, control_of, edits_line
from probekit.corpus import Corpus, open_corpus, reopen_annotated
from probekit.corpus.corpus import CorpusSource
from probekit.errors import CacheError, ProbekitError, UsageError
from probekit.extraction.opening import limit_of
from probekit.extraction.spec import ExtractionSpec
from probekit.models.sources.find import find_again, find_model, find_of_cache, runs_of
from probekit.report import STUDY, LayerReport
from probekit.tasks import ProbeTask
from probekit.tasks.positions import place_of
from probekit.tuning.data.data import TuningData, from_cache, from_model
from probekit.tuning.data.folds import folded
from probekit.tuning.data.reading import HOW, AskedReading, ReadTokens, read_cache, read_model, read_so, reading_for
from probekit.tuning.data.text import TARGETS, TEXT, lay_out_text, load_language_model, task_named
from probekit.tuning.facts import ModelFacts
from probekit.tuning.groups import facts_of
from probekit.tuning.plan import TunePlan

if TYPE_CHECKING:
    from probekit.models.sources.find import ModelSource
    from probekit.models.sources.load import LoadedModel

READ = (STUDY, "mix")
"""Parts of a report that a plan is made from: the curve, and the learned mix. Other analyses are not its cost."""


@dataclass(frozen=True, slots=True)
class Materials:
    """A model, the targets of a task, and where states are cached.

    Attributes
    ----------
    loaded : LoadedModel
        Whole; no plan changes it.
    facts : ModelFacts
    data : TuningData
    cache : ActivationCache or None
    report : LayerReport or None
    read_from : mapping
        Where the corpus was read from (None of one that is nowhere), and how text is read.
    fold : tuple of int or None
        Which fold of how many is held out as dev; None: the parts are those of the corpus.
    """

    loaded: LoadedModel
    facts: ModelFacts
    data: TuningData
    cache: ActivationCache | None
    report: LayerReport | None
    read_from: Mapping[str, Any] = field(default_factory=dict)
    fold: tuple[int, int] | None = None

    def folded(self, fold: int, folds: int) -> Materials:
        """Return the same with one fold of train and dev held out: :func:`~probekit.tuning.data.folds.folded`."""
        return replace(self, data=folded(self.data, fold, folds), fold=(fold, folds))

    @property
    def extraction_seconds(self) -> float:
        """What the runs took that made the cache; 0 without one."""
        return 0.0 if self.cache is None else float(sum(run.get("seconds") or 0.0 for run in runs_of(self.cache)))

    @property
    def model_folder(self) -> str:
        """Where the files of the model are."""
        return str(self.loaded.source.files()[0].parent.absolute())

    @property
    def probing_seconds(self) -> float | None:
        """What the report took, as far as a plan reads it; None without a report, or where it does not say."""
        return probing_seconds(self.report)


def probing_seconds(report: LayerReport | None) -> float | None:
    """Return what a report took, as far as a plan reads it; None without one, or where it does not say."""
    seconds = {} if report is None else report.seconds
    if STUDY not in seconds:
        return None
    return float(sum(spent for name, spent in seconds.items() if name in READ))


def gather(
    task: str | ProbeTask | None = None,
    *,
    plan: TunePlan | None = None,
    report: LayerReport | str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    corpus: Any = None,
    annotations: Any = (),
    on: str | os.PathLike[str] | ActivationCache | None = None,
    probes: Any = (),
    targets: str | None = None,
    reading: AskedReading | None = None,
    at: str | None = None,
    chat_template: str | os.PathLike[str] | None = None,
    device: str = "auto",
    revision: str | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Materials:
    """Find and open everything.

    Parameters
    ----------
    task : str or ProbeTask, optional
        By default that of the plan, or of the report.
    plan : TunePlan, optional
        Says task and model where they are not given.
    report : LayerReport or path, optional
        Says task, model, corpus and cache where they are not given.
    model : str or path, optional
        By default that of the cache, of the plan, or of the report; else ``minilm``. It is looked for in the folder
        that the cache or the plan was made from, and then by its name.
    corpus : anything :func:`~probekit.corpus.open_corpus` takes, optional
    annotations : path or Corpus, or a sequence of them
    on : path or ActivationCache, optional
        A cache of the same model and corpus: frozen layers are read from it. By default the report's, if it is there.
    probes : path or sequence of paths
        Folders of your own tasks.
    targets : {"labels", "numbers", "text"}, optional
        What is predicted; by default what the report's estimator predicts, else labels; of the task ``text`` always
        text, by a model that is loaded with its own head.
    reading : AskedReading, optional
        How text is read; by default as the cache holds it, or as words, text or chats as that of the report was.
    at : str, optional
        The position of every example that is read, ``last-prompt``; by default that of the plan, or of the report.
    chat_template : path, optional
        Of a cache of chats: the file of the template that it was made with, where that is not the model's own.
    device : {"auto", "cpu", "cuda", "mps"}
    revision : str, optional
        Of a model on the hub.
    cache : path, optional
        Folder of caches.

    Raises
    ------
    UsageError, InputError, CacheError
    """
    read = report if report is None or isinstance(report, LayerReport) else LayerReport.read(report)
    chosen = _task(plan.task if task is None and plan is not None else task, read, probes)
    opened = _cache(on, read, cache)
    source, found = _model(model, opened, plan, read, revision=revision)
    record = opened.source if opened is not None else _record(read)
    if corpus is None and record is None:
        raise UsageError("Say what to train on: --corpus FILE, or --on CACHE, or --report FILE.")
    listed = plain.sources(annotations, "annotations", Corpus)
    whole = reopen_annotated(record, instead=None if corpus is None else open_corpus(corpus), annotations=listed)
    if opened is not None:
        _check_same_model(opened, source)
    asked, text = reading or AskedReading(), chosen.name == TEXT.name
    load = cached(lambda: load_language_model(source, device=device) if text else source.load(device=device))
    fitting = read_so(opened, asked, found, named=on is not None, limit=lambda own: limit_of(load(), own))
    how = reading_for(opened, {} if read is None else read.settings, asked, source, chat_template)
    opened = fitting if on is not None else _of_tokens(fitting, found)
    predicted = targets or (TARGETS if text else _targets(read))
    if text != (predicted == TARGETS):
        raise UsageError(f"The task '{chosen.name}' cannot be tuned with `targets` '{predicted}'. Leave that out.")
    asked_at = _position(plain.text(at, "at") if at is not None else None, plan, read)
    if text:
        _check_text(asked_at, how)
    loaded = load()
    if len(loaded.stacks) != 1 or loaded.stacks[0].n_layers == 0:
        raise UsageError(
            f"'{source.name}' cannot be tuned: it has {'two stacks' if len(loaded.stacks) > 1 else 'no blocks'}. Name "
            "a model with one stack of blocks, such as an encoder or a decoder."
        )
    if text:
        data = lay_out_text(loaded, whole.name, _read(loaded, whole, opened, how))
    elif opened is not None:
        data = from_cache(opened, whole, chosen, targets=predicted, at=asked_at)
    else:
        data = from_model(loaded, whole, chosen, targets=predicted, spec=how, at=asked_at)
    whole_data = replace(data, notes=[*found, *data.notes])
    written = {name: getattr(how, name) for name in HOW if name != "template" or how.template is not None}
    record = whole.source if whole.reopens else None
    read_from = {"corpus": None if record is None else record.to_json(), **written}
    return Materials(loaded, facts_of(loaded), whole_data, opened, read, read_from)


def _position(at: str | None, plan: TunePlan | None, report: LayerReport | None) -> str | None:
    """Return where every example is read: as asked, as the plan says, or where the report's probes read it."""
    if at is not None:
        return place_of(at).name
    if plan is not None:
        return plan.read.at
    return None if report is None else report.settings.get("at")


def _check_text(at: str | None, how: ExtractionSpec) -> None:
    """Refuse to go on with language modelling on what is no running text."""
    if at is not None:
        raise UsageError(f"The task 'text' is about every token, not about those at '{at}'. Leave out --at.")
    if how.input == "chat":
        raise UsageError(
            "The task 'text' goes on with texts as they are, and most tokens of chats are their template's. Name a "
            "corpus of texts, or a cache made without --chat."
        )


def _of_tokens(cache: ActivationCache | None, notes: list[str]) -> ActivationCache | None:
    """Leave a report's cache alone where it does not keep tokens."""
    if cache is None or not cache.keep.pooled:
        return cache
    notes.append(
        f"The report's cache keeps {cache.keep.said} (--keep {cache.keep.name}), so nothing is read from it: the model "
        "computes its frozen layers itself."
    )
    return None


def _read(loaded: LoadedModel, corpus: Corpus, cache: ActivationCache | None, spec: ExtractionSpec) -> ReadTokens:
    """Read the tokens of a text, from the cache where there is one that fits."""
    if cache is None:
        return read_model(loaded, corpus, spec)
    if loaded.head == "masked":
        raise UsageError(
            f"'{loaded.source.name}' is trained to fill in tokens that are hidden, others at every step, and "
            f"{cache.path.name} holds states of text that is whole. Leave out --on."
        )
    return read_cache(cache, corpus)


def _task(task: str | ProbeTask | None, report: LayerReport | None, probes: Any) -> ProbeTask:
    if task is None:
        if report is None:
            raise UsageError("Name a task: --task pos; `probekit tasks` lists them.")
        task = report.task
    found = task.with_option(None) if isinstance(task, ProbeTask) else task_named(task, *plain.paths(probes, "probes"))
    if report is not None and report.task != found.name:
        raise UsageError(
            f"The report is about '{report.task}', not '{found.name}'. Give that of this task, or leave out --task."
        )
    return found


def _cache(on: Any, report: LayerReport | None, root: Any) -> ActivationCache | None:
    """Open the cache that is named; that of the report where it is still there and whole."""
    if isinstance(on, ActivationCache):
        return on
    if on is not None:
        return ActivationCache.open(named_cache(plain.location(on, "on", "the folder of a cache"), cache_root(root)))
    path = report.provenance.get("cache") if report is not None else None
    if not isinstance(path, str) or not Path(path).is_dir():
        return None
    try:
        return ActivationCache.open(path)
    except ProbekitError:
        return None


def _model(
    model: Any,
    cache: ActivationCache | None,
    plan: TunePlan | None,
    report: LayerReport | None,
    *,
    revision: str | None,
) -> tuple[ModelSource, list[str]]:
    """Find the model that is named, or the one that the cache, the plan or the report was made from."""
    if model is not None:
        typed = str(plain.location(model, "model", "the name or the folder of a model"))
        return find_model(typed, revision=revision), []
    of_report = report.provenance.get("model") if report is not None else None
    if cache is not None:
        return find_of_cache(cache) if revision is None else (find_model(cache.model["name"], revision=revision), [])
    if plan is not None:
        name, folder, made = plan.model.name, plan.model.folder, "the plan"
    elif isinstance(of_report, Mapping) and of_report.get("name"):
        name, folder, made = str(of_report["name"]), None, "the report"
    else:
        return find_model(None, revision=revision), []
    if revision is not None:
        return find_model(name, revision=revision), []
    return find_again(name, folder, made=made)


def _record(report: LayerReport | None) -> CorpusSource | None:
    corpus = report.provenance.get("corpus") if report is not None else None
    record = corpus.get("annotations_from") if isinstance(corpus, Mapping) else None
    return None if record is None else CorpusSource.from_json(record)


def _targets(report: LayerReport | None) -> str:
    return "numbers" if report is not None and report.metric == "r2" else "labels"


def _check_same_model(cache: ActivationCache, source: ModelSource) -> None:
    if (control := control_of(cache.model)) is not None:
        raise CacheError(
            f"{cache.path.name} is of a model {KINDS[control.kind][1]}, which cannot be loaded to be tuned."
        )
    if cache.identity.get("edits"):
        raise CacheError(
            f"{cache.path.name} is of a model that was edited while it read ({edits_line(cache.identity['edits'])}), "
            "and a model without the edits cannot go on from there. Name a cache without edits."
        )
    now = source.digests()
    changed = [part for part, value in now.items() if cache.model.get(part) not in (None, value)]
    if changed:
        raise CacheError(
            f"{cache.path.name} was made from '{cache.model['name']}', whose {', '.join(changed)} are not those of "
            f"'{source.name}' as it is now in {source.files()[0].parent}. Extract again, or name the model of the "
            "cache with --model."
        )
