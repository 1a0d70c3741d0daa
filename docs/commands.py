"""Write what ``--help`` says of every command to ``docs/commands.md``: ``python docs/commands.py``.

Names of estimators, analyses and the like are left to ``--help``: one more file of them changes no page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from probekit.cli.app import app
from probekit.cli.options import LISTED

WIDTH = 100
TARGET = Path(__file__).with_name("commands.md")


def commands() -> Iterator[tuple[str, Any]]:
    """Yield the name and the context of the command line and of every command, groups before their own."""

    def below(name: str, command: Any, parent: Any) -> Iterator[tuple[str, Any]]:
        context = command.make_context(
            name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH
        )
        yield context.command_path, context
        for word in command.list_commands(context) if hasattr(command, "list_commands") else ():
            yield from below(word, command.get_command(context, word), context)

    yield from below("probekit", typer.main.get_command(app), None)


def written() -> str:
    """Return the page."""
    parts = ["# Commands", "", "What `--help` says, written by `python docs/commands.py`."]
    for name, context in commands():
        for parameter in context.command.params:
            for names in sorted(LISTED, key=len, reverse=True):  # a list of one name may stand in a longer list
                if getattr(parameter, "help", None):
                    alone = rf"(?<![\w-]){re.escape(names)}(?![\w-])"
                    parameter.help = re.sub(alone, "those that --help names", parameter.help)
        parts += ["", f"## {name}", "", "```text", context.command.get_help(context).rstrip(), "```"]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    TARGET.write_text(written(), encoding="utf-8")
