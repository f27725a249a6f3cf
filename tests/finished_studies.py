"""A study of any size whose runs have ended though nothing was trained: records, predictions, database of trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite.evaluation_spec import CLEAN
from suite.kinds import KINDS
from suite.naming import metric_name
from suite.records import (
    AlignmentScore,
    Dataset,
    Progress,
    Provenance,
    RunRecord,
    Score,
    prediction_columns,
    save_record,
)
from suite.running import Best, Runner, refit_spec, untouched_spec
from suite.spec import StudySpec
from suite.storage import StudyFolder
from suite.study_file import load_study
from suite.trial import Watch
from suite.trial_spec import TrialSpec
from suite.tuning import Search, open_claims, open_storage
from suite.working import work

STUDY = """
name = "finished"
question = "How long does it take to read what has ended?"
[task]
name = "home-intents"
targets = {targets}
{scales}
[[method]]
name = "standard"
[[method]]
name = "adversarial"
radius = {{ low = 0.01, high = 0.1, log = true }}
[[method]]
name = "random-perturbation"
noise = {{ low = 0.05, high = 0.8, log = true }}
[[method]]
name = "data-augmentation"
[train]
learning_rate = {{ low = 5e-5, high = 5e-4, log = true }}
[tune]
trials = {trials}
startup_trials = {trials}
[refit]
seeds = {seeds}
[evaluation]
subsets = ["char-noise", "unseen-templates", "code-mixed"]
[alignment]
metrics = ["csls_p1", "cosine_gap", "linear_cka", "isoscore"]
"""
SCALE = '[[scale]]\nname = "{layers}-layer"\ncheckpoint = "me5-small-q4"\nlayers = {layers}\n'
TARGETS = ["de", "es", "fr", "ru", "ar", "zh", "th", "eu", "el", "hu"]
LAYERS = 3
"""Layers whose alignment was measured: with eleven languages, 208 metrics a run."""


def write_study(folder: Path, *, scales: int, seeds: int, trials: int = 2) -> Path:
    """The study as a file."""
    path = folder / "finished.toml"
    texts = "".join(SCALE.format(layers=layers) for layers in range(1, scales + 1))
    path.write_text(STUDY.format(targets=TARGETS, scales=texts, trials=trials, seeds=list(range(1, seeds + 1))))
    return path


def finish_study(path: Path, home: Path, items: int) -> StudySpec:
    """End every run of a study: `items` predictions in every language and subset."""
    study = load_study(path)
    folder = StudyFolder(home / study.name)
    runner: Runner = Ended(study, folder)  # type: ignore[assignment]  # stands for one
    storage = open_storage(None, folder)
    claims = open_claims(storage, study.name, "one@home")
    draw = Predictions.of(study, items)
    for scale in study.scale:
        save_record(_record(untouched_spec(study, scale), ()), folder.run(untouched_spec(study, scale)))
        for method in study.method:
            search = Search(runner, scale, method, storage)
            for _ in work(claims, search.works):
                pass
            for spec in refits(study, search.best()):
                scores = draw.write(spec, folder.run(spec) / "predictions.parquet")
                save_record(_record(spec, tuple(scores)), folder.run(spec))
    return study


def refits(study: StudySpec, best: Best) -> Iterator[TrialSpec]:
    """The best configuration on every seed."""
    return (refit_spec(study, best, seed) for seed in study.refit.seeds)


@dataclass(frozen=True, slots=True)
class Ended:
    """Stands where a `Runner` stands: a tuning trial whose curve is a formula, with its record on disk."""

    study: StudySpec
    folder: StudyFolder

    def run(self, spec: TrialSpec, watch: Callable[[Progress], str | None]) -> RunRecord:
        """Report one point and save the record."""
        watch(Progress(step=4, steps=4, metrics={"validation.accuracy/en": spec.learning_rate}))
        record = RunRecord(spec=spec, state="complete", selection=spec.learning_rate, provenance=_provenance(spec))
        save_record(record, self.folder.run(spec))
        return record


def formula(path: Path) -> Callable[..., RunRecord]:
    """Stands where `run_trial` stands: the same files as it leaves, in no time."""
    draw = Predictions.of(load_study(path), 20)

    def run(spec: TrialSpec, folder: Path, *, hub_root: Path | None, watch: Watch) -> RunRecord:
        for step in (1, 2, 3, 4):
            watch(Progress(step=step, steps=4, metrics={"validation.accuracy/en": spec.learning_rate}))
        refit = spec.phase == "refit"
        record = _record(spec, tuple(draw.write(spec, folder / "predictions.parquet")) if refit else ())
        save_record(record, folder)
        return record

    return run


@dataclass(frozen=True, slots=True)
class Predictions:
    """Right answers of runs that share the items' difficulty, and nothing else."""

    study: StudySpec
    items: int
    ids: dict[str, pa.Array]
    """The columns that are the same in every run."""

    @classmethod
    def of(cls, study: StudySpec, items: int) -> Predictions:
        """The examples of a study, those of the subsets derived from the clean ones."""
        rows = [
            (f"{name}" if subset == CLEAN else f"{name}~{subset}", name, language, subset)
            for subset in (CLEAN, *study.evaluation.subsets)
            for language in study.task.languages
            for name in (f"home-intents/test/{number:05}" for number in range(items))
        ]
        names = ("example_id", "base_id", "language", "subset")
        columns = {name: pa.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        return cls(study, items, columns)

    def write(self, spec: TrialSpec, path: Path) -> Iterator[Score]:
        """The predictions of a run, and its scores."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(int(spec.digest[:12], 16))
        languages, subsets = len(self.study.task.languages), len(self.study.evaluation.subsets) + 1
        easiness_N = np.random.default_rng(99).normal(0.6, 1.0, self.items)
        shift = rng.normal(0.0, 0.1) + 0.1 * (spec.method == "adversarial")
        right = easiness_N + shift + rng.normal(0, 0.7, (subsets, languages, self.items)) > 0
        label_N = np.arange(self.items) % 22
        labels = np.broadcast_to(label_N, right.shape).ravel().astype(np.int32)
        columns = dict.fromkeys(prediction_columns(KINDS["classification"].columns))
        columns |= self.ids | {
            "label": pa.array(labels),
            "predicted": pa.array(np.where(right.ravel(), labels, (labels + 1) % 22).astype(np.int32)),
            "gold_probability": pa.array(rng.random(labels.size, np.float32)),
            "certified_radius": pa.nulls(labels.size, pa.float32()),
        }
        pq.write_table(pa.table(columns), path)
        means = right.mean(2)
        for i, subset in enumerate((CLEAN, *self.study.evaluation.subsets)):
            for j, language in enumerate(self.study.task.languages):
                for metric, value in (("accuracy", means[i, j]), ("macro_f1", means[i, j] - 0.01)):
                    yield Score(
                        task="home-intents", subset=subset, metric=metric, language=language, value=float(value),
                        n=self.items,
                    )  # fmt: skip


def _record(spec: TrialSpec, scores: tuple[Score, ...]) -> RunRecord:
    rng = np.random.default_rng(spec.seed)
    alignment = (
        ()
        if spec.phase == "tune"
        else tuple(
            AlignmentScore(metric=metric, layer=k, language=language, value=float(rng.random()), n=500, text="cldr")
            for metric in spec.alignment.metrics
            for k in range(LAYERS)
            for language in spec.task.targets
        )
    )
    trained = spec.phase != "checkpoint"
    loss = metric_name("train", "loss")
    return RunRecord(
        spec=spec,
        state="complete",
        selection=0.9 if trained else None,
        scores=scores,
        alignment=alignment,
        curve=tuple((step, loss, 99.0 / step) for step in range(10, 401, 10)) if trained else (),
        predictions="predictions.parquet" if scores else None,
        provenance=_provenance(spec),
        seconds={"load": 1.0, "train": 20.0, "total": 27.0},
        started="2026-01-02T03:04:05+00:00",
    )


def _provenance(spec: TrialSpec) -> Provenance:
    data = tuple(
        Dataset(
            name="home-intents", split="test", language=language, subset=subset, n=400, fingerprint="f" * 64,
            source="synthetic 1.0", licence="Apache-2.0",
        )
        for subset in (CLEAN, *spec.evaluation.subsets)
        for language in spec.task.languages
    )  # fmt: skip
    return Provenance(
        suite_version="0.1.0", commit="a" * 40, dirty=False, packages={"torch": "2.13.0", "numpy": "2.4.6"},
        python="3.11.7", platform="synthetic", cpu="synthetic", device="cpu", threads=2,
        checkpoint_fingerprint="c" * 64, parameters=9_000_000, vocabulary=12_000, datasets=data,
    )  # fmt: skip
