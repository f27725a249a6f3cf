"""The verbs that run a study's stages: check, tune, refit, compare, export, run, ui."""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.cli.codes import DONE, FAILED

if TYPE_CHECKING:
    from suite.archive import Finished
    from suite.part import Part
    from suite.pipeline import Pipeline
    from suite.plan import Plan
    from suite.records import RunRecord
    from suite.results import Results
    from suite.spec import StudySpec
    from suite.tracking import Tracker


def load(arguments: argparse.Namespace) -> Plan:
    """The chosen part of a study, checked."""
    from suite.study_file import load_study

    if arguments.study.suffix == ".zip":
        raise ValueError(
            f"{arguments.study} is an archive, which is compared and exported; `suite unpack` brings it back"
        )
    study = load_study(arguments.study)  # the file's own faults first: they cost no import of torch
    from suite.plan import plan

    try:
        return plan(study, tuple(arguments.scale), tuple(arguments.method))
    except ValueError as error:
        raise ValueError(f"{arguments.study}: {error}") from error


def check(arguments: argparse.Namespace) -> int:
    """Validate a study and print what it resolves to."""
    from suite.storage import home

    plan = load(arguments)
    from suite.plan_task import unloadable
    from suite.tracking import check_tracking, tracking_uri
    from suite.tuning import check_storage

    lacking = [*plan.unmirrored, *unloadable(plan.study, plan.task)]
    check_tracking(tracking_uri(plan.study.tracking, home()))
    check_storage(plan.study.tune.storage)
    costs = []
    if arguments.probe:
        from suite.probe import probe

        costs = probe(plan)
    if arguments.json:
        from suite.canonical import to_json

        found = {"runs": plan.runs, "left_out": plan.left_out, "unreached": plan.unreached, "lacking": lacking}
        emit({"study": to_json(plan.study), **found, "costs": [to_json(c) for c in costs]})
    elif not arguments.quiet:
        from suite.console import describe_costs, describe_plan

        print(describe_plan(plan, lacking))
        if costs:
            print(describe_costs(costs))
    return DONE


def tune(arguments: argparse.Namespace) -> int:
    """Tune every (scale, method)."""
    with pipeline_of(arguments, tuning=True) as pipeline:
        return finish(arguments, ended_runs(arguments, pipeline.tune()))


def refit(arguments: argparse.Namespace) -> int:
    """Retrain the best configurations on fresh seeds."""
    with pipeline_of(arguments, refits=True) as pipeline:
        code = finish(arguments, ended_runs(arguments, pipeline.refit()))
        return _tell_barren(pipeline) or code


def export(arguments: argparse.Namespace) -> int:
    """Write tables, figures and summary of a study or a part of it, or of an archive of a study."""
    if is_part(arguments) and arguments.to is None and arguments.study.suffix != ".zip":
        raise ValueError("a part of a study is exported beside its whole tables; name a folder with --to")
    check_results_folder(arguments)
    with ended(arguments) as runs:
        return _exported(arguments, part_of(arguments, runs))


def is_part(arguments: argparse.Namespace) -> bool:
    """Whether scales or methods were chosen."""
    return bool(arguments.scale or arguments.method)


def part_of(arguments: argparse.Namespace, runs: Pipeline | Finished) -> Pipeline | Finished | Part:
    """What of a study is shown: the chosen part of it, or all."""
    from suite.part import Part
    from suite.pipeline import Pipeline

    return Part(runs) if is_part(arguments) and isinstance(runs, Pipeline) else runs


def run(arguments: argparse.Namespace) -> int:
    """Tune, refit, compare and export."""
    from suite.cli.working import check_executor
    from suite.pipeline import NothingToCompare

    check_executor(arguments)
    check_results_folder(arguments)
    with pipeline_of(arguments, tuning=True, refits=True) as pipeline:
        records = _all_runs(arguments, pipeline)
        try:
            pipeline.compare()
        except NothingToCompare as nothing:
            print(f"suite: {nothing}", file=sys.stderr)
        code = _exported(arguments, pipeline)
        failed = any(r.state == "failed" and r.spec.phase == "refit" for r in records)
        return _tell_barren(pipeline) or code or (FAILED if failed else DONE)


def _tell_barren(pipeline: Pipeline) -> int:
    """Name what could not be refitted, while all else went on; the exit code."""
    barren = pipeline.barren()
    for line in barren:
        print(f"suite: {line}; the rest of the study went on without it", file=sys.stderr)
    return FAILED if barren else DONE


def _all_runs(arguments: argparse.Namespace, pipeline: Pipeline) -> list[RunRecord]:
    """Tune and refit, here or by workers."""
    from suite.cli.working import run_by_workers

    if arguments.executor is None:
        return [*bare(pipeline.tune()), *bare(pipeline.refit())]
    return run_by_workers(arguments, pipeline)


