"""Everything that can be typed or given wrong: the exit code, the place, the remedy, and nothing on stdout."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from children import PATIENCE

from probekit.cli.app import run

DIGITS, LONG = "9" * 5000, "a" * 300

# Command, exit code, what the message must name: the place first, then what to do.
WRONG = [
    # The command line itself.
    ("nosuch", 2, r"No such command 'nosuch'.*probekit --help"),
    ("extrct", 2, r"'extrct'. Did you mean 'extract'\?.*--help"),
    ("cache verfy", 2, r"'verfy'. Did you mean 'verify'\?.*probekit cache --help"),
    ("report shwo pos.jsonl", 2, r"'shwo'. Did you mean 'show'\?"),
    ("extract --layres 0", 2, r"--layres.*--layers.*probekit extract --help"),
    ("extract model good.conllu more", 2, r"more.*probekit extract --help"),
    ("probe", 2, r"--task.*pos.*`probekit tasks` lists"),
    ("report show", 2, r"FILE.*`--out` of probe, behave or ablate"),
    ("cache rm", 2, r"CACHE.*probekit cache rm --help"),
    # Options of extract.
    ("extract model good.conllu --batch-tokens x", 2, r"--batch-tokens.*integer"),
    ("extract model good.conllu --batch-tokens 0", 2, r"--batch-tokens.*1"),
    ("extract model good.conllu --batch-tokens 2", 2, r"`batch_tokens`.*at least 4.*2"),
    ("extract model good.conllu --subsample 0", 2, r"--subsample.*1"),
    ("extract model good.conllu --layers x", 2, r"`layers`.*0,3,6.*'x'"),
    ("extract model good.conllu --layers 3-1", 2, r"`layers`.*0-3.*'3-1'"),
    ("extract model good.conllu --layers ''", 2, r"`layers`.*'all'.*''"),
    ("extract model good.conllu --layers 9", 2, r"`layers`.*this model has 0\.\.3.*'9'"),
    ("extract model good.conllu --dtype float", 2, r"`dtype`.*'float'. Did you mean 'float32'"),
    ("extract model good.conllu --store int8", 2, r"`store`.*float16.*'int8'"),
    ("extract model good.conllu --device gpu", 2, r"`device`.*cuda.*'gpu'"),
    ("extract model good.conllu --input chars", 2, r"`input`.*words, text.*'chars'"),
    ("extract model good.conllu --max-length 2", 2, r"`max_length`.*at least 4.*2"),
    ("extract model plain.txt --max-length 1000", 2, r"`max_length`.*at most 64.*1000"),
    ("extract model good.conllu --overflow drop", 2, r"`overflow`.*window.*'drop'"),
    ("extract model good.conllu --random-weights -1", 2, r"--random-weights.*0"),
    ("extract model good.conllu --random-weights x", 2, r"--random-weights.*integer"),
    ("extract model good.conllu --shard 3/2", 2, r"`shard`.*1/4.*'3/2'"),
    ("extract model good.conllu --shard 0/2", 2, r"`shard`.*1/4.*'0/2'"),
    ("extract model good.conllu --shard half", 2, r"`shard`.*1/4.*'half'"),
    ("extract model good.conllu --revision main", 2, r"`revision`.*'model'.*Leave it out"),
    # Models.
    ("extract good.conllu", 2, r"'good\.conllu' is a file.*probekit extract minilm good\.conllu"),
    ("extract minlm good.conllu", 7, r"'minlm'.*Did you mean 'minilm'\?"),
    ("extract no/such-model good.conllu", 7, r"'no/such-model'.*offline.*Name a local folder"),
    ("extract ./nosuch good.conllu", 2, r"'\./nosuch'.*'minilm'"),
    ("extract nomodel good.conllu", 2, r"nomodel.*config\.json.*save_pretrained"),
    ("extract automap good.conllu", 2, r"automap/config\.json.*'auto_map'.*choose"),
    ("extract internal good.conllu", 2, r"internal/config\.json.*_internal.*Remove"),
    ("extract bin good.conllu", 2, r"bin.*pytorch_model\.bin.*safetensors; convert"),
    ("extract notokenizer good.conllu", 2, r"notokenizer.*tokenizer\.save_pretrained"),
    ("extract badconfig good.conllu", 2, r"badconfig/config\.json.*line 1 column 2.*Fetch"),
    ("extract kindless good.conllu", 2, r"kindless/config\.json.*nosuchkind.*Update transformers"),
    ("extract badweights good.conllu", 2, r"badweights.*Fetch them again"),
    # Corpora.
    ("extract model grammr", 2, r"'grammr'. Did you mean 'grammar'"),
    ("extract model grammar:n=x", 2, r"'n' of 'grammar'.*whole number.*'x'"),
    ("extract model grammar:m=3", 2, r"'m'.*grammar:n="),
    ("extract model hf:", 2, r"hf:<name>.*'hf:'"),
    ("extract model hf:no/such", 7, r"hf:no/such.*[Oo]ffline.*local folder"),
    ("extract model nosuch.conllu", 3, r"nosuch\.conllu.*Check the path"),
    ("extract model goood.conllu", 3, r"goood\.conllu.*Did you mean 'good\.conllu'"),
    ("extract model nothing", 3, r"nothing.*\.conllu.*Give another"),
    ("extract model notes.xyz", 2, r"notes\.xyz.*\.conllu"),
    ("extract model empty.txt", 3, r"'empty' holds no example.*Give a corpus"),
    ("extract model comments.conllu", 3, r"'comments' holds no example.*Give a corpus with sentences\. ?$"),
    ("extract model comments.conllu --subsample 2", 3, r"Give a corpus with sentences, or a larger --subsample"),
    ("extract model columns.conllu", 3, r"columns\.conllu:2:11: 3 columns instead of 10.*one tab"),
    ("extract model spaces.conllu", 3, r"spaces\.conllu:1:2.*one tab"),
    ("extract model head.conllu", 3, r"head\.conllu:1:21.*HEAD 7.*Correct"),
    ("extract model cycle.conllu", 3, r"cycle\.conllu:1:13.*cycle.*must lead to a root"),
    ("extract model order.conllu", 3, r"order\.conllu:1:1.*numbered 1, 2, 3"),
    ("extract model twice.conllu", 3, r"twice\.conllu:4.*'a' occurs twice.*unique"),
    ("extract model words.jsonl", 3, r"words\.jsonl:2.*list of strings.*3"),
    ("extract model broken.jsonl", 3, r"broken\.jsonl:2:15.*one JSON object"),
    ("extract model keys.jsonl", 3, r"keys\.jsonl:1.*'words'.*tokens_.*Add it"),
    ("extract model unequal.jsonl", 3, r"unequal\.jsonl:1.*'upos' has 1 values for 2 words.*one value a word"),
    ("extract model utf8.txt", 3, r"utf8\.txt:2:2.*0xff.*Save the file as UTF-8"),
    ("extract model gone.txt.gz", 3, r"gone\.txt\.gz:1.*Fetch"),
    ("extract model long.txt", 3, r"'long:0' has 102 tokens.*64.*--overflow window"),
    # Places.
    ("extract model good.conllu --cache /proc/nosuch", 6, r"/proc/nosuch.*--cache or PROBEKIT_CACHE"),
    ("extract model good.conllu --cache plain.txt", 6, r"plain\.txt.*--cache or PROBEKIT_CACHE"),
    # What is asked of a cache.
    ("probe --task poss", 2, r"'poss'. Did you mean 'pos'.*`probekit tasks`"),
    ("probe --task morph", 2, r"'morph' needs an option: morph:<Feature>"),
    ("probe --task pos:x", 2, r"'pos' takes no option: leave it out.*'pos:x'"),
    ("probe --task morph:Nosuch", 3, r"'morph:Nosuch'.*'good'.*[Cc]hoose another"),
    ("probe --task pos --out one.jsonl --predictions ./one.jsonl", 2, r"`predictions`.*file of `out`.*of its own"),
    ("probe --task pos --on nosuch", 2, r"no cache 'nosuch', here or in .*probekit cache ls"),
    ("probe --task pos --on radom", 2, r"no cache 'radom'.*Did you mean 'random'\?"),
    ("probe --task pos --on nothing", 4, r"nothing is not a cache.*probekit cache ls"),
    ("probe --task pos --cache nothing", 2, r"nothing.*`probekit extract`.*--on"),
    ("probe --task pos --model modl", 2, r"'modl'.*Did you mean 'model'.*probekit extract"),
    ("probe --task pos --corpus nosuch.conllu", 3, r"nosuch\.conllu.*Check the path"),
    ("probe --task pos --corpus other.conllu", 4, r"'other' changed.*'s0' differs.*word 1.*probekit extract"),
    ("probe --task pos --corpus short.conllu", 4, r"'short' ends before example 's119'.*probekit extract"),
    ("probe --task pos --corpus long.conllu", 4, r"'long' now goes on.*'s120'.*probekit extract"),
    ("probe --task pos --layers 9", 2, r"`layers`.*0, 1, 2, 3.*'9'"),
    ("probe --task pos --layers x", 2, r"`layers`.*0,3,6.*'x'"),
    ("probe --task pos --pool max", 2, r"`pool`.*mean, first, last.*'max'"),
    ("probe --task pos --estimator svm", 2, r"`estimator`.*logistic.*'svm'"),
    ("probe --task pos --device gpu", 2, r"`device`.*cuda.*'gpu'"),
    ("probe --task pos --control-seeds -1", 2, r"--control-seeds.*0"),
    ("probe --task pos --seed x", 2, r"--seed.*integer"),
    ("probe --task pos --max-ram 0", 2, r"`max_ram`.*above 0"),
    ("probe --task pos --strict", 3, r"'good' repeat.*--drop-repeated.*leave out --strict"),
    ("probe --task pos --probes nosuch", 2, r"nosuch.*Give a folder"),
    ("probe --task pos --probes tasks-syntax", 2, r"tasks-syntax/syntax\.py:1.*SyntaxError.*Correct it"),
    ("probe --task pos --probes tasks-notask", 2, r"tasks-notask/notask\.py.*must set TASK"),
    ("probe --task pos --probes tasks-crash", 2, r"tasks-crash/crash\.py:2.*RuntimeError: at import.*Correct it"),
    ("probe --task pos --plot curve.doc", 2, r"`plot`.*\.png.*'curve\.doc'"),
    ("probe --task pos --plot nothing", 2, r"`plot`.*must name a file.*'nothing'"),
    ("probe --task pos --predictions nothing", 2, r"`predictions`.*must name a file.*'nothing'"),
    ("probe --task pos --out plain.txt/report.jsonl", 6, r"plain\.txt.*no folder.*--out"),
    # Caches that are not sound.
    ("probe --task pos --cache caches-truncated", 4, r"00000\.safetensors is damaged.*verify --repair"),
    ("probe --task pos --cache caches-newer", 4, r"plan\.json.*version 99.*[Uu]pgrade"),
    ("probe --task pos --cache caches-planless", 4, r"plan\.json is damaged.*probekit cache rm"),
    ("probe --task pos --cache caches-manifest", 4, r"manifest\.json is damaged.*verify --repair"),
    ("probe --task pos --cache caches-incomplete", 2, r"caches-incomplete.*probekit extract"),
    ("cache info nosuch", 2, r"no cache 'nosuch', here or in .*probekit cache ls"),
    ("cache info --cache nothing", 2, r"nothing.*probekit extract"),
    ("cache verify nosuch", 2, r"no cache 'nosuch', here or in .*probekit cache ls"),
    ("cache export vectors.doc", 2, r"`file`.*\.npz.*'vectors\.doc'"),
    ("cache export layer.npy", 2, r"\.npy.*one layer.*`layers`.*\.npz"),
    ("cache export vectors.npz --layers 9", 2, r"`layers`.*0,1,2,3.*9"),
    ("cache export vectors.npz --stack decoder", 2, r"`stack`.*leave it out.*'decoder'"),
    ("cache export nothing/x/y.npz", 6, r"'nothing/x/y\.npz' cannot be written.*Give another FILE"),
    ("cache rm nosuch", 2, r"no cache 'nosuch', here or in .*cache ls"),
    ("cache rm nothing --yes", 2, r"nothing is not a cache.*Nothing was deleted.*cache ls"),
    ("cache rm model --yes", 2, r"model is not a cache.*Nothing was deleted.*cache ls"),
    ("cache gc --cache caches-aside", 2, r"1 kB.*caches-aside.*nothing was done.*--yes"),
    ("cache import nosuch", 4, r"nosuch: no such folder.*probekit cache ls"),
    ("cache import nothing", 4, r"nothing is not a cache.*probekit cache ls"),
    # Reports and tasks.
    ("report show nosuch.jsonl", 3, r"'nosuch\.jsonl'.*probe --out"),
    ("report show nothing", 3, r"'nothing' is not a regular file.*probe --out"),
    ("report show report.jsonl", 3, r"report\.jsonl:1.*probekit\.report/2.*probe --out"),
    ("report show newer.jsonl", 4, r"newer\.jsonl:1.*probekit\.report/9.*Update"),
    ("report show torn.jsonl", 3, r"torn\.jsonl:1:2.*cut short"),
    ("report show pos.jsonl --plot curve.doc", 2, r"`plot`.*\.png.*'curve\.doc'"),
    ("report compare pos.jsonl", 2, r"two reports or more.*1"),
    ("report compare pos.jsonl nosuch.jsonl", 3, r"'nosuch\.jsonl'.*probe --out"),
    ("tasks --probes nosuch", 2, r"nosuch.*Give a folder"),
    ("tasks --probes tasks-syntax", 2, r"tasks-syntax/syntax\.py:1.*Correct it"),
    # Numbers, names and files of a kind that nobody means.
    ("extract model good.conllu --layers 0-99999999999", 2, r"`layers`.*below 10000.*'0-99999999999'"),
    (f"extract model good.conllu --layers {DIGITS}", 2, r"`layers`.*below 10000.*'9{60}'"),
    (f"extract model good.conllu --shard {DIGITS}/{DIGITS}", 2, r"`shard`.*1/4.*'9{60}'"),
    (f"extract model good.conllu --random-weights {DIGITS}", 2, r"--random-weights.*integer.*--help"),
    (
        f"extract model good.conllu --random-weights {10**30}",
        2,
        r"`random_weights`.*whole number, at least 0 and at most 9223372036854775807",
    ),
    (f"extract model {LONG}.txt", 3, r"aaa\.txt: there is no such file.*Check the path"),
    (f"extract model {LONG}", 2, r"no corpus 'a{80}'.*Give a file"),
    (f"extract ./{LONG} good.conllu", 2, r"no model folder '\./a+'.*'minilm'"),
    (f"extract model good.conllu --cache {LONG}", 6, r"a+: File name too long.*--cache or PROBEKIT_CACHE"),
    ("extract model pipe.txt", 3, r"pipe\.txt.*not a regular file.*Give a file"),
    ("extract model columns:/dev/zero", 3, r"/dev/zero.*not a regular file.*Give a file"),
    ("extract model 'bytes-\udcff.txt'", 3, r"bytes-\\xff\.txt.*not valid UTF-8.*Rename"),
    ("extract 'model-\udcff' good.conllu", 2, r"model-\\xff.*not valid UTF-8.*Rename"),
    ("cache ls --cache 'caches-\udcff'", 2, r"caches-\\xff.*not valid UTF-8.*Rename"),
    ("extract model gap", 2, r"'gap' is the name of a reader.*must follow it, gap:PATH"),
    ("extract model columns:", 2, r"'columns' is the name of a reader.*columns:PATH"),
    ("probe --task pos --corpus gap", 2, r"'gap' is the name of a reader.*gap:PATH"),
    ("extract nolayers good.conllu", 2, r"nolayers has \d+ parameters that.*number of layers.*choose another"),
    ("extract wordwidth good.conllu", 2, r"wordwidth/config\.json.*hidden_size.*choose another"),
    ("extract deeptokens good.conllu", 2, r"deeptokens \(tokenizer\.json.*Recursion.*Fetch"),
    ("probe --task pos --layers 0-99999999999", 2, r"`layers`.*below 10000.*'0-99999999999'"),
    (f"probe --task pos --on {LONG}", 2, r"no cache 'a+', here or in .*probekit cache ls"),
    (f"probe --task pos --out {LONG}", 2, r"'a+\.\.' is too long.*shorter"),
    (f"probe --task pos --probes {LONG}", 2, r"folder '.*a+' is not there"),
    (f"probe --task pos --control-seeds {10**30}", 2, r"`control_seeds`.*at most 1000.*10{30}"),
    (f"probe --task tree-distance --ranks {DIGITS}", 2, r"`ranks`.*like 8,64.*'9{60}'"),
    (f"cache info {LONG}", 2, r"no cache 'a+'.*probekit cache ls"),
    (f"cache verify {LONG}", 2, r"no cache 'a+'.*probekit cache ls"),
    (f"cache rm {LONG}", 2, r"no cache 'a+'.*cache ls"),
    (f"cache import {LONG}", 4, r"a+: no such folder.*probekit cache ls"),
    (f"cache export {LONG}.npz", 6, r"a+\.npz' cannot be written.*Give another FILE"),
    (f"cache export vectors.npz --layers {DIGITS}", 2, r"`layers`.*0,1,2,3"),
    ("cache info --cache caches-surrogate", 4, r"plan\.json is damaged.*half a character.*cache rm"),
    ("cache info --cache caches-totals", 4, r"manifest\.json.*totals.*verify --repair"),
    ("cache import caches-totals/CACHE", 4, r"manifest\.json.*totals.*verify --repair"),
    ("report show deep.jsonl", 3, r"deep\.jsonl:1.*nested too deeply.*probe --out"),
    ("report show digits.jsonl", 3, r"digits\.jsonl:1.*4300.*probe --out"),
    ("report show pipe.txt", 3, r"'pipe\.txt' is not a regular file.*probe --out"),
]


KINDS = {2: "usage", 3: "input", 4: "cache", 6: "resource", 7: "network"}
NAMES = [re.sub(r"9{20,}|a{20,}", "..", command).encode("ascii", "backslashreplace").decode() for command, *_ in WRONG]


def arguments(command: str, scene: Path) -> list[str]:
    """Split a command; CACHE is the name of the one sound cache and of its damaged copies."""
    (good,) = (scene / "caches").glob("model--good--*")
    return [word.replace("CACHE", good.name) for word in shlex.split(command)]


def test_the_table_is_long_enough_and_says_nothing_twice() -> None:
    assert len(WRONG) >= 60
    assert len({command for command, _, _ in WRONG}) == len(WRONG)
    assert {code for _, code, _ in WRONG} == {2, 3, 4, 6, 7}


@pytest.mark.parametrize(("command", "code", "says"), WRONG, ids=NAMES)
def test_wrong(command: str, code: int, says: str, scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = arguments(command, scene)
    assert run(argv) == code
    plain = capsys.readouterr()
    assert re.search(says, plain.err.replace("\n", " ")), plain.err
    assert "Traceback" not in plain.err
    assert "This is a fault of probekit" not in plain.err
    assert plain.err.splitlines()[-1].startswith("probekit: ")
    assert plain.out == ""


@pytest.mark.parametrize(("command", "code", "says"), WRONG, ids=NAMES)
def test_wrong_in_json(command: str, code: int, says: str, scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*arguments(command, scene), "--json"]
    assert run(argv) == code
    said = capsys.readouterr()
    document = json.loads(said.err)
    assert document["schema"] == "probekit.error/1"
    assert document["error"]["exit_code"] == code
    assert document["error"]["kind"] == KINDS[code]
    assert re.search(says, document["error"]["message"].replace("\n", " "))
    assert said.out == ""


@pytest.mark.parametrize(
    ("corpus", "says"),
    [
        ("nouns.conllu", r"task 'pos' has the one label 'NOUN' in the training part: nothing to learn"),
        ("one.conllu", r"task 'pos' has no target in the (train|dev|test) part.*Give a corpus with more examples"),
        ("two.conllu", r"task 'pos' has no target in the (train|dev|test) part.*Give a corpus with more examples"),
    ],
)
def test_fault_19_too_little_to_learn_from(
    corpus: str, says: str, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["extract", "model", corpus, "-q", "--cache", str(tmp_path)]) == 0
    capsys.readouterr()
    assert run(["probe", "--task", "pos", "--cache", str(tmp_path), "-q"]) == 3
    said = capsys.readouterr()
    assert re.search(says, said.err.replace("\n", " ")), said.err
    assert said.out == ""


def test_verify_prints_its_findings_and_in_json_an_error_beside_them(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one command that fails with something on stdout: what it found is what was asked for."""
    argv = ["cache", "verify", "--cache", "caches-flipped"]
    assert run(argv) == 4
    plain = capsys.readouterr()
    assert re.search(r"00000\.safetensors is damaged.*\n.*1 problem", plain.out)
    assert "cache verify --repair" in plain.err
    assert run([*argv, "--json"]) == 4
    said = capsys.readouterr()
    assert len(json.loads(said.out)["problems"]) == 1
    error = json.loads(said.err)["error"]
    assert (error["kind"], error["exit_code"]) == ("cache", 4)
    assert re.search(r"1 problem.*00000\.safetensors.*cache verify --repair", error["message"])


