"""The verbs together, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import errno
import os
import shlex
import sys
import traceback

import typer

from probekit import __version__
from probekit.cli import (
    ablate,
    align,
    attend,
    behave,
    cache,
    doctor,
    drift,
    ensemble,
    extract,
    generate,
    predict,
    probe,
    report,
    tasks,
    transfer,
    tune,
    view,
)
from probekit.cli.options import examples
from probekit.devices import out_of_memory
from probekit.errors import ProbekitError
from probekit.storage.strict import dump

app = typer.Typer(
    name="probekit",
    help="What do the layers of a pretrained language model know?",
    epilog=examples("probekit extract", "probekit probe --task pos"),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("extract", short_help="Keep the vectors of every token at every layer.", epilog=extract.EXAMPLES)(
    extract.extract_command
)
app.command("probe", short_help="Ask a question of every layer, with floors.", epilog=probe.EXAMPLES)(
    probe.probe_command
)
app.command("transfer", short_help="Train on one data set, test on others.", epilog=transfer.EXAMPLES)(
    transfer.transfer_command
)
app.command("behave", short_help="Which sentence a model prefers, with floors.", epilog=behave.EXAMPLES)(
    behave.behave_command
)
app.command("generate", short_help="A model's own continuations of prompts.", epilog=generate.EXAMPLES)(
    generate.generate_command
)
app.add_typer(ablate.app, name="ablate")
app.command("tune", short_help="Fine-tune by a plan, with its bill.", epilog=tune.EXAMPLES)(tune.tune_command)
app.command("predict", short_help="What a tuned model says of a corpus.", epilog=predict.EXAMPLES)(
    predict.predict_command
)
app.command("ensemble", short_help="Runs of one task together, calibrated.", epilog=ensemble.EXAMPLES)(
    ensemble.ensemble_command
)
app.command("attend", short_help="Which head follows which relation.", epilog=attend.EXAMPLES)(attend.attend_command)
app.command("align", short_help="Attention as word alignment.", epilog=align.EXAMPLES)(align.align_command)
app.command("drift", short_help="How far tuning moved each layer.", epilog=drift.EXAMPLES)(drift.drift_command)
app.add_typer(view.app, name="view")
app.add_typer(report.app, name="report")
app.add_typer(cache.app, name="cache")
app.command("tasks", epilog=tasks.EXAMPLES)(tasks.tasks_command)
app.command("doctor", short_help="Show versions, devices and the cache folder.", epilog=doctor.EXAMPLES)(
    doctor.doctor_command
)

BROKEN_PIPE = 141
"""What shells see of a program that wrote to a closed pipe."""

_LESS_MEMORY = "Use fewer tokens a batch (--batch-tokens), fewer layers (--layers) or --max-ram."
_PLACES = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EIO,
}


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and end.", is_eager=True),
) -> None:
    if version:
        typer.echo(f"probekit {__version__}")
        raise typer.Exit()


def run(argv: list[str]) -> int:
    """Run one command; return its exit code. Nothing escapes as a traceback without ``--debug``."""
    try:
        return _run(argv)
    except SystemExit as error:
        return _pipe_closed() if isinstance(error.__context__, BrokenPipeError) else int(error.code or 0)
    except BrokenPipeError:
        return _pipe_closed()
    except ProbekitError as error:
        return _fail(argv, error, error.exit_code, error.kind, str(error))
    except MemoryError as error:
        return _fail(argv, error, 6, "resource", f"Out of memory. {_LESS_MEMORY} {error}".strip())
    except OSError as error:
        return _fail_os(argv, error)
    except Exception as error:
        return _fail_other(argv, error)


def _run(argv: list[str]) -> int:
    """Run one command; where stderr is to be silent, or a document alone, faults of packages are left to `doctor`."""
    silent = bool({"--json", "-q", "--quiet"} & set(argv))
    if silent:
        import logging

        faults = logging.getLogger("probekit.registry")
        before, faults.disabled = faults.disabled, True
    try:
        result = app(argv, standalone_mode=False, prog_name="probekit", obj=shlex.join(["probekit", *argv]))
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    finally:
        if silent:
            faults.disabled = before


def _pipe_closed() -> int:
    """The reader of our stdout went away (``| head``): that is its right, and no error of ours."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _fail_os(argv: list[str], error: OSError) -> int:
    if error.errno == errno.ENAMETOOLONG:
        said = f"The name '{error.filename!s:.60}..' is too long for this file system. Give a shorter one."
        return _fail(argv, error, 2, "usage", said)
    if error.errno not in _PLACES:
        return _fail_other(argv, error)
    where = f" ({error.filename})" if error.filename else ""
    message = f"{error.strerror}{where}. Free space, or name another place (--cache or PROBEKIT_CACHE for caches)."
    return _fail(argv, error, 6, "resource", message)


def _fail_other(argv: list[str], error: Exception) -> int:
    code = getattr(error, "exit_code", None)
    if type(error).__module__.startswith(("typer", "click")) and isinstance(code, int):
        return _fail_usage(argv, error, code)
    if out_of_memory(error):
        return _fail(argv, error, 6, "resource", f"The device is out of memory. {_LESS_MEMORY}")
    message = f"{type(error).__name__}: {error}\nThis is a fault of probekit; --debug shows where. Please report it."
    return _fail(argv, error, 1, "bug", message)


def _fail_usage(argv: list[str], error: Exception, code: int) -> int:
    """Say what is wrong with the command line, and where its help is."""
    context = getattr(error, "ctx", None)
    said = error.format_message() if hasattr(error, "format_message") else str(error)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(said, file=sys.stderr)
        return code
    if type(error).__name__ == "MissingParameter" and (about := getattr(getattr(error, "param", None), "help", None)):
        said += f" {about}"
    command = context.command_path if context is not None else "probekit"
    stop = "" if said.endswith((".", "?", ")")) else "."
    return _fail(argv, error, code, "usage", f"{said}{stop} See `{command} --help`.")


def _fail(argv: list[str], error: BaseException, code: int, kind: str, message: str) -> int:
    if "--debug" in argv:
        traceback.print_exception(error)
    if "--json" in argv:
        document = {"schema": "probekit.error/1", "error": {"kind": kind, "exit_code": code, "message": message}}
        print(dump(document), file=sys.stderr)
    else:
        print(f"probekit: {message}", file=sys.stderr)
    return code