def ui(arguments: argparse.Namespace) -> int:
    """Start the tracking server and print a study's pages."""
    from suite.console import describe_links
    from suite.storage import home
    from suite.study_file import load_study
    from suite.tracking import check_tracking, tracking_uri
    from suite.tracking.address import is_http
    from suite.tracking.links import study_links
    from suite.tracking.server import start_server

    study = load_study(arguments.study) if arguments.study else None
    uri = tracking_uri(study.tracking if study else None, home())
    check_tracking(uri)

    def told(server: str) -> str:
        links = describe_links(server, study, study_links(server, study) if study else {})
        return f"{links}\n  searches: {_dashboard(study)}" if study else links

    if is_http(uri):
        print(told(uri))
        return DONE
    print("starting the tracking server (6 to 30 s)", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that the server is stopped too
    with start_server(uri, home(), arguments.port) as server:
        print(told(server.url), flush=True)
        print("Ctrl-C stops it", file=sys.stderr)
        server.wait()
    return DONE


def _dashboard(study: StudySpec) -> str:
    """The command that shows the study's Optuna trials in a browser; a password is left for the reader to fill in."""
    from suite.storage import StudyFolder, storage_url
    from suite.tracking.address import mask

    url = storage_url(study.tune.storage) or f"sqlite:///{StudyFolder.of(study).optuna}"
    return f"optuna-dashboard {mask(url)}"


@contextmanager
def pipeline_of(arguments: argparse.Namespace, *, tuning: bool = False, refits: bool = False) -> Iterator[Pipeline]:
    """The pipeline of the chosen part of a study, tracked and with progress on the terminal."""
    plan = load(arguments)
    if (tuning or refits) and plan.unreached:
        names = ", ".join(plan.unreached)
        raise ValueError(
            f"the hub does not answer and these are not on this machine: {names}; try again, or use a mirror"
        )
    if (tuning or refits) and plan.unmirrored:
        raise ValueError("; ".join(plan.unmirrored))
    from suite.console import ProgressBar
    from suite.pipeline import Pipeline
    from suite.storage import home
    from suite.tracking import Tracker, tracking_uri
    from suite.tracking.observer import Tracked
    from suite.tuning import check_storage

    check_storage(plan.study.tune.storage)
    uri = tracking_uri(plan.study.tracking, home())
    runs = (plan.tuning_runs if tuning else 0) + (plan.refit_runs + len(plan.scales) if refits else 0)
    with Tracker(uri, plan.study.name, arguments.study) as tracker, ProgressBar(runs, arguments.quiet) as bar:
        pipeline = Pipeline.of(plan, [Tracked(tracker), bar])
        tracker.sync(pipeline.runner.folder.folders())
        yield pipeline
        bar.close()
        if tuning or refits or not is_part(arguments):
            mirror_comparison(tracker, pipeline.study, pipeline.results(), arguments)


@contextmanager
def ended(arguments: argparse.Namespace) -> Iterator[Pipeline | Finished]:
    """What a verb compares or exports: a study, or an archive of one, which is unpacked for as long as it takes."""
    if arguments.study.suffix != ".zip":
        with pipeline_of(arguments) as pipeline:
            yield pipeline
        return
    if is_part(arguments):
        raise ValueError("an archive is compared and exported as a whole; leave --scale and --method out")
    from suite.archive import opened

    with opened(arguments.study) as finished:
        yield finished


def mirror_comparison(tracker: Tracker, study: StudySpec, results: Results, arguments: argparse.Namespace) -> None:
    """Bring the comparison run up to date once there are comparisons and exported tables."""
    from suite.report import exported_files

    tables = _results_folder(arguments, study)
    if results.comparisons and (tables / "summary.md").is_file():
        tracker.comparison(study, results.comparisons, tables, exported_files(tables))


def check_results_folder(arguments: argparse.Namespace) -> None:
    """Refuse a folder of tables that cannot be written to, before hours of work end there."""
    folder: Path = arguments.to or Path("results")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ValueError(
            f"tables are written to {folder}, which cannot be ({error.strerror}: {there}); name a folder with --to"
        ) from None


def _results_folder(arguments: argparse.Namespace, study: StudySpec) -> Path:
    """Where a study's tables are exported to."""
    to: Path | None = getattr(arguments, "to", None)
    return to or Path("results") / study.name


def ended_runs(arguments: argparse.Namespace, records: Iterable[RunRecord]) -> list[RunRecord]:
    """Wait for every run to end; the whole of a record is kept only where it will be shown."""
    return list(records if arguments.json else bare(records))


def bare(records: Iterable[RunRecord]) -> Iterator[RunRecord]:
    """Records without what was measured, which is on disk: a driver of a thousand runs would hold 200 MB of it."""
    for record in records:
        yield replace(record, scores=(), pairs=(), alignment=(), curve=(), provenance=None)


def finish(arguments: argparse.Namespace, records: list[RunRecord]) -> int:
    """Say how runs ended; returns the exit code."""
    failed = [r for r in records if r.state == "failed"]
    if arguments.json:
        emit(records)
    elif not arguments.quiet:
        states = Counter(record.state for record in records)
        print(f"{len(records)} runs: " + (", ".join(f"{n} {s}" for s, n in states.items()) or "nothing left to do"))
    for record in failed:
        print(f"suite: {record.run_id} failed: {record.reason}", file=sys.stderr)
    return FAILED if failed else DONE


def _exported(arguments: argparse.Namespace, runs: Pipeline | Finished | Part) -> int:
    folder = _results_folder(arguments, runs.study)
    written = runs.export(folder)
    if arguments.json:
        emit([str(path) for path in written])
    elif not arguments.quiet:
        from suite.console import describe_results

        print(describe_results(runs, folder))
    return DONE


def emit(value: Any) -> None:
    """Print records or plain values as JSON, in which an infinite number is null."""
    from suite.canonical import to_json

    print(json.dumps(_finite(to_json(value)), ensure_ascii=False, indent=1, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