def test_debug_shows_the_traceback_and_the_message(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", "--task", "poss", "--debug"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("probekit: There is no task 'poss'")


def test_a_fault_of_ours_says_so(
    scene: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import probekit.tasks

    def broken(*folders: Path) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(probekit.tasks, "load_catalogue", broken)
    assert run(["tasks"]) == 1
    said = capsys.readouterr()
    assert "ZeroDivisionError: division by zero" in said.err
    assert "fault of probekit; --debug" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(("number", "named"), [(28, "No space"), (30, "Read-only"), (13, "Permission")])
def test_a_disk_that_fails_is_no_fault_of_ours(
    number: int, named: str, scene: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import probekit.cache.location

    def failing(root: Path) -> None:
        raise OSError(number, os.strerror(number), "/some/place")

    monkeypatch.setattr(probekit.cache.location, "list_caches", failing)
    assert run(["cache", "ls"]) == 6
    assert named in (said := capsys.readouterr().err)
    assert "/some/place" in said
    assert "--cache" in said


def test_no_home_and_no_cache(scene: Path) -> None:
    homeless = {name: value for name, value in os.environ.items() if name not in ("HOME", "PROBEKIT_CACHE")}
    homeless.pop("XDG_CACHE_HOME", None)
    for verb in (["extract", "model", "good.conllu"], ["cache", "ls"], ["probe", "--task", "pos"]):
        command = [sys.executable, "-m", "probekit", *verb]
        done = subprocess.run(command, env=homeless, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 2
        assert "HOME is not set" in done.stderr
        assert "--cache or PROBEKIT_CACHE" in done.stderr
        assert done.stdout == ""
