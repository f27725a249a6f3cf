"""One trial, from its description to its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from suite.alignment import measure
from suite.assembly import load_workspace
from suite.evaluation import Evaluation, evaluate
from suite.models.classifier import Classifier
from suite.models.predict import embed_texts
from suite.naming import metric_name
from suite.provenance import provenance
from suite.records import (
    ATTACKED,
    CHECKPOINT,
    AlignmentScore,
    Progress,
    Provenance,
    RunRecord,
    State,
    save_record,
    write_atomically,
)
from suite.texts import selection_metric
from suite.trial_spec import TrialSpec
from suite.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow

CHECKPOINT_SECONDS = 30.0
"""A run is checkpointed at the first validation point this long after the last: at most so much work is lost."""

Watch = Callable[[Progress], str | None]
"""Sees every validation point; a returned reason stops the run as pruned."""


def ignore(progress: Progress) -> None:
    """Watch nothing, stop nothing."""


@dataclass(slots=True)
class Clock:
    """Wall seconds by stage."""

    started: float = field(default_factory=time.perf_counter)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def done(self) -> dict[str, float]:
        """All stages and the total, rounded to milliseconds."""
        self.seconds["total"] = time.perf_counter() - self.started
        return {name: round(value, 3) for name, value in self.seconds.items()}


def run_trial(
    spec: TrialSpec,
    folder: Path,
    *,
    hub_root: Path | None = None,
    watch: Watch = ignore,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> RunRecord:
    """Run a trial and leave its record in `folder`; a checkpoint found there is continued.

    Args:
        spec: What to run.
        folder: The run's own folder.
        hub_root: Local hub mirror.
        watch: Called at every validation point.
        checkpoint_seconds: Least time between two checkpoints; 0 writes one at every validation point.

    Returns:
        The record, which is also on disk: `complete`, `pruned`, or `failed` when the loss stopped being finite.
    """
    clock, started = Clock(), datetime.now(UTC).isoformat(timespec="seconds")
    torch.use_deterministic_algorithms(torch.cuda.is_available())
    folder.mkdir(parents=True, exist_ok=True)
    with clock.stage("load"):
        workspace = load_workspace(spec, hub_root)
        classifier = workspace.classifier(spec.seed, spec.train.pooling)
        units = workspace.units_of(spec)
    changed = (*workspace.truncation_notes(spec.train.max_length), *workspace.reading_notes())
    outcome = Outcome(warnings=[*workspace.texts.notes, *changed])
    if spec.phase != "checkpoint":
        with clock.stage("train"):
            _train(spec, workspace, classifier, folder, watch, checkpoint_seconds, outcome)
    answers = spec.phase == "refit" or (spec.phase == "checkpoint" and workspace.reported.kind.embeds)
    if answers and not outcome.reason:
        with clock.stage("evaluate"):
            found = evaluate(classifier, workspace.reported, spec, units, workspace.word_attack)
            _write_table(found.predictions, folder / "predictions.parquet")
            if found.attacked is not None:
                _write_table(found.attacked, folder / ATTACKED)
            outcome.evaluation = found
    if spec.phase != "tune" and not outcome.reason:
        with clock.stage("align"):
            outcome.alignment = tuple(align(spec, workspace, classifier))
    record = _record(spec, outcome, _provenance(workspace, classifier), clock.done(), started)
    save_record(record, folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return record


@dataclass(slots=True)
class Outcome:
    """What a trial has come to so far."""

    state: State = "complete"
    reason: str = ""
    selection: float | None = None
    curve: tuple[tuple[int, str, float], ...] = ()
    evaluation: Evaluation | None = None
    alignment: tuple[AlignmentScore, ...] = ()
    warnings: list[str] = field(default_factory=list)


def _train(
    spec: TrialSpec,
    workspace: Workspace,
    classifier: Classifier,
    folder: Path,
    watch: Watch,
    checkpoint_seconds: float,
    outcome: Outcome,
) -> None:
    fit = workspace.fit(spec, classifier)
    fit.load(folder / CHECKPOINT)
    saved = time.monotonic()
    try:
        for progress in fit.run():
            outcome.reason = watch(progress) or ""
            if outcome.reason:
                outcome.state = "pruned"
                break
            if progress.step < progress.steps and time.monotonic() - saved >= checkpoint_seconds:
                fit.save(folder / CHECKPOINT)
                saved = time.monotonic()
    except FloatingPointError as error:
        outcome.state, outcome.reason = "failed", f"{error}; lower the learning rate or the perturbation"
    outcome.curve = tuple(fit.curve)
    name = metric_name(spec.select_on, spec.task.source, metric=selection_metric(spec.task, spec.metric))
    outcome.selection = next((v for _, key, v in reversed(fit.curve) if key == name), None)
    idle = [v for _, key, v in fit.curve if key == metric_name("train", "zero_gradient")]
    if idle and max(idle) > 0.5 and float(spec.hyperparameters.get("radius", 0)) > 0:
        outcome.warnings.append(f"the ascent's gradient was zero at up to {max(idle):.0%} of the tokens: no adversary")


def align(spec: TrialSpec, workspace: Workspace, classifier: Classifier) -> Iterator[AlignmentScore]:
    """Alignment statistics of every layer and target language on the task's parallel text."""
    vectors_LND = embed_texts(classifier, workspace.parallel.rows).cpu()
    for language, (source, target) in workspace.parallel.pairs.items():
        text = workspace.texts.parallel[language].name
        for layer, vectors_ND in enumerate(vectors_LND):
            here_ND, there_ND = vectors_ND[torch.from_numpy(source)], vectors_ND[torch.from_numpy(target)]
            values = measure(here_ND, there_ND, spec.alignment.metrics)
            for metric, value in values.items():
                yield AlignmentScore(
                    metric=metric, layer=layer, language=language, value=value, n=len(source), text=text
                )


def _write_table(table: pyarrow.Table, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomically(path, sink.getvalue().to_pybytes())


def _provenance(workspace: Workspace, classifier: Classifier) -> Provenance:
    return provenance(
        device=workspace.device,
        checkpoint_fingerprint=workspace.parts.fingerprint,
        parameters=sum(p.numel() for part in (classifier.encoder, classifier.head) for p in part.parameters()),
        vocabulary=int(classifier.encoder.get_input_embeddings().weight.shape[0]),
        datasets=workspace.datasets,
    )


def _record(
    spec: TrialSpec, outcome: Outcome, origin: Provenance, seconds: dict[str, float], started: str
) -> RunRecord:
    found = outcome.evaluation
    return RunRecord(
        spec=spec,
        state=outcome.state,
        reason=outcome.reason,
        selection=outcome.selection,
        scores=found.scores if found else (),
        pairs=found.pairs if found else (),
        alignment=outcome.alignment,
        curve=outcome.curve,
        predictions="predictions.parquet" if found else None,
        provenance=origin,
        seconds=seconds,
        warnings=(*outcome.warnings, *(found.warnings if found else ())),
        started=started,
    )
