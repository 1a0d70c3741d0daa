"""Extract: run a model over a corpus once and keep every layer of every token.

Enters: a model, a corpus, options. Leaves: a complete cache, or one that the same call resumes. What is missing of it
is run by one of :mod:`probekit.extraction.engines`: in this process, or by several workers. A second run over a
complete cache returns at once and never imports torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from probekit import plain
from probekit.cache.reader import ActivationCache
from probekit.cache.write.staging import stage
from probekit.corpus import open_corpus
from probekit.extraction.chats import with_template
from probekit.extraction.engines import Job, get_engine
from probekit.extraction.fitting import Choose, refuse, within
from probekit.extraction.identity import complete_cache, former_name_note, identify, other_caches
from probekit.extraction.kept_places import KeptPlaces
from probekit.extraction.opening import load_for
from probekit.extraction.request import Request
from probekit.extraction.result import Extraction, summarise
from probekit.extraction.spec import Changes
from probekit.models.sources.find import find_model, shadowing_note, stamps

Progress = Callable[[float, str], None]


def extract(
    model: str | os.PathLike[str] = "minilm",
    corpus: Any = "grammar",
    *,
    layers: str | int | Iterable[int | str] = "all",
    sites: str | Iterable[str] | None = None,
    dtype: str = "float32",
    store: str = "same",
    device: str = "auto",
    device_map: str | None = None,
    max_memory: str | Mapping[str | int, str | int] | None = None,
    offload: str | os.PathLike[str] | None = None,
    batch_tokens: int | None = None,
    input: str = "words",
    chat: bool = False,
    chat_template: str | os.PathLike[str] | None = None,
    max_length: int | None = None,
    overflow: str = "error",
    random_weights: int | None = None,
    shuffled_weights: int | None = None,
    shuffled_layers: int | None = None,
    edits: Changes | None = None,
    revision: str | None = None,
    subsample: int | None = None,
    shard: tuple[int, int] | None = None,
    mixed: bool = False,
    cache: str | os.PathLike[str] | None = None,
    keep: str = "tokens",
    max_disk: str | int | None = None,
    engine: str = "local",
    workers: int | None = None,
    address: str | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Keep the vectors of every token of a corpus at every layer of a model.

    Parameters
    ----------
    model : str or path
        ``minilm`` (the bundled default), a local folder, or a name on the hub; ``static:`` and a file of
        word vectors (GloVe, word2vec text), or ``static:`` and a model, its input embeddings alone.
    corpus : str, Path, DataFrame, list of lists of words, or Corpus
    layers : "all", str, int, or an iterable of layers
        0 is what block 1 reads, i the raw output of block i, ``final`` the output of the final norm.
    sites : str or iterable of str, optional
        Places inside of the blocks of these layers that are kept beside them: ``weights``, ``heads``, ``attention``,
        ``between``, ``router``, ``mlp``; see ``probekit.sites.INSIDE``.
    dtype : {"float32", "bfloat16", "float16"}
        Computing precision.
    store : {"same", "float32", "bfloat16", "float16"}
        Precision on disk.
    device : {"auto", "cpu", "cuda", "mps"}
    device_map : {"auto", "sequential"}, optional
        Spread a model that does not fit on one device over GPUs, CPU and disk, by accelerate.
    max_memory : str or mapping, optional
        Of a device map: what each device may hold of the weights, ``"0=20GB,cpu=8GB"``; devices not named hold none.
    offload : path, optional
        Of a device map: where the temporary folder of weights lies that cannot be read from the model's own files.
    batch_tokens : int, optional
        Tokens a batch, padding included; by default a table by device and dtype.
    input : {"words", "text"}
        Read the words joined by single spaces, or the surface text.
    chat : bool
        Read the messages of chats by the template of the model's tokenizer, in its sandbox; every chat is certified.
    chat_template : path, optional
        A file in the place of the model's own template.
    max_length : int, optional
        Tokens the model may read at once, special ones included.
    overflow : {"error", "truncate", "window"}
        What to do with longer examples.
    random_weights : int, optional
        Seed of a control model with random weights.
    shuffled_weights, shuffled_layers : int, optional
        Seed of a control model with the numbers of the trained one in other places: inside of each parameter, or
        whole blocks exchanged.
    edits : Changes, optional
        What the model is changed by while it reads: ``probekit.ablation.Edits``. The cache is another.
    revision : str, optional
        Of a model on the hub.
    subsample : int, optional
        Keep about this many examples.
    shard : (int, int), optional
        Do part i of n only; the parts together give the same bytes as one run.
    mixed : bool
        Resume under other versions or another device than the first run's.
    cache : path, optional
        Folder of caches.
    keep : str
        Which rows are kept: ``tokens``; ``words`` (``words:first``, ``words:last``), a row a word, the mean of its
        tokens; or a list of places with a row each: ``sentence`` (the whole example), positions as ``probe`` names
        them (``last-prompt``, ``assistant``), ``spans:TASK``. Pooled where the model runs; the cache is another.
    max_disk : str or int, optional
        What the cache may take, like ``"20GB"``; of more, nothing is computed and the error says what would fit.
    engine : {"local", "ray"} or of an installed package
        What runs the shards: this process, or workers of Ray; the bytes are the same.
    workers : int, optional
        Of Ray; by default one a core, or one a GPU.
    address : str, optional
        Of a Ray cluster that runs already; by default RAY_ADDRESS, else one is started on this machine.
    progress : callable, optional
        Called with the share done (0..1) and a note.

    Returns
    -------
    Extraction

    Raises
    ------
    UsageError, InputError, CacheError, NumericError, ResourceError, NetworkError

    Notes
    -----
    Numbers, paths and dtypes of numpy, torch and pandas are read as plain ones; nothing is left out.
    """
    request = Request.build(
        model,
        corpus,
        layers=layers,
        sites=sites,
        dtype=dtype,
        store=store,
        device=device,
        device_map=device_map,
        max_memory=max_memory,
        offload=offload,
        batch_tokens=batch_tokens,
        input=input,
        chat=chat,
        chat_template=chat_template,
        max_length=max_length,
        overflow=overflow,
        random_weights=random_weights,
        shuffled_weights=shuffled_weights,
        shuffled_layers=shuffled_layers,
        edits=edits,
        revision=revision,
        subsample=subsample,
        shard=shard,
        mixed=mixed,
        cache=cache,
        keep=keep,
        max_disk=max_disk,
        engine=engine,
        workers=workers,
        address=address,
    )
    return extract_request(request, progress=None if progress is None else plain.called(progress, "progress"))


