"""Advise and tune: name a task, a report or a plan, and get a plan, or a tuned model.

Enters: what a user names. Leaves: the plan that follows, or a :class:`~probekit.tuning.training.run.Tuned`. A plan that
is given stands; without one the report's advice is taken, and without a report the whole model is tuned.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from probekit import plain
from probekit.models.sources.locate import DEFAULT
from probekit.report import SECONDS, LayerReport
from probekit.storage.strict import canonical
from probekit.tasks import ProbeTask
from probekit.tuning import advise as advising
from probekit.tuning.choices import typed_modules
from probekit.tuning.closeness import check_close
from probekit.tuning.data.materials import Materials, gather
from probekit.tuning.data.reading import AskedReading
from probekit.tuning.finding.errors import asked_of, with_found
from probekit.tuning.heads import get_head
from probekit.tuning.options import bound
from probekit.tuning.placing import at_position, check_chats
from probekit.tuning.plan import TunePlan
from probekit.tuning.planning.adding import added_fields, on_frozen_blocks, values_of
from probekit.tuning.plans import make_plan
from probekit.tuning.training.run import Running, Tuned, run_plan
from probekit.tuning.training.watching import Moment, Watcher

WITHOUT_REPORT = "full"


def advise(
    report: LayerReport | str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    corpus: Any = None,
    on: Any = None,
    probes: Any = (),
    changes: str | Sequence[str] = (),
    examples: int | None = None,
) -> TunePlan:
    """Make a plan from a report; nothing trains.

    Parameters
    ----------
    report : LayerReport or path
        It also says where model, corpus and cache are.
    model, corpus, on, probes
        As :func:`~probekit.tune` takes them.
    changes : str or sequence of str
        Fields of the plan to set, ``keep=3``.
    examples : int, optional
        As many training examples as :func:`~probekit.tune` is to draw.

    Returns
    -------
    TunePlan
        With a reason for every decision (``why``); ``tune(plan=..., report=...)`` runs it.

    Raises
    ------
    UsageError
        A report of another model; a change that does not fit.
    InputError
        A report that decides nothing: no dev rows, one layer, no layer above its floor.
    CacheError
    """
    materials = gather(report=report, model=model, corpus=corpus, on=on, probes=probes)
    chosen = plain.texts(changes, "changes")
    return plan_for(materials, changes=chosen, examples=examples, digest=digest_of_report(report))


def tune(
    task: str | ProbeTask | None = None,
    *,
    plan: TunePlan | str | os.PathLike[str] | None = None,
    report: LayerReport | str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    corpus: Any = None,
    annotations: Any = (),
    on: Any = None,
    probes: Any = (),
    targets: str | None = None,
    changes: str | Sequence[str] = (),
    modules: str | Sequence[str] = (),
    close: str | Sequence[str] = (),
    signals: str | Sequence[str] = (),
    first: str | Sequence[str] = (),
    slices: str | Sequence[str] = (),
    examples: int | None = None,
    fold: tuple[int, int] | None = None,
    save: str | None = None,
    out: str | os.PathLike[str] | None = None,
    input: str | None = None,
    max_length: int | None = None,
    overflow: str | None = None,
    at: str | None = None,
    chat_template: str | os.PathLike[str] | None = None,
    device: str = "auto",
    revision: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: Callable[[float, str], None] | None = None,
    told: Callable[[str], None] | None = None,
) -> Tuned:
    """Fine-tune a model for a task, by a plan.

    Parameters
    ----------
    task : str or ProbeTask, optional
        By default that of the plan or the report.
    plan : TunePlan, path or name, optional
        A plan, a file of one, or one of the catalogue (``full``, ``top:2``, ``head-only``, ``ulmfit``). By default what
        the report advises, and ``full`` without a report.
    report : LayerReport or path, optional
        Of this task and model; it also says where model, corpus and cache are.
    model : str or path, optional
    corpus : anything :func:`~probekit.corpus.open_corpus` takes, optional
    annotations : path or Corpus, or a sequence of them
    on : path or ActivationCache, optional
        Frozen layers are read from this cache of the same model and corpus, and never run.
    probes : path or sequence of paths
        Folders of your own tasks.
    targets : {"labels", "numbers", "text"}, optional
        What is predicted; by default labels, numbers where the report's estimator predicts numbers, and text for the
        task ``text``: a language model goes on learning from the corpus, with the head that it has.
    changes : str or sequence of str
        Fields of the plan to set, ``keep=3`` [1]_.
    modules : str or sequence of str
        Modules to put into blocks, ``bottleneck:16@3-6``; the blocks themselves then stay as they are.
    close : str or sequence of str
        What keeps the model close to the pretrained one.
    signals : str or sequence of str
        What it learns from beside the task, ``lm:0.2..0.1``.
    first : str or sequence of str
        What the model is tuned for before the task, one behind the other, ``label@snli.jsonl:epochs=3``, ``lm@FILE``:
        each is a run of its own, in the folder ``first`` of this one, whose blocks the next starts from.
    slices : str or sequence of str
        What is scored apart, ``length:min=30``, or ``errors``: found from what a first pass gets wrong.
    examples : int, optional
        Train on so many training examples, drawn by the plan's seed.
    fold : (int, int), optional
        Hold this one (from 1) of so many folds of train and dev out as dev: members of an ensemble. The plan, slices of
        it among them, is made from the corpus as it is, and is the same for all folds.
    save : {"whole", "delta"}, optional
        The tuned model as transformers loads it, or what differs from the model it came from; by default whole, and
        what differs where the plan has modules.
    out : path, optional
        Folder of the run; by default one in ``runs``, named after task, model and plan. An interrupted run of the same
        plan goes on.
    input, max_length, overflow : optional
        How text is read; see :func:`~probekit.extract`. By default as the cache holds it; without one as words, up to
        the model's limit, and longer ones are an error. A value that is not that of `on` is refused, and for one that
        is not that of the report's cache this is left aside. Overlapping windows are refused.
    at : str, optional
        The position of every example that is read, ``last-prompt``; by default that of the plan or the report.
    chat_template : path, optional
        The file of the template that a cache of chats was made with, where that is not the model's own.
    device : {"auto", "cpu", "cuda", "mps"}
    revision : str, optional
        Of a model on the hub.
    cache : path, optional
        Folder of caches.
    progress : callable, optional
        Called with the share done (0..1) and a note.
    told : callable, optional
        Called with what a person must know while it runs.

    Returns
    -------
    Tuned

    Raises
    ------
    UsageError, InputError, CacheError, NumericError, ResourceError, NetworkError

    References
    ----------
    .. [1] :meth:`~probekit.tuning.plan.TunePlan.with_set`.
    """
    given = read_plan(plan)
    materials = gather(
        task,
        plan=given if isinstance(given, TunePlan) else None,
        report=report,
        model=model,
        corpus=corpus,
        annotations=annotations,
        on=on,
        probes=probes,
        targets=targets,
        reading=AskedReading(input, max_length, overflow),
        at=at,
        chat_template=chat_template,
        device=device,
        revision=revision,
        cache=cache,
    )
    parts = materials  # the plan is that of all folds, and so made of the corpus as it is
    if fold is not None:
        wanted = "two whole numbers, which fold of how many"
        if len(numbers := plain.wholes(fold, "fold", wanted)) != 2:
            raise plain.refused("fold", wanted, fold)
        parts = materials.folded(*numbers)
    named, asked = asked_of(plain.texts(slices, "slices"))
    chosen = plan_for(
        materials,
        given,
        changes=[
            *plain.texts(changes, "changes"),
            *added_fields(
                plain.texts(modules, "modules"),
                plain.texts(close, "close"),
                plain.texts(signals, "signals"),
                plain.texts(first, "first"),
                named,
            ),
        ],
        examples=examples,
        digest=digest_of_report(report),
    )
    chosen = with_found(materials, chosen, asked, examples=examples, told=told)
    folder = None if out is None else plain.path(out, "out")
    running = Running(watch=None if progress is None else _watching(progress), told=told)
    return run_plan(parts, chosen, folder, examples=examples, save=save, running=running)


def _watching(progress: Callable[[float, str], None]) -> Watcher:
    def watch(moment: Moment) -> None:
        progress(moment.share, moment.note)

    return watch


def read_plan(plan: TunePlan | str | os.PathLike[str] | None) -> TunePlan | str | None:
    """Return a plan, or the name of one in the catalogue."""
    if plan is None or isinstance(plan, TunePlan):
        return plan
    if isinstance(plan, str) and not plan.endswith(".json") and not os.path.exists(plan):
        return plan
    return TunePlan.read_file(plan)


def plan_for(
    materials: Materials,
    plan: TunePlan | str | None = None,
    *,
    changes: Sequence[str] = (),
    examples: int | None = None,
    digest: str | None = None,
) -> TunePlan:
    """Return the plan to run: the one given, the one of that name, or what the report advises.

    Raises
    ------
    UsageError
        The plan is for another model or task; a change that does not fit.
    InputError
        The report decides nothing.
    """
    data, facts = materials.data, materials.facts
    n_train = min(len(data.training), examples or len(data.training))
    typed = "" if plan is not None or materials.report is None else ";".join(values_of("modules", changes))
    if isinstance(plan, TunePlan):
        made = plan
    elif plan is None and materials.report is not None:
        made = advising.advise(
            materials.report,
            facts,
            n_train=n_train,
            task=data.task.name,
            labels=data.classes,
            modules=typed_modules(typed),
            digest=digest,
        )
    else:
        made = make_plan(
            plan or WITHOUT_REPORT,
            facts,
            data.task.name,
            kind=data.task.kind,
            labels=data.classes,
            n_train=n_train,
            targets=data.targets,
        )
    if not isinstance(plan, TunePlan) and facts.name != DEFAULT:
        made = replace(made, model=replace(made.model, folder=materials.model_folder))
    if typed:  # the report said where they sit
        changes = [change for change in changes if not values_of("modules", [change])]
    if changes:
        by_hand = [change.partition("=")[0].strip() for change in changes]
        made = on_frozen_blocks(made.with_set(*changes), by_hand) if "modules" in by_hand else made.with_set(*changes)
    made = at_position(made.check(facts, data.task.name), data.at).without_shared(facts)
    if materials.read_from.get("input") == "chat":
        check_chats(made)
    check_close(made)
    head = get_head(made.head.name)
    head.check(kind=data.task.kind, targets=data.targets, pool=made.read.pool)
    head.check_read(made.read, made.keep)
    bound(head.build, f"head '{head.name}'", made.head.options)
    return made


def digest_of_report(report: Any) -> str | None:
    """Return the sha256 of a report's file without its seconds, which differ each time; None of a report in memory."""
    if report is None or isinstance(report, LayerReport):
        return None
    document = LayerReport.read(report).to_json()
    return hashlib.sha256(canonical({name: value for name, value in document.items() if name != SECONDS})).hexdigest()
