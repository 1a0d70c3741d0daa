"""The page of a sentence: whatever a word is stays text, nothing is loaded, and keys reach all that a mouse does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from children import PATIENCE
from viewing.planted_attention import map_of
from viewing.read_pages import data_of, read

from probekit.errors import UsageError
from probekit.viewing.attention import page

HOSTILE = ["</script><script>alert(1)</script>", "<!--", "{{ data }}", "&amp;", "\u2028", '"', "Ünïcode", "<b>bold"]
KEYS = """
<script>
const key = (at, key) => at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const list = () => [...told.querySelectorAll("li")].map(item => [...item.children].map(part => part.textContent));
const found = {};
byId("model").querySelector("[aria-pressed=true]").focus();
key(document.activeElement, "ArrowDown");
found.head = byId("head-name").textContent;
sides.from.children[0].focus();
key(document.activeElement, "ArrowDown");
found.word = document.activeElement.textContent;
found.looks = list();
found.lines = ties.children.length;
key(document.activeElement, "ArrowRight");
found.looked = list();
box.checked = true; box.onchange();
found.words = [...sides.from.children].map(one => one.textContent);
found.stops = [...document.querySelectorAll("button")].filter(one => one.tabIndex === 0).length;
document.body.replaceChildren(make("pre", JSON.stringify(found), { id: "found" }));
</script>
"""


@pytest.mark.parametrize("words", [HOSTILE, HOSTILE[:1]])
def test_no_word_becomes_markup(words: list[str]) -> None:
    text, plain = (page.page_of(map_of(some)) for some in (words, [f"w{n}" for n in range(len(words))]))
    assert [tag for tag, _ in read(text).tags] == [tag for tag, _ in read(plain).tags]
    assert text.count("</script") == 2
    assert "<!--" not in text
    assert data_of(text)["units"] == ["[CLS]", *words, "[SEP]"]
    assert read(text).scripts[1] == read(plain).scripts[1]


def test_nothing_is_loaded_and_texts_are_written_as_texts() -> None:
    report = map_of(HOSTILE)
    report.provenance["corpus"]["name"] = "<img src=x onerror=alert(1)>"
    report.provenance["notes"].append("<i>note")
    text = page.page_of(report)
    tags = read(text).tags
    assert not {"img", "i", "link"} & {tag for tag, _ in tags}
    assert not any({"src", "href", "srcset"} & attributes.keys() for _, attributes in tags)
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]  # a name, not an address
    policy = next(attributes for tag, attributes in tags if "http-equiv" in attributes)
    assert str(policy["content"]).startswith("default-src 'none'")
    script = read(text).scripts[1]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|fetch|XMLHttp|import\(", script)


@pytest.mark.parametrize("n", [1, 100])
def test_the_weights_of_the_page_are_those_of_the_report(n: int) -> None:
    report = map_of([f"w{place}" for place in range(n)])
    data = data_of(page.page_of(report))
    assert [entry["name"] for entry in data["heads"]] == ["1-0", "1-1", "2-0"]
    for entry, matrix in zip(data["heads"], report.all_weights, strict=True):
        np.testing.assert_allclose(np.array(entry["weights"]).reshape(n + 2, n + 2) / data["one"], matrix, atol=6e-5)


def test_more_than_a_browser_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST", 30)
    with pytest.raises(UsageError, match=r"would hold 48 weights, and a browser takes 30"):
        page.page_of(map_of(["a", "b"]))


def test_a_browser_shows_what_a_word_looks_at_by_keys_alone(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium on this machine")
    report = map_of(["one", "two", "<b>three"])
    path = tmp_path / "page.html"
    path.write_text(page.page_of(report).replace("</body>", KEYS + "</body>"), encoding="utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    command = [browser, *flags.split(), "--disable-component-update", "--disable-sync", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path / 'user'}", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert "CONSOLE" not in done.stderr
    shown = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert shown is not None, done.stdout[-2000:]
    found = json.loads(shown[1].replace("&lt;", "<").replace("&gt;", ">"))
    assert found["head"] == "Head 2-0"
    assert found["word"] == "two"
    weights = report.matrix("2-0")
    for side, values in (("looks", weights[1]), ("looked", weights[:, 1])):
        expected = sorted(zip(values.tolist(), report.words, strict=True), reverse=True)
        assert [word for _, word in found[side]] == [word for _, word in expected]
        assert [float(value) for value, _ in found[side]] == pytest.approx([value for value, _ in expected], abs=6e-4)
    assert found["lines"] == int((weights[1] >= 0.001).sum())
    assert found["words"] == ["[CLS]", "one", "two", "<b>three", "[SEP]"]
    assert found["stops"] == 3  # of the heads one, and one of each column of words
