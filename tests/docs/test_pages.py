"""What README, CONTRIBUTING and the pages of docs/ show works: every block of commands and Python, in order.

A page has a folder and a cache of its own. A fenced block that cannot run here says so where readers see it, in the
line before it: ``*Not run: reason.*``; one that shows an error says ``<!-- exit 2 -->``. Lines that install something
(``pip``, ``git``, ``make``, ``cd``) are taken as done. Three liberties: the built-in grammar is shorter than a user's,
also where a page says how long; a probe that names no layers is asked of two; and commands that ask of a shell no more
than quotes and a file for what they print run in this process, which has loaded torch already.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from probekit.cli.app import run as run_command
from probekit.corpus.readers import grammar

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = {"docs/commands.md", "docs/families.md", "docs/oracles.md", "docs/twenty.md"}
"""Pages that a program writes, or that hold figures alone."""
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if not {"_build", "_gallery"} & set(path.parts)
)
SENTENCES = 50
"""Sentences of the grammar, whatever a page names."""
NAMED = re.compile(r"grammar:n=\d+")
LAYERS = ["--layers", "0,3"]
"""Of a probe where a page names none."""

SHELL = {"console", "bash", "sh", "shell", "shell-session"}
PYTHON = {"python", "py", "pycon"}
SETUP = {"pip", "pipx", "uv", "git", "make", "cd", "python3", "source", "."}
FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w-]*)")
NOT_RUN = re.compile(r"\*Not run: *(?P<reason>.*?)\.?\*")
INNER = re.compile(r"\$\(probekit (?P<command>[^$()]+)\)")
INTO = re.compile(r" > [\w./-]+$")
"""A file that takes what a command prints."""
EXIT = re.compile(r"<!-- *exit (?P<code>\d+) *-->")

# The command of this checkout, whatever is installed, with a shorter default grammar.
COMMAND = """#!{python}
import sys
sys.path[0] = {root!r}
from probekit.corpus.readers import grammar
grammar.DEFAULTS["n"] = {sentences}
from probekit.cli import main
main()
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: where its text starts, what it holds, and what the line before it says."""

    where: str
    line: int
    language: str
    text: str
    reason: str | None
    exit_code: int

    @property
    def commands(self) -> str:
        """The block as a shell script: without prompts, the output that it shows, and what installs."""
        lines = self.text.replace("\\\n", "").split("\n")
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return "\n".join(line for line in lines if (line.split() or [""])[0] not in SETUP).strip()

    @property
    def python(self) -> str:
        """The block as Python, its lines numbered as in the file; a session loses its output."""
        text = self.text
        if text.lstrip().startswith(">>>"):
            text = "".join(example.source for example in doctest.DocTestParser().get_examples(text))
        return "\n" * (self.line - 1) + text


def blocks(text: str, name: str = "README.md") -> Iterator[Block]:
    """Yield the blocks that run or are marked; refuse what is neither."""
    lines = text.split("\n")
    before, number = "", 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        if opening is None:
            before = lines[number].strip() or before
            number += 1
            continue
        indent, fence = opening["indent"], opening["fence"]
        start = number + 1
        number = next((i for i in range(start, len(lines)) if lines[i].strip() == fence), len(lines))
        where = f"{name}:{start + 1}"
        assert number < len(lines), f"{where}: the block never ends"
        body = "\n".join(line.removeprefix(indent) for line in lines[start:number])
        marker, shown = NOT_RUN.fullmatch(before), EXIT.fullmatch(before)
        assert marker is None or len(marker["reason"].split()) > 1, f"{where}: say why the block is not run"
        reason, code = (marker["reason"] if marker else None), int(shown["code"]) if shown else 0
        yield Block(where, start + 1, opening["language"].lower(), body, reason, code)
        before, number = "", number + 1


def run_blocks(text: str, folder: Path, *, name: str = "README.md") -> list[str]:
    """Run every block in ``folder``, the working folder of this process; return where each stands."""
    bin_folder = folder / ".bin"
    bin_folder.mkdir()
    command = bin_folder / "probekit"
    command.write_text(COMMAND.format(python=sys.executable, root=str(ROOT), sentences=SENTENCES), encoding="utf-8")
    command.chmod(0o755)
    path = os.pathsep.join([str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    names: dict[str, object] = {"__name__": "__main__"}
    ran = []
    for block in blocks(text, name):
        if block.reason is not None:
            continue
        if block.language in PYTHON:
            exec(compile(block.python, block.where.split(":")[0], "exec"), names)
        elif block.language in SHELL:
            if not re.search(r"\bprobekit\b", block.commands):
                continue
            run_shell(block, folder, path)
        else:
            loose = re.search(r"^(\$ )?probekit [a-z]", block.text, re.MULTILINE)
            assert not loose or block.language, f"{block.where}: a block of commands must be marked console or bash"
            continue
        ran.append(block.where)
    return ran


def run_shell(block: Block, folder: Path, path: str) -> None:
    lines = plain_commands(block.commands)
    if lines is not None:
        code, out, err = run_here(lines)
    else:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.commands],
            cwd=folder,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=900,
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    said = f"{block.where}: exit code {code}\n{block.commands}\n{out[-2000:]}\n{err[-2000:]}"
    assert code == block.exit_code, said
    assert "Traceback" not in err, said


def plain_commands(script: str) -> list[list[str]] | None:
    """The words of each command where all are probekit's and ask no more of a shell than quotes and ``> FILE``."""
    found = []
    for line in script.split("\n"):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        bare = INNER.sub("", INTO.sub("", re.sub(r"'[^']*'", "", line.partition(" #")[0].rstrip())))
        if words[0] != "probekit" or re.search(r"[$`*?~<>|&;(){}\\]", bare):
            return None
        found.append(words[1:])
    return found


