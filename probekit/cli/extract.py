"""``probekit extract``: activations of every layer into the cache."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.extract_shown import choose_way, print_cost, print_result
from probekit.cli.options import (
    BatchTokens,
    CacheRoot,
    Chat,
    ChatTemplate,
    Debug,
    Device,
    DryRun,
    Dtype,
    Json,
    Layers,
    MaxLength,
    MaxMemory,
    Offload,
    Overflow,
    RandomWeights,
    Revision,
    ShuffledLayers,
    ShuffledWeights,
    Spread,
    Verbose,
    examples,
)
from probekit.cli.output import (
    progress_bar,
    say,
    set_quiet,
    show_json,
)
from probekit.cli.parts import parse_shard, without_shard
from probekit.cli.token_scores import check_score, print_scores
from probekit.controls import edits_line
from probekit.errors import UsageError

if TYPE_CHECKING:
    from probekit.ablation.extracting import Edits

EXAMPLES = examples(
    "probekit extract",
    "probekit extract ./my-model ./ud_english_ewt --layers 0,3,6 --store bfloat16",
    "probekit extract ./my-model ./ud_english_ewt --layers 2,3 --sites heads,mlp",
    "probekit extract ./my-model ./ud_english_ewt --edits heads.json",
    "probekit extract ./my-large-model ./ud_english_ewt --device-map auto --max-memory 0=20GB,cpu=8GB",
    "probekit extract ./my-chat-model questions.jsonl --chat --keep last-prompt,last",
    "probekit extract ./my-model ./ud_english_ewt --keep words --max-disk 20GB",
    "probekit extract ./my-model ./ud_english_ewt --engine ray --workers 2",
    "probekit extract ./my-model ./ud_english_ewt --dry-run",
    'probekit probe --task pos --on "$(probekit extract -q ./my-model corpus.conllu)"',
)


def extract_command(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="Hub name, local folder, or minilm: the bundled MiniLM of the demo extra. static:FILE: word vectors "
            "(GloVe, word2vec text); static:MODEL: a model's input embeddings alone.",
            metavar="MODEL",
        ),
    ] = "minilm",
    corpus: Annotated[
        str,
        typer.Argument(
            help="A file or folder (.conllu[.gz], .jsonl, .txt), hf:<dataset>, or grammar, the built-in language.",
            metavar="CORPUS",
        ),
    ] = "grammar",
    layers: Layers = "all",
    sites: Annotated[
        str | None,
        typer.Option(
            "--sites",
            help="Keep places inside of the blocks of these layers, too: a list of weights (of attention), heads, "
            "attention, between, router, mlp.",
            metavar="LIST",
        ),
    ] = None,
    dtype: Dtype = "float32",
    store: Annotated[
        str, typer.Option("--store", help="Precision on disk: same, float32, float16 or bfloat16.", metavar="NAME")
    ] = "same",
    device: Device = "auto",
    device_map: Spread = None,
    max_memory: MaxMemory = None,
    offload: Offload = None,
    batch_tokens: BatchTokens = None,
    input: Annotated[
        str,
        typer.Option(
            "--input", help="words: the corpus's words joined by single spaces; text: its surface text.", metavar="NAME"
        ),
    ] = "words",
    chat: Chat = False,
    chat_template: ChatTemplate = None,
    max_length: MaxLength = None,
    overflow: Overflow = "error",
    random_weights: RandomWeights = None,
    shuffled_weights: ShuffledWeights = None,
    shuffled_layers: ShuffledLayers = None,
    edits: Annotated[
        str | None,
        typer.Option(
            "--edits",
            help="Change the model while it reads: a file of edits, or their JSON. The cache is another.",
            metavar="EDITS",
        ),
    ] = None,
    revision: Revision = None,
    subsample: Annotated[
        int | None,
        typer.Option(
            "--subsample",
            help="Keep about this many examples, chosen by hash, in every split alike.",
            min=1,
            metavar="N",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option("--shard", help="Do part i of n only, e.g. 1/4; the parts together equal one run.", metavar="I/N"),
    ] = None,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Resume even though versions or device differ from the first run.")
    ] = False,
    score: Annotated[
        str | None,
        typer.Option(
            "--score",
            help="Keep the log-probability of every token under the model's own head, too: auto, causal, masked or "
            "masked-original.",
            metavar="NAME",
        ),
    ] = None,
    keep: Annotated[
        str,
        typer.Option(
            "--keep",
            help="Rows that are kept: tokens; words (words:first, words:last), one a word, the mean of its tokens; or "
            "places with one each, a list of sentence (the whole example), spans:TASK and positions (last-prompt, "
            "last, assistant ..).",
            metavar="ROWS",
        ),
    ] = "tokens",
    max_disk: Annotated[
        str | None,
        typer.Option(
            "--max-disk",
            help="What the cache may take, like 20GB, 500MB (powers of 1000) or 20GiB (of 1024). Of more, ways that "
            "would fit are offered before anything is extracted.",
            metavar="SIZE",
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="What runs the shards: local, this process; ray, workers of Ray on this machine or on a cluster. The "
            "bytes are the same.",
            metavar="NAME",
        ),
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Workers of Ray; by default one a core, or one a GPU.", min=1, metavar="N"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            help="A Ray cluster that runs already; by default RAY_ADDRESS, else one is started here.",
            metavar="ADDRESS",
        ),
    ] = None,
    dry_run: DryRun = False,
    cache: CacheRoot = None,
    json: Json = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print the cache's folder and nothing else, also on stderr.", callback=set_quiet
        ),
    ] = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Run a model over a corpus and keep the vectors of every token at every layer."""
    from probekit.extraction.request import Request

    if os.path.isfile(model):  # which a name that is too long is not, where Path.is_file would raise
        raise UsageError(
            f"The MODEL '{model}' is a file. The model comes first, then the corpus: probekit extract minilm {model}"
        )
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
        edits=None if edits is None else _read_edits(edits),
        revision=revision,
        subsample=subsample,
        shard=parse_shard(shard),
        mixed=mixed,
        cache=cache,
        keep=keep,
        max_disk=max_disk,
        engine=engine,
        workers=workers,
        address=address,
    )
    request = dataclasses.replace(request, resume_command=without_shard(context.obj))
    if score is not None:
        check_score(score, request, dry_run=dry_run)
    if dry_run:
        from probekit.extraction.cost import estimate
        from probekit.extraction.fitting import exceeding

        cost = estimate(request)
        excess = exceeding(request, cost)
        if json:
            show_json(cost.to_json() | ({} if excess is None else {"max_disk": excess.to_json()}))
        else:
            print_cost(cost, excess)
        return
    from probekit.extraction.run import extract_request

    told: list[str] = []

    def tell(note: str) -> None:
        told.append(note)
        say(note, quiet=json)

    if max_disk is not None:
        from probekit.extraction.fitting import refuse, within

        decide = refuse if json or quiet else choose_way
        # What is scored is every token.
        choose = decide if score is None else lambda excess: decide(excess.without("keep"))
        request = dataclasses.replace(within(request, choose), max_disk=None)
    with progress_bar("extracting", 1.0, quiet=quiet or json) as advance:
        result = extract_request(request, progress=advance, notify=tell)
    scores = None
    if score is not None:
        from probekit.behaviour.cached_scores import score_tokens

        with progress_bar("scoring", 1.0, quiet=quiet or json) as advance:
            scores = score_tokens(
                result.cache,
                request.model,
                score=score,
                device=request.device,
                batch_tokens=batch_tokens,
                revision=revision,
                progress=advance,
            )
    if json:
        show_json(result.to_json() | ({} if scores is None else {"scores": scores.to_json()}))
        return
    if quiet:
        typer.echo(str(result.cache))
        return
    for note in result.notes:
        say(note, quiet=note in told)
    if verbose:
        for name, value in result.alignment.items():
            say(f"  {name}: {value}")
    print_result(result)
    if request.spec.edits is not None:
        typer.echo(f"edits      {edits_line(request.spec.edits.identity())}")
    if scores is not None:
        print_scores(scores)


def _read_edits(text: str) -> Edits:
    from probekit.ablation.extracting import Edits

    return Edits.read(text)
