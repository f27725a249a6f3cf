"""What the command line shows: a progress bar, and results as text. `suite.cli` prints what is made here."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from suite.evaluation_spec import CLEAN
from suite.records import Progress, RunRecord
from suite.results import UNVARIED, Breadth, Comparison, Results, SeedPlan, Verdict
from suite.spec import StudySpec
from suite.tracking import run_name
from suite.trial_spec import Range, Scale, TrialSpec, Value

if TYPE_CHECKING:
    from suite.archive import Finished
    from suite.part import Part
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
        clean = record.by_language(CLEAN)
        source = f"{_points(clean[record.spec.task.source])} source, " if record.spec.task.source in clean else ""
        return f"{source}{_points(record.zero_shot_mean(CLEAN))} zero-shot, {took}"
    if record.selection is not None:
        return f"validation {_points(record.selection)}, {took}"
    return f"alignment measured, {took}"


def _points(value: float) -> str:
    return f"{100 * value:.1f}"


def describe_plan(plan: Plan, lacking: Sequence[str] = ()) -> str:
    """The resolved plan: what will be run, on what, how often; and, where it cannot be run here, the reasons for it."""
    study, left_out = plan.study, plan.left_out
    subsets = [name for name in study.evaluation.names if name not in left_out]
    lines = [
        f"{study.name}: {study.question}",
        f"  task       {plan.task.name} ({plan.task.licence}), {study.task.source} to {', '.join(study.task.targets)}",
        f"  subsets    {', '.join(subsets) or 'none'}{_attack(study)}",
        *(f"  left out   {name}: defined for {those}, not for {plan.task.name}" for name, those in left_out.items()),
        *(f"  scale      {s.name}: {s.checkpoint}{_depth(s)}" for s in plan.scales),
        *(f"  method     {m.name}{_space(m.parameters)}" for m in plan.methods),
        f"  tuned      learning rate {_value(study.train.learning_rate)}, "
        f"{study.tune.trials} trials per scale and method",
        f"  selected   on {study.task.source} {study.tune.select_on}, reported on {study.evaluation.report_on}",
        f"  runs       {len(plan.scales)} scales x {len(plan.methods)} methods x ({study.tune.trials} trials + "
        f"{len(study.refit.seeds)} seeds) + {len(plan.scales)} untouched checkpoints = {plan.runs}",
        f"  digest     {study.digest[:16]}",
    ]
    if plan.unreached:
        lines.append(
            f"  unchecked  the hub does not answer, so these could not be looked at: {', '.join(plan.unreached)}"
        )
    if lacking:
        more = f"; and {len(lacking) - REASONS_SHOWN} more, see --json" if len(lacking) > REASONS_SHOWN else ""
        lines.append(f"  cannot run here: {'; '.join(lacking[:REASONS_SHOWN])}{more}")
    return "\n".join(lines)


REASONS_SHOWN = 3
"""Reasons why a plan cannot be run here that it prints."""


def _depth(scale: Scale) -> str:
    return f", first {scale.layers} layers" if scale.layers else ""


def _attack(study: StudySpec) -> str:
    """What the clean items are put through besides the subsets."""
    asked = study.evaluation
    parts = {
        f"embedding attack of radius {asked.attack_radius:g} in {asked.attack_steps} steps": asked.attack_radius > 0,
        f"word attack of {asked.word_attack_queries} queries": asked.word_attack_queries > 0,
        f"vote of {asked.smoothing_samples} noisy copies": asked.smoothing_samples > 0,
    }
    return "".join(f", {part}" for part, wanted in parts.items() if wanted)


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
    lines.append(
        f"  estimated on this machine: {total:.0f} s ({total / 3600:.1f} h), loading and the untouched checkpoints not "
        "counted, an attack on words at its most"
    )
    return "\n".join(lines)


def describe_comparisons(results: Results) -> str:
    """The primary family, a line per scale and robust method, and what weakens it."""
    rows = [row for row in results.comparisons if row.kind == "primary"] or list(results.comparisons)
    lines = [_comparison_line(row) for row in rows]
    lines += [f"  better in at least {b.holding} of {len(b.languages)} languages: {_who(b)} (alpha {b.alpha:.2g})"
              for b in results.breadths]  # fmt: skip
    return "\n".join([*lines, *(f"note: {warning}" for warning in results.warnings)])


def _comparison_line(row: Comparison) -> str:
    where = "" if row.kind == "primary" else f" in {row.aggregate}"
    if row.test == "independent-mean":
        where = f", {row.aggregate} ({row.task}),"
    seeds = f"{row.n_seeds} seed{'s' * (row.n_seeds > 1)} x {row.n_items} items"
    same = (
        f", equivalent within {100 * row.margin:g}: p {row.p_equivalence:.3g}"
        if row.margin is not None and row.p_equivalence is not None
        else ""
    )
    effect = f"{_who(row)}{where} against {row.baseline}: {100 * row.effect:+.2f} points"
    if not row.is_tested:
        return f"{effect}, no test, {seeds}: {UNVARIED}"
    interval, mde = f"[{100 * row.low:+.2f}, {100 * row.high:+.2f}]", f"{100 * row.mde:.2f}"
    if math.isnan(row.low):
        interval, mde = "[n/a: no variance]", "n/a"
    return (
        f"{effect} {interval}, {row.test}, p {row.p:.3g}, adjusted {row.p_adjusted:.3g} "
        f"({row.correction}, family of {row.family_size}), {seeds}, MDE {mde}{same}"
    )


def _who(row: Comparison | Breadth | SeedPlan | Verdict) -> str:
    return " · ".join(part for part in (row.scale, row.treatment) if part)


def describe_verdicts(verdicts: Sequence[Verdict]) -> str:
    """A block per claim: what was published, the answer, and the numbers behind it."""
    lines: list[str] = []
    for verdict in verdicts:
        expected = "an improvement" if verdict.expected is None else f"{100 * verdict.expected:+g} points"
        head = f"{verdict.name}: {expected} ({verdict.source}; {verdict.certainty or 'certainty not stated'})"
        if head not in lines:
            lines.append(head)
        lines.append(f"  {verdict.answer}{_measured(verdict)}: {verdict.reason}")
    return "\n".join(lines)


def _measured(verdict: Verdict) -> str:
    numbers = (verdict.effect, verdict.low, verdict.high, verdict.p_adjusted)
    if any(number is None for number in numbers):
        return ""
    effect, low, high = (100 * number for number in numbers[:3] if number is not None)
    return (
        f" by {_who(verdict)}, {effect:+.1f} [{low:+.1f}, {high:+.1f}], adjusted p {verdict.p_adjusted:.3g} (holm, "
        f"family of {verdict.family_size}), {verdict.n_seeds} seeds x {verdict.n_items} items"
    )


def describe_seed_plans(plans: Sequence[SeedPlan]) -> str:
    """Per scale and method: seeds needed per effect, and what each number of seeds finds."""
    lines = []
    for one in plans:
        lines.append(
            f"{_who(one)} against {one.baseline}, judged by {one.n_seeds} seeds x {one.n_items} items "
            f"(more seeds can take away {100 * one.seed_share:.0f} % of the variance):"
        )
        for effect, needed in zip(one.effects, one.needed, strict=True):
            answer = f"{needed} seeds" if needed else _never(one, effect)
            lines.append(f"  {100 * effect:+g} points with {100 * one.power:.0f} % power: {answer}")
        found = ", ".join(f"{n}: {100 * mde:.1f}" for n, mde in zip(one.seeds, one.detectable, strict=True))
        lines.append(f"  smallest difference found, by seeds: {found}")
    return "\n".join(lines)


def _never(plan: SeedPlan, effect: float) -> str:
    if effect > plan.limit:
        return "more than a thousand seeds; make runs vary less"
    return f"no number of seeds: {plan.n_items} items alone hide what is below {100 * plan.limit:.2f}; add items"


def describe_results(ended: Pipeline | Finished | Part, folder: Path) -> str:
    """The main tables as text, the answer, and where the rest lies."""
    from suite.report import tables
    from suite.report.render import to_text

    every = tables(ended.study, ended.records(), ended.results())
    shown = [table for table in every if table.name in SHOWN and table.rows]
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