def extract_request(
    request: Request,
    *,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
    choose: Choose = refuse,
) -> Extraction:
    """Do what a checked :class:`Request` asks for; see :func:`extract`.

    `notify` is told, before the model runs, what opening and reading the corpus decided, which caches of the same names
    exist and what differs. `choose` is asked which other options to take where the request would not fit on the disk.
    """
    request = within(request, choose)
    source = find_model(request.model, revision=request.revision)
    before = stamps(source)
    request, corpus = with_template(request, source), open_corpus(request.corpus)
    places = KeptPlaces(request.spec.keep) if request.spec.keep.places else None
    with stage(corpus, request.root, subsample=request.subsample, places=places) as staged:
        tell = notify or (lambda note: None)
        remarks = [*shadowing_note(request.model), *source.remarks, *staged.remarks]
        remarks += [] if places is None else places.notes()
        for note in remarks:
            tell(note)
        loaded = None
        if request.spec.control is not None:
            # A control model is identified by the state that the seed produced, so make it first.
            loaded = load_for(request, source)
        identity = identify(request, source, staged, loaded)
        if (done := complete_cache(request.root, identity, notify=notify)) is not None:
            cache = ActivationCache.open(done)
            result = summarise(
                cache.manifest, done, request.spec, staged.summary(), made_with=cache.made_with, reused=True
            )
            result.notes.extend([*remarks, *former_name_note(cache, identity)])
            return result
        notes = other_caches(request.root, identity)
        for note in notes:
            tell(note)
        job = Job(request, source, before, corpus, staged, identity, loaded, progress, tell)
        result = get_engine(request.engine).run(job)
        result.notes.extend([*remarks, *notes])
        return result
