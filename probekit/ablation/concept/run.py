"""Ablate a concept: is it readable in a model's states, and does the model use it.

Enters: what a user names. Leaves: a :class:`~probekit.ablation.concept.report.ConceptReport`. Layers and strengths are
chosen on dev, erasers are fitted on training, and all that is shown is of test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from probekit import __version__, plain
from probekit.ablation.concept.corpus import limited
from probekit.ablation.concept.model import ConceptModel
from probekit.ablation.concept.readable import Readable, check_task
from probekit.ablation.concept.report import ConceptReport
from probekit.ablation.concept.saving import save_erasure
from probekit.ablation.concept.study import Plan, Study
from probekit.ablation.erasers import ERASERS
from probekit.ablation.passes import encoder_decoder
from probekit.ablation.run import numbered_layers
from probekit.behaviour.scoring.making import ScoringSpec, Session
from probekit.cache.reader import ActivationCache
from probekit.corpus import Corpus, open_corpus
from probekit.devices import choose_device
from probekit.errors import UsageError
from probekit.extraction.run import extract
from probekit.features.places import check_place
from probekit.models.sources.find import ModelSource, find_model
from probekit.models.sources.headed import check_head
from probekit.probing.dataset import find_sources
from probekit.probing.settings import Settings
from probekit.tasks import get_task
from probekit.tasks.positions import AskedPosition

Progress = Callable[[float, str], None]
"""Called with the share done (0..1) and a note."""


def ablate_concept(
    task: Any,
    model: str | os.PathLike[str],
    *,
    corpus: Any = "grammar",
    annotations: Any = (),
    chat: bool = False,
    chat_template: str | os.PathLike[str] | None = None,
    layers: str | Sequence[int] | None = None,
    at: str | None = None,
    everywhere: bool = False,
    eraser: str = "leace",
    draws: int = 5,
    limit: int | None = None,
    save: str | os.PathLike[str] | None = None,
    probes: Any = (),
    dtype: str = "float32",
    device: str = "auto",
    batch_tokens: int | None = None,
    revision: str | None = None,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> ConceptReport:
    """Erase what a linear reader can know of a label, and see what a probe and the model itself lose.

    Parameters
    ----------
    task : str, or sequence of str
        Over words, spans or sentences: ``morph:Number``, ``pos``. Of several each is erased, and the probes of the
        others are read again.
    model : str or path
        Causal or masked, with its head.
    corpus, annotations
        As of :func:`~probekit.probe`.
    chat, chat_template
        As of :func:`~probekit.extract`: messages are read by their template wherever the model reads them.
    layers : str or sequence of int, optional
        Where to erase, one after the other, ``3``, ``1,3``, ``all``; by default the layer at which the probe is best on
        dev.
    at : str, optional
        A position of each whole example, as :func:`~probekit.probe` takes it: probes read the states there, and erasers
        are fitted to them alone. Erased is at every token all the same, and the words that bear the label are all of
        the example, so that what a model loses can be compared with what it loses without the position.
    everywhere : bool
        Erase at all layers at once, each eraser fitted to what those below it leave; ``layers`` then says where probes
        read.
    eraser : {"leace", "inlp"}
        Or another of the catalogue.
    draws : int
        Random subspaces beside, of equal rank and of equal loss of variance each.
    limit : int, optional
        Sentences of dev and of test; four times as many of train.
    save : path, optional
        A folder for the erasers, with the edits that name them.
    probes, dtype, device, batch_tokens, revision
        As of :func:`~probekit.probe` and :func:`~probekit.extract`.
    seed : int
        Of controls and resamples.
    cache : path, optional
        Folder of caches.
    progress : callable, optional

    Returns
    -------
    ConceptReport

    Raises
    ------
    UsageError, InputError, CacheError, NumericError, ResourceError, NetworkError

    References
    ----------
    Elazar et al. 2021, https://arxiv.org/abs/2006.00995; Belrose et al. 2023, https://arxiv.org/abs/2306.03819
    """
    named = plain.texts(task, "task")
    if not named or len(set(named)) < len(named):
        raise UsageError(f"The `task` option must name tasks, each once, like morph:Number. Got {', '.join(named)}.")
    chats, place = bool(chat or chat_template), Settings(at=at).place
    for name in named:
        check_task(one := get_task(name, *plain.paths(probes, "probes")))
        if place is not None:
            check_place(place, one)
    wanted = numbered_layers(layers)
    if everywhere and wanted is not None and (isinstance(wanted, str) or len(wanted) > 1):
        raise UsageError("Erased at all layers a task is read at one: name one of `layers`, or leave it out.")
    kind = ERASERS.get(plain.text(eraser, "eraser"), "eraser")
    limit = None if limit is None else plain.whole(limit, "limit", least=1)
    seed, draws = plain.whole(seed, "seed", least=0), plain.whole(draws, "draws", least=1)
    source = find_model(str(model), revision=revision)
    refuse_encoder_decoder(source)
    read, notes = (open_corpus(corpus), []) if limit is None else limited(open_corpus(corpus), limit)
    made = extract(
        model, read, dtype=dtype, device=device, batch_tokens=batch_tokens, revision=revision,
        overflow="error" if chats else "truncate",  # a chat is never cut
        chat=chat, chat_template=chat_template, cache=cache, progress=_share(progress, 0.0, 0.2),
    )  # fmt: skip
    opened = ActivationCache.open(made.cache)
    known = [layer for layer in opened.layers() if isinstance(layer, int)]
    if wanted is not None and not isinstance(wanted, str) and (missing := set(wanted) - set(known)):
        raise UsageError(f"The `layers` option must name layers of 0 to {known[-1]}. Got {min(missing)}.")
    chosen = None if wanted is None else tuple(known if isinstance(wanted, str) else sorted(set(wanted)))
    plan = Plan(kind, chosen, plain.flag(everywhere, "everywhere"), draws, seed)
    asked = [Settings(task=name, layers=tuple(known), at=at, control_seeds=0, seed=seed) for name in named]
    readables = _read(opened, read, asked, annotations=annotations, probes=probes, device=device)
    spec = ScoringSpec(dtype=dtype, device=device, batch_tokens=batch_tokens)
    with Session(source, spec, stacks=True) as session:
        study = Study(ConceptModel(session, opened.index()), readables, known, plan)
        erasures = []
        cases = study.cases(_share(progress, 0.2, 0.4))
        for number, (readable, layer) in enumerate(cases):
            share = _share(progress, 0.4 + 0.6 * number / len(cases), 0.4 + 0.6 * (number + 1) / len(cases))
            found = study.erase(readable, layer, share)
            erasures.append({"task": readable.name, "layer": layer, "rank": found.rank, "loss": found.loss})
            if save is not None:
                save_erasure(plain.path(save, "save"), f"{readable.name} {layer}", found.erasers)
        said = [*session.notes, *study.model.notes, *study.notes]
    provenance = {
        "task": ", ".join(named),
        "tasks": list(named),
        "model": dict(opened.model),
        "corpus": dict(opened.corpus),
        "cache": str(opened.path),
        "settings": {
            "eraser": kind.name, "at": None if place is None else place.name, "chat": chats,
            "everywhere": plan.everywhere, "layers": chosen and list(chosen), "draws": draws,
            "limit": limit, "seed": seed, "dtype": dtype, "head": session.method, "probekit": __version__,
        },
        "references": [kind.reference, "Elazar et al. 2021, https://arxiv.org/abs/2006.00995"],
        "erasures": erasures,
        "notes": list(dict.fromkeys([*_method_notes(plan, session.method, place), *notes, *made.notes, *said])),
    }  # fmt: skip
    return ConceptReport(tuple(study.rows), provenance)


def refuse_encoder_decoder(source: ModelSource) -> None:
    """Refuse a model whose words are read in one stack and predicted in another.

    Raises
    ------
    UsageError
    """
    if check_head(source, "auto") == "seq2seq":
        raise encoder_decoder(source.name)


def _read(
    cache: ActivationCache, corpus: Corpus, settings: Sequence[Settings], *,
    annotations: Any, probes: Any, device: str,
) -> list[Readable]:  # fmt: skip
    sources = find_sources(cache, settings, corpus=corpus, annotations=annotations, probes=probes)
    where = choose_device(device, float64=True)
    return [Readable(cache, asked, source, where) for asked, source in zip(settings, sources, strict=True)]


def _method_notes(plan: Plan, head: str, place: AskedPosition | None) -> list[str]:
    """Say what is erased where, and what is predicted how."""
    where = "all layers at once, each fitted to what those below leave" if plan.everywhere else "one layer at a time"
    how = (
        "A word is predicted with all of its tokens masked."
        if head == "masked"
        else "A word is predicted from what stands before it, token after token."
    )
    fitted = "the words as they are written and to the places where they are predicted"
    of_example = []
    if place is not None:
        fitted = f"the states at '{place.name}' ({place.said}) alone"
        of_example = [
            "Of what other tokens hold of the label only that is erased which lies along the directions found at "
            f"'{place.name}'. The words that bear the label are all words of the example, as without a position."
        ]
    return [
        f"Erased is {plan.kind.said}, at every token that the model reads, special ones too, at {where}. Erasers are "
        f"fitted on training to {fitted}.",
        *of_example,
        f"{how} First choice: every token of it is the likeliest.",
        f"Random: {plan.draws} subspaces of as many directions, and {plan.draws} that take out as much variance; "
        "probes are read again under the first of each.",
    ]


def _share(progress: Progress | None, low: float, high: float) -> Progress | None:
    return None if progress is None else lambda done, note: progress(low + done * (high - low), note)
