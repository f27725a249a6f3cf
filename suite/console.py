"""What the command line shows: a progress bar, and results as text. `suite.cli` prints what is made here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from suite.records import CLEAN, Comparison, Progress, RunRecord
from suite.spec import Range, Scale, StudySpec, TrialSpec, Value
from suite.tracking import run_name

if TYPE_CHECKING:
    from suite.pipeline import Pipeline
    from suite.plan import Plan
    from suite.probe import Cost


class ProgressBar:
    """One bar over all runs of a command; where nobody watches a terminal, a line per run instead."""

    def __init__(self, runs: int, quiet: bool) -> None:
        self.runs = runs
        self.quiet = quiet or runs == 0
        self.done = 0
        self.bar: Any = None

    def __enter__(self) -> ProgressBar:
        if not self.quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=self.runs, unit="run", dynamic_ncols=True, smoothing=0.1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def started(self, spec: TrialSpec) -> None:
        """Name the run."""
        self._name(run_name(spec))

    def progressed(self, spec: TrialSpec, progress: Progress) -> None:
        """Show how far the run is."""
        self._name(f"{run_name(spec)} · {progress.step}/{progress.steps} updates")

    def finished(self, record: RunRecord, folder: Path) -> None:
        """Count the run."""
        self._count(f"{run_name(record.spec)}: {_outcome(record)}")

    def stood(self, record: RunRecord, folder: Path) -> None:
        """Count a run of an earlier session."""
        self._count(f"{run_name(record.spec)}: {_outcome(record)} (earlier)")

    def _name(self, text: str) -> None:
        if self.bar is not None:
            self.bar.set_description_str(text)

    def _count(self, line: str) -> None:
        self.done += 1
        if self.bar is not None:
            self.bar.update()
        elif not self.quiet:
            sys.stderr.write(f"[{self.done}/{self.runs}] {line}\n")
            sys.stderr.flush()


def _outcome(record: RunRecord) -> str:
    took = f"{record.seconds.get('total', 0):.1f} s"
    if record.reason:
        return f"{record.state}, {record.reason}, {took}"
    if record.scores:
        return (
            f"{_points(record.source_score(CLEAN))} source, {_points(record.zero_shot_mean(CLEAN))} zero-shot, {took}"
        )
    if record.selection is not None:
        return f"validation {_points(record.selection)}, {took}"
    return f"alignment measured, {took}"


def _points(value: float) -> str:
    return f"{100 * value:.1f}"


def describe_plan(plan: Plan) -> str:
    """The resolved plan: what will be run, on what, how often."""
    study = plan.study
    lines = [
        f"{study.name}: {study.question}",
        f"  task       {plan.task.name} ({plan.task.licence}), {study.task.source} to {', '.join(study.task.targets)}",
        f"  subsets    {', '.join(study.evaluation.subsets) or 'none'}{_attack(study)}",
        *(f"  scale      {s.name}: {s.checkpoint}{_depth(s)}" for s in plan.scales),
        *(f"  method     {m.name}{_space(m.parameters)}" for m in plan.methods),
        f"  tuned      learning rate {_value(study.train.learning_rate)}, "
        f"{study.tune.trials} trials per scale and method",
        f"  selected   on {study.task.source} {study.tune.select_on}, reported on {study.evaluation.report_on}",
        f"  runs       {len(plan.scales)} scales x {len(plan.methods)} methods x ({study.tune.trials} trials + "
        f"{len(study.refit.seeds)} seeds) + {len(plan.scales)} untouched checkpoints = {plan.runs}",
        f"  digest     {study.digest[:16]}",
    ]
    return "\n".join(lines)


def _depth(scale: Scale) -> str:
    return f", first {scale.layers} layers" if scale.layers else ""


def _attack(study: StudySpec) -> str:
    radius = study.evaluation.attack_radius
    return f", embedding attack of radius {radius:g} in {study.evaluation.attack_steps} steps" if radius > 0 else ""


def _space(parameters: dict[str, Value]) -> str:
    return ": " + ", ".join(f"{name} {_value(value)}" for name, value in parameters.items()) if parameters else ""


def _value(value: Value) -> str:
    if isinstance(value, Range):
        return f"{value.low:g} to {value.high:g}{' (log)' if value.log else ''}"
    return " | ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def describe_costs(costs: Sequence[Cost]) -> str:
    """The estimate of `--probe`, a line per (scale, method)."""
    lines = [f"  {'scale':<12}{'method':<22}{'update':>9}{'tuning run':>12}{'refit':>9}{'in all':>10}"]
    lines += [
        f"  {c.scale:<12}{c.method:<22}{c.update * 1000:>6.0f} ms"
        f"{c.tuning_run:>10.0f} s{c.refit_run:>7.0f} s{c.total:>8.0f} s"
        for c in costs
    ]
    total = sum(c.total for c in costs)
    lines.append(f"  estimated on this machine: {total:.0f} s ({total / 3600:.1f} h), alignment not counted")
    return "\n".join(lines)


def describe_comparisons(rows: Sequence[Comparison]) -> str:
    """The primary family: one line per scale and robust method."""
    lines = []
    for row in rows:
        if row.kind == "primary":
            lines.append(
                f"{row.scale} · {row.treatment} against {row.baseline}: {100 * row.effect:+.2f} points "
                f"[{100 * row.low:+.2f}, {100 * row.high:+.2f}], p {row.p:.3g}, adjusted {row.p_adjusted:.3g} "
                f"({row.correction}, family of {row.family_size}), {row.n_seeds} seeds x {row.n_items} items, "
                f"MDE {100 * row.mde:.2f}"
            )
    return "\n".join(lines)


def describe_results(pipeline: Pipeline, folder: Path) -> str:
    """The main tables as text, the answer, and where the rest lies."""
    from suite.records import load_comparisons
    from suite.report import tables
    from suite.report.render import to_text

    place = pipeline.runner.folder.comparisons
    rows = load_comparisons(place) if place.is_file() else ()
    shown = [t for t in tables(pipeline.plan.study, pipeline.records(), rows) if t.name in SHOWN and t.rows]
    text = "\n\n".join(to_text(table) for table in shown)
    answer = (folder / "summary.md").read_text(encoding="utf-8")
    return f"{text}\n\n{_sections(answer)}\n\ntables, figures and summary: {folder}"


SHOWN = ("main", "deltas", "subsets")
"""Tables that a finished study prints."""
SECTIONS = ("Answer", "Alignment")
"""Sections of the summary that it prints; the others are in the file."""


def _sections(markdown: str) -> str:
    """The chosen sections of a Markdown text."""
    parts = ["## " + part.strip() for part in markdown.split("\n## ")[1:]]
    return "\n\n".join(part for part in parts if part.startswith(tuple(f"## {name}" for name in SECTIONS)))


def describe_links(server: str, study: StudySpec | None, links: dict[str, str]) -> str:
    """The tracking server and a study's pages."""
    if study is None:
        return f"MLflow: {server}"
    if not links:
        return f"MLflow: {server}\n  no run of study {study.name!r} has been tracked there yet"
    return "\n".join([f"MLflow: {server}", *(f"  {name}: {link}" for name, link in links.items())])
