"""The command line: parses, calls, prints. Heavy imports wait until a verb needs them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from suite import __version__
from suite.cause import root_of
from suite.cli.archiving import add_archive, add_unpack, archive, unpack
from suite.cli.catalogue import add_tasks, tasks
from suite.cli.codes import DONE, FAILED, INTERRUPTED, MISUSED, SIGNALLED
from suite.cli.comparing import add_compare, add_plan, add_verify, compare, plan, verify
from suite.cli.modelling import add_model, model
from suite.cli.replaying import add_env, add_replay, env, replay
from suite.cli.stages import check, export, refit, run, tune, ui
from suite.cli.syncing import sync
from suite.cli.working import add_executor, add_worker, worker

__all__ = ["DONE", "FAILED", "INTERRUPTED", "MISUSED", "main"]

DESCRIPTION = """\
Does robust training improve the alignment of multilingual embedding spaces,
and zero-shot cross-lingual transfer with it?
A study file says what to vary; every stage goes on where it stood and never repeats a finished run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 a run failed or a replay differs, 2 usage or study file wrong."""
    # Threads that wait for one another give their core up sooner than libgomp lets them. With another process on one of
    # two cores a 4-layer trial takes 29 s instead of 48 s, on a quiet machine as long as before (10 s).
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    _find_modules_here()
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        return code
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on where it stood", INTERRUPTED)
    except SystemExit as asked:  # by a signal that the tracker turns into this, so that runs left open are ended
        if not isinstance(asked.code, int) or asked.code <= SIGNALLED:
            raise
        name = signal.Signals(asked.code - SIGNALLED).name
        return _complain(f"interrupted by {name}; the same command goes on where it stood", asked.code)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except ValueError as error:
        return _complain(str(error), MISUSED)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _complain(f"{error.strerror or error}{where}; no finished run is lost: put it right and repeat", FAILED)
    except Exception as error:  # a database, a driver, a bug: still one line, and no finished run is lost
        root = root_of(error)
        first = (str(root).strip().splitlines() or ["no message"])[0]
        where = "SUITE_DEBUG=1 shows where"
        return _complain(f"{type(root).__name__}: {first}; no finished run is lost ({where})", FAILED)


def _find_modules_here() -> None:
    """Let a study name modules of the working directory: `python -m suite` looks there anyway, the script does not."""
    with suppress(OSError):  # a directory that was deleted
        here = os.getcwd()
        if not {"", here} & {*sys.path}:
            sys.path.append(here)


def _complain(line: str, code: int) -> int:
    if os.environ.get("SUITE_DEBUG") and code < SIGNALLED:
        raise
    print(f"suite: {' '.join(line.splitlines())}", file=sys.stderr)  # what a file holds may have line ends
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="suite", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"suite {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (act, line) in VERBS.items():
        verb = verbs.add_parser(name, help=line, description=line)
        verb.set_defaults(run=act)
        if name == "ui":
            verb.add_argument("study", metavar="STUDY", nargs="?", type=Path, help="study whose pages are printed")
            verb.add_argument(
                "--port", type=_port, default=5000, help="port on 127.0.0.1 (default: 5000; 0 takes a free one)"
            )
            continue
        if name in WITHOUT_STUDY:
            WITHOUT_STUDY[name](verb)
            continue
        optional = "?" if name == "compare" else None
        verb.add_argument(
            "study", metavar="STUDY", type=Path, nargs=optional,
            help="study file, such as studies/quickstart.toml" + (", or an archive of one" if name in ARCHIVED else ""),
        )  # fmt: skip
        if name != "sync":
            verb.add_argument(
                "--scale", action="append", default=[], metavar="NAME", help="only this scale (repeatable)"
            )
            verb.add_argument(
                "--method", action="append", default=[], metavar="NAME", help="only this method (repeatable)"
            )
        verb.add_argument("--quiet", action="store_true", help="no progress, only errors")
        verb.add_argument("--json", action="store_true", help="the result as JSON on standard output")
        if name in ("export", "run", "sync"):
            verb.add_argument("--to", type=Path, metavar="DIR", help="folder of the tables (default: results/STUDY)")
        if name == "check":
            verb.add_argument("--probe", action="store_true", help="time a few updates and estimate the cost")
        if name in OPTIONS:
            OPTIONS[name](verb)
    return parser


def _port(text: str) -> int:
    """A port's number; what else was written is refused by argparse."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"a port is a whole number from 0 to 65535, got {text!r}; choose another")
    return int(text)


VERBS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "check": (check, "validate a study file and everything it names; print the plan"),
    "tune": (tune, "search hyperparameters, one Optuna study per (scale, method)"),
    "refit": (refit, "retrain the best configurations on fresh seeds and evaluate them"),
    "compare": (compare, "test robust methods against the baseline, in a study or in files of predictions"),
    "verify": (verify, "hold published claims against a study's results"),
    "plan": (plan, "how many seeds an effect needs, from the variance between finished runs"),
    "export": (export, "write tables (CSV, Parquet, Markdown, LaTeX), figures and summary"),
    "run": (run, "all four: tune, refit, compare, export"),
    "worker": (worker, "join a study: do the tuning trials and refits that no other worker does, until none is left"),
    "replay": (replay, "run a recorded trial again and compare: identical, or where it first differs and why"),
    "env": (env, "print the packages of a run as a constraints file"),
    "model": (model, "log the best refit of every (scale, method) as a model that mlflow.pyfunc loads"),
    "archive": (archive, "put a finished study into one file, from which it is compared and exported again anywhere"),
    "unpack": (unpack, "put the runs of an archive back into a home, for `suite replay` and `suite env`"),
    "tasks": (tasks, "list the tasks: languages, sizes, licence, and where they can be loaded from now"),
    "sync": (sync, "upload to the tracking store what it missed; run nothing"),
    "ui": (ui, "start the tracking server and print the addresses of a study's pages"),
}

ARCHIVED = ("compare", "export")
"""Verbs that read an archive of a study as they read a study."""
OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "compare": add_compare,
    "verify": add_verify,
    "plan": add_plan,
    "run": add_executor,
    "worker": add_worker,
    "model": add_model,
}
"""Options of single verbs."""

WITHOUT_STUDY: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "replay": add_replay,
    "env": add_env,
    "archive": add_archive,
    "unpack": add_unpack,
    "tasks": add_tasks,
}
"""Arguments of the verbs that take no study file."""