def run_here(lines: list[list[str]]) -> tuple[int, str, str]:
    """Run commands in this process up to the first that fails; return its code and what was said."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stderr(err):
        for words in lines:
            into = Path(words[-1]) if words[-2:-1] == [">"] else None
            asked = [*map(printed_by, words[:-2] if into else words), *(LAYERS if asks_every_layer(words) else [])]
            with into.open("w") if into else contextlib.nullcontext(out) as file, contextlib.redirect_stdout(file):
                code = run_command(asked)
            if code:
                break
    return code, out.getvalue(), err.getvalue()


def asks_every_layer(words: list[str]) -> bool:
    return words[0] == "probe" and "--layers" not in words


def printed_by(word: str) -> str:
    """What a command in place of a word prints, ``$(probekit ...)``; else the word."""
    inner = INNER.fullmatch(word)
    if inner is None:
        return word
    code, out, err = run_here([shlex.split(inner["command"])])
    assert code == 0, err
    return out.strip()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(grammar.DEFAULTS, "n", SENTENCES)
    return tmp_path


def test_the_pages_are_found() -> None:
    assert {"README.md", "docs/index.md", "docs/tutorial.md"} <= set(PAGES)
    assert WRITTEN - {"docs/families.md"} <= set(PAGES)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(set(PAGES) - WRITTEN))
def test_a_page_runs(page: str, folder: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    if not any(block.language in SHELL | PYTHON for block in blocks(text, page)):
        return
    commands = "\n".join(block.commands for block in blocks(text) if block.reason is None and block.language in SHELL)
    assert page != "README.md" or {"extract", "probe"} <= set(re.findall(r"^probekit (\w+)", commands, re.MULTILINE))
    run_blocks(NAMED.sub(f"grammar:n={SENTENCES}", text), folder, name=page)


def test_commands_that_need_a_shell_are_told(folder: Path) -> None:
    assert plain_commands(
        "probekit tasks  # all of them\nprobekit probe --task 'query:upos=NOUN & head.upos=VERB'"
    ) == [
        ["tasks"],
        ["probe", "--task", "query:upos=NOUN & head.upos=VERB"],
    ]
    assert plain_commands("probekit tasks > a.txt  # kept") == [["tasks", ">", "a.txt"]]
    for script in (
        "probekit tasks | head",
        "ls",
        "probekit probe --on $(cat it)",
        "probekit probe --on *",
        "# a\nls",
        "a >> b",
    ):
        assert plain_commands(script) is None
    assert plain_commands('probekit probe --on "$(probekit tasks)"') == [["probe", "--on", "$(probekit tasks)"]]
    assert run_here([["--version", ">", "version.txt"]]) == (0, "", "")
    assert Path("version.txt").read_text() == run_here([["--version"]])[1]
    assert printed_by("$(probekit --version)") == run_here([["--version"]])[1].strip() != ""


EXAMPLE = """
# Example

```console
$ pip install "no-such-package[demo]"
$ probekit tasks --json \\
    > tasks.json
{"schema": "probekit.tasks/1", ...}
$ probekit --version | grep -c probekit
1
```

Text between.

- in a list

  ```python
  import json
  from pathlib import Path

  rows = len(json.loads(Path("tasks.json").read_text())["tasks"])
  ```

~~~pycon
>>> 0 < rows < 1000
True
>>> total = rows
~~~

```json
{"probekit": 1}
```

*Not run: it needs a machine with eight accelerators.*

```bash
probekit extract /no/such/model
```

<!-- exit 2 -->

```bash
# A name that is nearly right
probekit probe --task pso
```

```bash
make demo
```
"""


def test_an_example_runs_in_order(folder: Path) -> None:
    ran = run_blocks(EXAMPLE + "\n```python\nassert total == rows\n```\n", folder)
    assert ran == [f"README.md:{line}" for line in (5, 18, 25, 43, 52)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```bash\nprobekit no-such-verb\n```", r"README.md:2: exit code 2"),
        ("```bash\nprobekit no-such-verb | cat\n```", r"README.md:2: exit code 2"),
        ("```bash\nprobekit no-such-verb\nprobekit --version\n```", r"README.md:2: exit code 2"),
        ("<!-- exit 2 -->\n```bash\nprobekit --version\n```", r"README.md:3: exit code 0"),
        ("*Not run: no.*\n```bash\nprobekit --version\n```", "say why"),
        ("```\n$ probekit extract\n```", "must be marked console"),
        ("```bash\nprobekit extract\n", "never ends"),
    ],
)
def test_what_cannot_run_is_refused(folder: Path, text: str, expected: str) -> None:
    with pytest.raises(AssertionError, match=expected):
        run_blocks(text, folder)


def test_an_error_in_python_names_its_line(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        run_blocks("Text\n\n```python\nx = 1\nx / 0\n```\n", folder)
    last = raised.traceback[-1]
    assert (last.path.name if isinstance(last.path, Path) else last.path, last.lineno + 1) == ("README.md", 5)
