"""The chat template of a model: found in the files of its tokenizer, or in one that is given; the same each day.

Enters: a model's files. Leaves: the text of a template in Jinja, which transformers renders in its sandbox. Nothing
here imports transformers. Surprise: some templates write today's date into what the model reads, so that two
extractions of one corpus would differ and nothing would say so; here every day is that of Llama's own default, 26 July
2024.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from probekit.errors import UsageError
from probekit.models.sources.configs import read_json
from probekit.models.sources.find import ModelSource
from probekit.models.sources.locate import TEMPLATE_FILE, TransformersSource

DAY = date(2024, 7, 26)
_DIRECTIVES = (*"aAbBcdHIjmMpSUwWxXyYZz", "-d", "-m", "-H", "-I")
LARGEST = 1_000_000


def chat_template(source: ModelSource, given: Path | None = None) -> str:
    """Return the template by which a model's chats are rendered.

    Parameters
    ----------
    source : ModelSource
    given : Path, optional
        A file of a template, in the place of the model's own.

    Raises
    ------
    UsageError
        The model has none, several without a default, or reads no text at all; the file cannot be read.
    """
    if not isinstance(source, TransformersSource):
        raise UsageError(f"'{source.name}' is a table of vectors and reads words, no chats. Leave out --chat.")
    return _of_one_day(_of_tokenizer(source) if given is None else _read(given))


def _of_tokenizer(source: TransformersSource) -> str:
    own = source.folder / TEMPLATE_FILE
    if own.is_file():
        return _read(own)
    value: Any = (read_json(source.folder / "tokenizer_config.json") or {}).get("chat_template")
    if isinstance(value, list):
        named = {one.get("name"): one.get("template") for one in value if isinstance(one, dict)}
        value = named.get("default")
        if value is None:
            raise UsageError(
                f"The model '{source.name}' has several chat templates and no default one "
                f"({', '.join(map(str, named))}). Save the one that is meant and name it: --chat-template FILE."
            )
    if not isinstance(value, str) or not value:
        raise UsageError(
            f"The model '{source.name}' has no chat template: neither {TEMPLATE_FILE} nor 'chat_template' in "
            f"tokenizer_config.json. It was hardly trained on chats. Give one with --chat-template FILE (Jinja, as "
            "transformers has it), or leave out --chat and have it read the words of all messages."
        )
    return value


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is over {LARGEST // 1000:,} kB: this is no chat template.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"The chat template {path} cannot be read: {reason}. Name a file of Jinja.") from None


def _of_one_day(template: str) -> str:
    """Define what tells a template the day; a macro hides the function of that name."""
    if "strftime_now" not in template:
        return template
    days = "".join(f" | replace('%{one}', '{DAY.strftime('%' + one)}')" for one in _DIRECTIVES)
    # The newline behind a block is cut off, so that the template begins where it began.
    macro = f"{{% macro strftime_now(format) %}}{{{{ format{days} }}}}{{% endmacro %}}\n"
    return template if template.startswith(macro) else f"{macro}{template}"  # one that was kept has it already
