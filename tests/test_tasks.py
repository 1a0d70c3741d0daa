"""The catalogue's loader: a folder of files is all there is to a task, the user's own included."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import probekit
from probekit.errors import InputError, UsageError
from probekit.example import Example
from probekit.features.table import checked_target
from probekit.tasks import ProbeTask, Target, get_task, load_catalogue

EXAMPLE = Example("s1", ("one", "two", "three"), annotations={"upos": ("X", "Y", None)})

OWN = '''"""Whether a word is short."""
from probekit.tasks import ProbeTask, Target
from ._limits import LIMIT

def targets(example):
    for i, word in enumerate(example.words):
        yield Target(((i, i + 1),), "short" if len(word) < LIMIT else "long", word)

TASK = ProbeTask("short", targets, reference="none")
'''


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "short.py").write_text(OWN)
    (folder / "_limits.py").write_text("LIMIT = 4\n")
    return folder


def labels(name: str, *folders: Path) -> list[str | int | float]:
    return [target.label for target in get_task(name, *folders).targets(EXAMPLE)]


def test_a_users_folder_works_like_the_catalogue(own: Path) -> None:
    catalogue = load_catalogue(own)
    assert catalogue["short"].doc == "Whether a word is short."
    assert "pos" in catalogue
    assert list(catalogue) == sorted(catalogue)
    assert labels("short", own) == ["short", "short", "long"]
    assert "short" not in load_catalogue()


def test_a_folder_may_be_given_as_text_twice_or_be_the_catalogue_itself(own: Path) -> None:
    from probekit.tasks import catalogue_folder

    assert set(load_catalogue(str(own), own, catalogue_folder())) == {*load_catalogue(), "short"}


def test_two_folders_do_not_share_their_helpers(own: Path, tmp_path: Path) -> None:
    other = tmp_path / "theirs"
    other.mkdir()
    (other / "tiny.py").write_text(OWN.replace('"short", targets', '"tiny", targets'))
    (other / "_limits.py").write_text("LIMIT = 1\n")
    assert labels("short", own, other) == ["short", "short", "long"]
    assert labels("tiny", own, other) == ["long", "long", "long"]


@pytest.mark.parametrize(("file", "text"), [("_limits.py", "LIMIT = 100\n"), ("short.py", OWN.replace("<", ">="))])
def test_an_edited_file_is_read_again(own: Path, file: str, text: str) -> None:
    before = labels("short", own)
    (own / file).write_text(text)
    assert labels("short", own) != before


def test_an_unchanged_folder_is_read_once(own: Path) -> None:
    assert load_catalogue(own)["short"].targets is load_catalogue(own)["short"].targets


def test_threads_that_load_a_slow_file_together_all_get_the_whole_catalogue(own: Path) -> None:
    (own / "_limits.py").write_text("import time\ntime.sleep(0.05)\nLIMIT = 4\n")
    together = threading.Barrier(4)

    def load(_: int) -> object:
        together.wait()
        return load_catalogue(own)["short"].targets

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(load, range(4)))) == 1


def test_a_close_name_is_proposed() -> None:
    with pytest.raises(UsageError, match=r"no task 'morf:Number'. Did you mean 'morph'\? `probekit tasks`"):
        get_task("morf:Number")
    with pytest.raises(UsageError, match=r"no task 'zzz'. `probekit tasks`"):
        get_task("zzz")


def test_options() -> None:
    assert get_task("deprel").name == get_task("deprel:full").name == "deprel"
    assert get_task("deprel:universal").name == "deprel:universal"
    assert get_task("morph:Number[psor]").name == "morph:Number[psor]"
    for name, message in (
        ("pos:fine", "takes no option"),
        ("pos:", "takes no option"),
        ("morph", "needs an option: morph:<Feature>"),
        ("morph:", "needs an option"),
        ("deprel:univrsal", r"one of full, universal. Got 'deprel:univrsal'. Did you mean 'universal'\?"),
    ):
        with pytest.raises(UsageError, match=message):
            get_task(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", r"bad\.py:1: .*SyntaxError"),
        ("\n\nimport no_such_module_at_all\n", r"bad\.py:3: .*ModuleNotFoundError"),
        ("x = 1\n", r"bad\.py: a task file must set TASK"),
        ("TASK = 'pos'\n", r"bad\.py: a task file must set TASK"),
        (
            "from probekit.tasks import ProbeTask\nTASK = ProbeTask('pos', print)\n",
            r"bad\.py: .*'pos' is taken by .*pos\.py",
        ),
        ("from probekit.tasks import ProbeTask\nTASK = ProbeTask('Bad Name', print)\n", r"bad\.py:2: .*name must be"),
        (
            "from probekit.tasks import ProbeTask\nTASK = ProbeTask('bad', print, kind='words')\n",
            r"kind must be one of",
        ),
        ("from probekit.tasks import ProbeTask\nTASK = ProbeTask('bad', print, bins=1)\n", "bins must be"),
        (
            "from probekit.tasks import ProbeTask\nTASK = ProbeTask('bad', print, top_labels='x')\n",
            "top_labels must be",
        ),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    for _ in range(2):  # the second time it must not be half-loaded
        with pytest.raises(UsageError, match=message):
            load_catalogue(tmp_path)


def test_a_fault_in_a_helper_is_named_there(own: Path) -> None:
    (own / "_limits.py").write_text("\nLIMIT = 1 / 0\n")
    with pytest.raises(UsageError, match=r"_limits\.py:2: .*ZeroDivisionError"):
        load_catalogue(own)


def test_a_folder_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        load_catalogue(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no task file"):
        load_catalogue(tmp_path)


@pytest.mark.parametrize(
    ("task", "target", "message"),
    [
        (ProbeTask("t", print), Target(((0, 4),), "x"), r"span \(0, 4\) for example 's1', which has 3 words"),
        (ProbeTask("t", print), Target(((1, 1),), "x"), "span"),
        (ProbeTask("t", print), Target(((-1, 1),), "x"), "span"),
        (ProbeTask("t", print, kind="pair"), Target(((0, 1),), "x"), r"must give 2 span\(s\). It gave 1"),
        (ProbeTask("t", print), Target(((0, 1), (1, 2)), "x"), r"must give 1 span\(s\). It gave 2"),
        (ProbeTask("t", print), Target(((0, 1),), None), "a str or a number. It gave None"),  # type: ignore[arg-type]
        (ProbeTask("t", print, bins=6), Target(((0, 1),), "3"), "a finite number. It gave '3'"),
        (ProbeTask("t", print, bins=6), Target(((0, 1),), float("nan")), "a finite number"),
    ],
)
def test_a_target_no_probe_could_use_is_refused(task: ProbeTask, target: Target, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_target(task, target, EXAMPLE)


def test_a_sound_target_passes() -> None:
    checked_target(ProbeTask("t", print), Target(((2, 3),), "x"), EXAMPLE)
    checked_target(ProbeTask("t", print, bins=6), Target(((0, 3),), 2.5), EXAMPLE)


def test_the_catalogue_inside_an_installed_package_is_found(tmp_path: Path) -> None:
    package = Path(probekit.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "probekit", ignore=ignore)
    if not (package / "probes").is_dir():
        shutil.copytree(package.parent / "probes", tmp_path / "probekit" / "probes", ignore=ignore)
    code = "from probekit.tasks import catalogue_folder, load_catalogue; print(catalogue_folder(), *load_catalogue())"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder, *names = done.stdout.split()
    assert Path(folder) == tmp_path / "probekit" / "probes"
    assert names == list(load_catalogue())
