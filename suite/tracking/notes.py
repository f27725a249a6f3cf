"""Markdown notes MLflow shows on a run and on an experiment: what it is, its main numbers, how to run it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from suite.evaluation_spec import CLEAN
from suite.records import RunRecord
from suite.results import Comparison
from suite.spec import StudySpec
from suite.tracking.describe import TAG_LIMIT, arm_of, run_name, shorten
from suite.trial_spec import TrialSpec

_PHASES = {"tune": "tuning trial", "refit": "refit", "checkpoint": "checkpoint before fine-tuning"}


def running_note(spec: TrialSpec) -> str:
    """The note of a run that has not ended."""
    return "\n\n".join([_heading(spec), "Running.", _recipe(spec)])


def run_note(record: RunRecord, omitted: Sequence[str] = ()) -> str:
    """The note of a run that ended; `omitted` names metrics that are not finite and so were not logged."""
    warnings = [*record.warnings, *(f"not finite, so not logged: {name}" for name in omitted)]
    parts = [
        _heading(record.spec),
        shorten(_ending(record), 2000),
        _scores(record),
        shorten("\n".join(f"- Warning: {w}" for w in warnings), 2000),
        _recipe(record.spec),
        _origin(record),
        _again(record.spec),
    ]
    return shorten("\n\n".join(part for part in parts if part), TAG_LIMIT)


def _heading(spec: TrialSpec) -> str:
    return f"**{run_name(spec)}**: {_PHASES[spec.phase]} of study `{spec.study}`, {arm_of(spec.method)} arm."


def _ending(record: RunRecord) -> str:
    """How the run ended and its headline numbers: the one line MLflow shows unfolded."""
    task, clean = record.spec.task, record.by_language(CLEAN)
    ending = record.state.capitalize() + (f": {record.reason}" if record.reason else "")
    numbers = []
    targets = [language for language in task.targets if language in clean]
    if targets:
        numbers.append(f"zero-shot mean **{record.zero_shot_mean():.4f}** over {len(targets)} languages")
    if task.source in clean:
        numbers.append(f"source ({task.source}) {record.source_score():.4f}")
        numbers += [f"transfer gap {record.transfer_gap():.4f}"] if targets else []
    if record.selection is not None:
        numbers.append(f"validation ({task.source}) {record.selection:.4f}")
    return ending + (f". {record.spec.metric.capitalize()}: {'; '.join(numbers)}." if numbers else ".")


def _scores(record: RunRecord) -> str:
    """The study's metric by subset and language; a dash where a subset is not defined in a language."""
    languages = [language for language in record.spec.task.languages if language in record.by_language(CLEAN)]
    rows = []
    for subset in record.subsets:
        scores = record.by_language(subset)
        cells = (f"{scores[language]:.3f}" if language in scores else "-" for language in languages)
        rows.append((subset, *cells))
    return _table((record.spec.metric, *languages), rows)


def _recipe(spec: TrialSpec) -> str:
    train = spec.train
    if spec.phase == "checkpoint":
        return f"Checkpoint `{spec.scale.checkpoint}`, {_layers(spec)}, as it came."
    own = ", ".join(f"{name} {value}" for name, value in spec.hyperparameters.items())
    return (
        f"Checkpoint `{spec.scale.checkpoint}`, {_layers(spec)}; {train.epochs} epochs, batch size {train.batch_size}, "
        f"learning rate {spec.learning_rate:g} (head {spec.head_learning_rate:g}), seed {spec.seed}"
        + (f"; {spec.method}: {shorten(own, 2000)}." if own else ".")
    )


def _layers(spec: TrialSpec) -> str:
    return "all layers" if spec.scale.layers is None else f"first {spec.scale.layers} layers"


def _origin(record: RunRecord) -> str:
    seconds = ", ".join(f"{stage} {value:.1f} s" for stage, value in record.seconds.items())
    made = record.provenance
    if made is None:
        return seconds
    commit = made.commit[:12] + (" (modified)" if made.dirty else "") if made.commit else "no checkout"
    return f"suite {made.suite_version}, commit {commit}, {made.device}, {made.threads} threads. {seconds}".strip()


def _again(spec: TrialSpec) -> str:
    part = f"--scale {spec.scale.name} --method {spec.method}"
    command = {
        "tune": f"suite tune study.toml {part}",
        "refit": f"suite refit study.toml {part}",
        "checkpoint": f"suite refit study.toml --scale {spec.scale.name}",
    }[spec.phase]
    return (
        f"Run again, with `study.toml` from the artifacts and the packages of `pins.txt`: `{command}`. "
        "This run alone is `spec` in `record.json`."
    )


def study_note(name: str, study: StudySpec | None) -> str:
    """The note of an experiment."""
    parts = [f"**{name}**" if study is None else f"**{name}**: {study.question}"]
    if study is not None:
        parts.append(
            f"Task `{study.task.name}`, {study.task.source} to {', '.join(study.task.targets)}; "
            f"scales {', '.join(s.name for s in study.scale)}; methods {', '.join(m.name for m in study.method)}."
        )
    parts.append(
        "Runs are flat and tagged `phase` (checkpoint, tune, refit, comparison), `arm`, `method`, `scale`, `seed`. "
        "Comparisons read refits only: the best trial of a search is a biased estimate. "
        "Metric names end in what is compared side by side: `test.accuracy/de`, `alignment.csls_p1.layer-4/de`, "
        "`train/loss`; headlines are `zero_shot/mean`, `zero_shot/source`, `zero_shot/gap`, `alignment/mean`."
    )
    return shorten("\n\n".join(parts), TAG_LIMIT)


def comparison_note(study: StudySpec, comparisons: Iterable[Comparison], summary: str | None) -> str:
    """The note of a study's comparison run: its summary where one was exported, else the primary claims."""
    rows = [
        (
            *(c.scale, c.treatment, f"{c.effect:+.4f}"),
            *((f"[{c.low:+.4f}, {c.high:+.4f}]", f"{c.p_adjusted:.3g}") if c.is_tested else ("n/a", "n/a")),
        )
        for c in comparisons
        if c.kind == "primary"
    ]
    table = _table(("scale", "method", "effect on zero-shot mean", "interval", "adjusted p"), rows)
    heading = f"**Comparison of study `{study.name}`**: robust methods against {study.comparison.baseline}."
    again = "Tables and figures are in the artifacts; `suite compare` and `suite export` make them again."
    answer = shorten(summary or table, TAG_LIMIT - len(heading) - len(again) - 4)
    return "\n\n".join(part for part in (heading, answer, again) if part)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
