"""A dataset repository of the Hub as the place of a cache: one commit, and a card that says what it is.

Enters: the plan of a complete cache, ``hf://datasets/USER/NAME``. Leaves: the repository, private where it is new, with
the cache in a folder of its own. Files that the Hub has are told by their digests and not sent again. Surprise: the
words of the corpus go with a cache, so the card names the corpus and its licence, and publishing is left to its owner.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from probekit.cache.format.names import MANIFEST
from probekit.cache.format.plan import CachePlan
from probekit.cache.manage.arrival import files_of
from probekit.errors import NetworkError, UsageError, reason_of
from probekit.storage.files import read_small
from probekit.storage.strict import parse_object

CARD = "README.md"
_REPOSITORY = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+?)/*", re.ASCII)


def is_hub(url: str) -> bool:
    """Tell whether a URL is of the Hub."""
    return url.startswith("hf://")


def push_to_hub(plan: CachePlan, url: str, name: str) -> tuple[str, int, int]:
    """Commit a cache to a dataset repository, which is made, privately, where there is none.

    Parameters
    ----------
    plan : CachePlan
        Of a cache that was verified.
    url : str
        ``hf://datasets/USER/NAME``.
    name : str
        Of the cache, its folder there.

    Returns
    -------
    (str, int, int)
        The URL to pull from; files and bytes of the commit.

    Raises
    ------
    UsageError
        Another URL, or no huggingface_hub.
    NetworkError
        The Hub refused, or cannot be reached.
    """
    if not (matched := _REPOSITORY.fullmatch(url)):
        raise UsageError(f"'{url}' is no dataset repository of the Hub. Give hf://datasets/USER/NAME.")
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise UsageError("hf:// needs huggingface_hub. Install it: pip install 'probekit-nlp[hub]'.") from error
    repository, api = matched[1], HfApi()
    names = [file for part in files_of(plan).values() for file in part]
    try:
        api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
        if not api.file_exists(repository, CARD, repo_type="dataset"):
            api.upload_file(
                path_or_fileobj=card(plan, f"hf://datasets/{repository}/{name}").encode(),
                path_in_repo=CARD,
                repo_id=repository,
                repo_type="dataset",
                commit_message="Say what this is",
            )
        api.upload_folder(
            folder_path=plan.folder,
            path_in_repo=name,
            repo_id=repository,
            repo_type="dataset",
            allow_patterns=names,
            commit_message=f"Cache {name}",
        )
    except Exception as error:  # of whichever HTTP library the hub's client speaks through
        raise NetworkError(
            f"Cannot push to {url}: {reason_of(error)}. Log in with `hf auth login`; the same command goes on."
        ) from error
    nbytes = sum((plan.folder / file).stat().st_size for file in names)
    return f"hf://datasets/{repository}/{name}", len(names), nbytes


def card(plan: CachePlan, url: str) -> str:
    """Return the card of a repository with one cache, in Markdown.

    Parameters
    ----------
    plan : CachePlan
        Of a complete cache.
    url : str
        To pull from.
    """
    model, corpus, identity = plan.identity["model"], plan.corpus, plan.identity
    manifest: dict[str, Any] = parse_object(read_small(plan.folder / MANIFEST), MANIFEST)
    totals = manifest["totals"]
    licence = corpus.get("licence") or "not recorded: look it up before this is made public"
    revision = f" (revision {model['revision']})" if model.get("revision") else ""
    layers = ", ".join(f"`{tensor['name']}` ({tensor['width']})" for tensor in manifest["tensors"])
    rows = ", ".join(f"{stack or 'tokens'} {count:,}" for stack, count in sorted(totals["rows"].items()))
    lines = (
        ("model", f"{model['name']}{revision}, weights sha256 `{model['weights']}`"),
        ("corpus", f"{plan.identity['corpus']['name']}, {totals['examples']:,} examples, {totals['words']:,} words"),
        ("licence of the corpus", licence),
        ("rows", rows),
        ("layers", layers),
        ("computed in, kept in", f"{identity.get('dtype')}, {identity.get('store')}"),
        ("written by", plan.written_by),
    )
    table = "\n".join(f"| {what} | {value} |" for what, value in lines)
    return (
        "---\ntags:\n- probekit\n- activations\n---\n\n"
        f"# Activations of {Path(model['name']).name} on {plan.identity['corpus']['name']}\n\n"
        "The vectors of every token at the layers below, as [probekit](https://pypi.org/project/probekit-nlp/) caches "
        "them. The words of the corpus lie in `corpus/`: its licence holds for this repository.\n\n"
        f"| | |\n|---|---|\n{table}\n\n"
        f"```console\n$ probekit cache pull {url}\n$ probekit probe --task pos\n```\n"
    )
