"""``probekit view``: pictures of what a cache or a report holds."""

from __future__ import annotations

import typer

from probekit.cli.options import examples
from probekit.cli.view_alignment import EXAMPLES as ALIGNMENT_EXAMPLES
from probekit.cli.view_alignment import alignment_command
from probekit.cli.view_attention import EXAMPLES as ATTENTION_EXAMPLES
from probekit.cli.view_attention import attention_command
from probekit.cli.view_lens import LENS_EXAMPLES, lens_command
from probekit.cli.view_maps import map_command
from probekit.cli.view_neurons import EXAMPLES, neurons_command
from probekit.cli.view_similarity import EXAMPLES as LAYERS_EXAMPLES
from probekit.cli.view_similarity import layers_command
from probekit.cli.view_words import ANALOGY_EXAMPLES, SIMILARITY_EXAMPLES, analogy_command, similarity_command

app = typer.Typer(
    help="Look at what a cache or a report holds.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=examples(
        "probekit view pca --task pos --layers 0,3,6 --plot pos.png",
        "probekit view pca CACHE --task deprel --show test --csv points.csv",
    ),
)

_MAPS = {
    "pca": "Targets along two principal components.",
    "tsne": "Targets by t-SNE: near ones stay near.",
    "umap": "Targets by UMAP: a layout of their neighbours.",
}
for _name, _help in _MAPS.items():
    app.command(
        _name,
        short_help=_help,
        epilog=examples(
            f"probekit view {_name} --task pos --layers 0,3,6 --plot pos.png",
            f"probekit view {_name} CACHE --task pos --colour-by length --show test --out map.jsonl",
        ),
    )(map_command)
app.command("attention", short_help="What heads give from word to word.", epilog=ATTENTION_EXAMPLES)(attention_command)
app.command("neurons", short_help="Which neurons carry a task.", epilog=EXAMPLES)(neurons_command)
app.command("similarity", short_help="How alike layers are.", epilog=LAYERS_EXAMPLES)(layers_command)
app.command("analogy", short_help="Analogies by word vectors.", epilog=ANALOGY_EXAMPLES)(analogy_command)
app.command("word-similarity", short_help="Cosines against human ratings.", epilog=SIMILARITY_EXAMPLES)(
    similarity_command
)
app.command("lens", short_help="What each layer would predict.", epilog=LENS_EXAMPLES)(lens_command)
app.command("alignment", short_help="Words of a translation by those of its source.", epilog=ALIGNMENT_EXAMPLES)(
    alignment_command
)
