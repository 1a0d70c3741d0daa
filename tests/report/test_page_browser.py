"""A page of reports in a browser: a silent console, nothing asked for, all of it reached by keyboard, and axe-core.

Skipped without Chromium. The rules of axe-core are Deque's (MPL-2.0) and not kept here: ``make axe`` fetches them from
npm, or ``PROBEKIT_AXE`` names an ``axe.min.js``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from children import PATIENCE

from probekit.cli.app import run
from probekit.report import LayerReport
from probekit.report.page.page import write_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
AXE = Path(os.environ.get("PROBEKIT_AXE", Path(__file__).parents[2] / ".venv/axe/node_modules/axe-core/axe.min.js"))
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
)
NARROW = 400
"""Pixels: a telephone."""
# A browser on a busy machine runs the script before it gives its window the focus, and marks nothing until then. Its
# clock leaps over what only waits, 30 seconds in a tenth of one: the script counts, too, which takes its time.
SEEN = """
(async () => {
  let spent = 0;
  const moment = () => new Promise(done => {
    for (let n = 0; n < 1e7; n++) spent += Math.sqrt(n);
    setTimeout(done, 100);
  });
  for (let waited = 0; !document.hasFocus() && waited < 300; waited++) await moment();
  const seen = {asked: performance.getEntriesByType("resource").map(each => each.name), focused: document.hasFocus(),
                spent, wide: document.documentElement.scrollWidth, window: innerWidth, unreached: [], unmarked: []};
  for (const details of document.querySelectorAll("details")) details.open = true;
  const stops = [...document.querySelectorAll("a[href], summary, [tabindex='0']")];
  for (const stop of stops) {
    stop.focus();
    const name = stop.outerHTML.slice(0, 80);
    if (document.activeElement !== stop) seen.unreached.push(name);
    else if (getComputedStyle(stop).outlineStyle === "none") seen.unmarked.push(name);
  }
  seen.stops = stops.length;
  seen.scrolled = [...document.querySelectorAll("*")].filter(each =>
    each.scrollWidth > each.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(each).overflowX) &&
    each.tabIndex !== 0).length;
  if (window.axe) {
    const found = await axe.run(document);
    seen.broken = found.violations.map(each => [each.id, each.nodes.length, each.nodes[0].html.slice(0, 120)]);
    seen.passed = found.passes.length;
  }
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify(seen);
  document.body.append(told);
})();
"""

pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium on this machine")


def opened(page: Path, *more: str) -> tuple[str, str]:
    """Return the document that a browser made of a page, and what it logged."""
    command = [BROWSER, *FLAGS, *more, f"--user-data-dir={page.parent / 'user'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout, done.stderr


def looked_at(page: Path, *, dark: bool, axe: bool) -> dict[str, Any]:
    """Return what a script in a copy of a page saw, whose own policy lets no script run."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    if dark:
        text = text.replace("@media (prefers-color-scheme: dark)", "@media all")
    scripts = [each.replace("</", "<\\/") for each in ([AXE.read_text(), SEEN] if axe else [SEEN])]
    text = text.replace("</body>", "".join(f"<script>{each}</script>" for each in scripts) + "</body>")
    copy = page.with_name("copy.html")
    copy.write_text(text)
    document, _ = opened(copy, f"--window-size={NARROW},800", "--virtual-time-budget=60000")
    told = re.search(r'<pre id="told">(.*?)</pre>', document, re.DOTALL)
    assert told is not None, document[-500:]
    seen: dict[str, Any] = json.loads(unescape(told[1]))
    return seen


@pytest.fixture
def page(make_report: Callable[..., LayerReport], tmp_path: Path) -> Path:
    """A page with a figure, tables that are wider than a telephone, and a kind that is not known."""
    made = make_report(notes=["a note"])
    long = [replace(each, stage="dreams", task="a/very_long_name_of_a_suite/" * 3) for each in made.rows]
    return write_page({"pos": made, "dreams": LayerReport(tuple(long))}, tmp_path / "page.html")


def test_a_browser_opens_it_without_a_word(make_report: Callable[..., LayerReport], tmp_path: Path) -> None:
    make_report().write(tmp_path / "a.jsonl")
    assert run(["report", "page", str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "p.html"), "-q"]) == 0
    document, logged = opened(tmp_path / "p.html")
    assert "<svg" in document
    assert "CONSOLE" not in logged


def test_nothing_is_asked_for_and_the_keyboard_reaches_all_on_a_narrow_screen(page: Path) -> None:
    seen = looked_at(page, dark=False, axe=False)
    assert seen["asked"] == []
    assert seen["window"] <= NARROW + 100
    assert seen["wide"] <= seen["window"]
    assert seen["stops"] > 10
    assert seen["focused"]
    assert seen["unreached"] == seen["unmarked"] == []
    assert seen["scrolled"] == 0


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core on this machine: make axe")
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(page: Path, dark: bool) -> None:
    seen = looked_at(page, dark=dark, axe=True)
    assert seen["broken"] == []
    assert seen["passed"] > 15


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core on this machine: make axe")
def test_axe_would_find_pale_text(page: Path) -> None:
    page.write_text(page.read_text().replace("--soft: #555", "--soft: #bbb"))
    assert "color-contrast" in {name for name, *_ in looked_at(page, dark=False, axe=True)["broken"]}
