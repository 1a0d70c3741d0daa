"""The pages hang together: links lead somewhere, tables tell what the code holds, and Sphinx builds them unwarned."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_architecture import ORDER

from probekit.cli.doctor import CATALOGUES
from probekit.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [path for path in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")) if not {"_build", "_gallery"} & set(path.parts)]
MADE = {DOCS / "_notebooks" / path.name: path for path in (ROOT / "notebooks").glob("*.ipynb")}
"""What ``docs/conf.py`` copies."""
MOST_WORDS = 1_300
"""Of the README: a reader decides in two minutes."""

LINK = re.compile(r"\]\((?!https?://|mailto:)(?P<target>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(text: str, page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for link in LINK.finditer(re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)):
        target = (page.parent / link["target"]).resolve() if link["target"] else page
        target = MADE.get(target, target)
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            found.append(link[0])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page.read_text(encoding="utf-8"), page) == []


def test_a_broken_link_is_seen() -> None:
    text = "[a](docs/nowhere.md) [b](docs/concepts.md#nothing) [c](docs/concepts.md#floors) [d](https://x.org/y)"
    assert broken(text, ROOT / "README.md") == ["](docs/nowhere.md)", "](docs/concepts.md#nothing)"]


def test_the_readme_is_read_in_two_minutes() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= MOST_WORDS


def test_contributing_tells_of_every_catalogue() -> None:
    """The table of members: the folder, what a file sets, and the entry points."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| an? .*\| `(.*)/` \| `(.*)` \| `(.*)` \|$", text, re.MULTILINE))
    told |= set(re.findall(r"^\| annotations .*\| `(.*)/` \| `(.*)` \| `(.*)` \|$", text, re.MULTILINE))
    catalogues: list[Registry] = [getattr(importlib.import_module(at), name) for at, name in CATALOGUES.items()]
    folders = [folder_of(at, one) for at, one in zip(CATALOGUES, catalogues, strict=True)]
    assert told == {
        (str(folder.relative_to(ROOT)), one.attribute, one.group)
        for folder, one in zip(folders, catalogues, strict=True)
    }


def folder_of(module: str, catalogue: Registry) -> Path:
    """Where members go: beside the first one, and into the package itself where there is none yet."""
    entries = list(catalogue.entries().values())
    return Path(entries[0].place if entries else str(importlib.import_module(module).__file__)).parent


def test_doctor_knows_every_catalogue() -> None:
    """A fault of an installed package is told of, whichever catalogue it adds to."""
    made = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): name
        for path in (ROOT / "probekit").rglob("*.py")
        for name in re.findall(r"^(\w+) = Registry\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert made == CATALOGUES


def test_the_page_of_the_architecture_has_every_part_in_its_order() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(name for row in rows for name in re.findall(r"`(\w+)/?`", row)) == ORDER


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("myst_nb") is None, reason="the extra `docs` is not installed: make docs")
def test_sphinx_builds_the_pages_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "tutorial.html").is_file()
