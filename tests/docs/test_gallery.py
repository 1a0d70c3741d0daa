"""Every picture of the pages has a command that writes it, and commands that are not run here are at least commands."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
from PIL import Image
from test_pages import INNER, INTO, SHELL, blocks

from probekit.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import gallery  # noqa: E402

PAGES = [page for page in sorted(DOCS.rglob("*.md")) if not {"_build", "_gallery"} & set(page.parts)]
SHOWN = [(page, name) for page in PAGES for name in gallery.shown_on(page)]
NOT_RUN = [
    block
    for page in PAGES
    for block in blocks(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))
    if block.reason is not None and block.language in SHELL
]


@pytest.mark.parametrize(("page", "name"), SHOWN, ids=[name for _, name in SHOWN])
def test_a_picture_has_what_makes_it(page: Path, name: str) -> None:
    """One block of its page that writes it, or a program whose command line the page gives."""
    writing = [recipe for recipe in gallery.recipes(page) if name in recipe.pictures]
    if name in gallery.BY_HAND:
        assert not writing
        return
    assert len(writing) == 1 or (not writing and gallery.programs(page)), f"{page.name}: {len(writing)} blocks"


def test_pictures_that_no_page_shows_are_gone() -> None:
    shown = {(page.parent / name).resolve() for page, name in SHOWN}
    assert {path for suffix in ("png", "svg") for path in DOCS.glob(f"*.{suffix}")} == shown


def test_the_readme_shows_pictures_of_the_pages() -> None:
    shown = {(page.parent / name).resolve() for page, name in SHOWN}
    assert {(ROOT / name).resolve() for name in gallery.shown_on(ROOT / "README.md")} <= shown


@pytest.mark.parametrize("name", sorted({line for page, _ in SHOWN for line in gallery.programs(page)}))
def test_a_program_has_the_options_that_pages_give_it(name: str) -> None:
    words = shlex.split(name)
    text = (ROOT / words[1]).read_text(encoding="utf-8")
    assert [word for word in words if word.startswith("--") and f'"{word}"' not in text] == []


@pytest.mark.parametrize("block", NOT_RUN, ids=[block.where for block in NOT_RUN])
def test_commands_that_are_not_run_are_parsed(block: object) -> None:
    for words in commands_of(block.commands):  # type: ignore[attr-defined]
        parsed(words)


def commands_of(script: str) -> list[list[str]]:
    """The words of every command of probekit in a script, those inside of ``$(...)`` too."""
    script = re.sub(r"\$PROBEKIT_\w+", "folder", script)
    inner = [found["command"] for found in INNER.finditer(script)]
    lines = [line for line in INNER.sub("CACHE", script).split("\n") if re.match(r"probekit\b", line)]
    lines += [f"probekit {one}" for one in inner]
    return [shlex.split(INTO.sub("", line), comments=True)[1:] for line in lines]


def parsed(words: list[str]) -> None:
    """Go down the groups of commands as the command line does, and let each take its words; nothing is run."""
    command, parent = typer.main.get_command(app), None
    while hasattr(command, "get_command"):
        parent = command.make_context(words[0], words, parent=parent)
        name, *words = [*parent._protected_args, *parent.args]
        command = command.get_command(parent, name)
        assert command is not None, name
    command.make_context("probekit", words, parent=parent)


@pytest.mark.parametrize("words", [["view", "pca", "--no-such"], ["view", "nothing"], ["view", "similarity", "--most"]])
def test_what_is_no_command_is_refused(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such option|nothing|requires an argument"):
        parsed(words)


PAGE = """# Page

![One](one.png)

```console
$ cp "$SOURCE" one.png
```

*Not run: it needs data, and 30 minutes.*

```console
$ cp $PROBEKIT_DATA/no.png \\
    two.png
```

![Two](two.png) and ![Three](three.svg): `python tests/bench/third.py
lines.jsonl`.
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(PAGE)
    for name in gallery.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gallery, "code", lambda: "as it is")
    monkeypatch.setenv("SOURCE", str(drawn(tmp_path / "source.png", "red")))
    return page


def drawn(path: Path, color: str, **packing: int) -> Path:
    Image.new("RGB", (4, 3), color).save(path, **packing)
    return path


def said(page: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, str]:
    assert gallery.main(words, page.parent) == code
    return dict(line.split(": ", 1) for line in capsys.readouterr().out.strip().split("\n"))


def test_a_picture_is_made_once_for_each_state_of_page_and_package(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.fullmatch(r"made in \d+ s; changed", said(page, capsys)["one.png"])
    assert said(page, capsys)["one.png"] == "made before, by the same commands and code; as it was"
    monkeypatch.setattr(gallery, "code", lambda: "changed")
    drawn(Path(os.environ["SOURCE"]), "red", compress_level=0)  # other bytes of the same pixels
    before = (page.parent / "one.png").read_bytes()
    assert said(page, capsys)["one.png"].endswith("as it was")
    assert (page.parent / "one.png").read_bytes() == before
    drawn(Path(os.environ["SOURCE"]), "blue")
    page.write_text(PAGE.replace("cp ", "cp -p "))
    assert said(page, capsys)["one.png"].endswith("changed")
    assert Image.open(page.parent / "one.png").getpixel((0, 0)) == (0, 0, 255)


def test_what_is_left_is_said_by_name(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = said(page, capsys)
    assert found["two.png"] == "left: PROBEKIT_DATA is not set"
    assert found["three.svg"] == "left: python tests/bench/third.py lines.jsonl makes it"
    for name in gallery.VARIABLES:
        monkeypatch.setenv(name, str(page.parent))
    assert said(page, capsys)["two.png"] == "left: $PROBEKIT_DATA/no.png is not there"
    drawn(page.parent / "no.png", "green")
    assert said(page, capsys)["two.png"].startswith("left: 30 minutes")
    assert said(page, capsys, "two.png").keys() == {"two.png"}
    assert (page.parent / "two.png").exists()


def test_a_block_that_fails_is_told_and_changes_nothing(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page.write_text(PAGE.replace('cp "$SOURCE" one.png', "echo why; exit 3 # one.png"))
    assert said(page, capsys, code=1)["one.png"].startswith("FAILED with exit code 3: why")
    page.write_text(PAGE.replace('cp "$SOURCE" one.png', "true # one.png"))
    assert said(page, capsys, code=1)["one.png"] == "FAILED: the commands do not write one.png"
    assert not (page.parent / "one.png").exists()
