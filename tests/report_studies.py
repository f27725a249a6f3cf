"""A synthetic study for the tests of reports: 3 methods, 2 scales, 12 languages, 6 seeds, with every comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from suite.comparison_spec import ComparisonSpec
from suite.evaluation_spec import ATTACK, CLEAN, EvaluationSpec
from suite.records import AlignmentScore, Dataset, Provenance, RunRecord, Score
from suite.results import Comparison
from suite.spec import StudySpec, TuneSpec
from suite.stats.estimate import Estimate
from suite.stats.multiplicity import adjust
from suite.stats.seeds import paired_t, seed_correlation
from suite.stats.spread import spread_of_means
from suite.trial_spec import AlignmentSpec, MethodSpec, Phase, Range, Scalar, Scale, TaskSpec, TrainSpec, TrialSpec

TARGETS = ("de", "fr", "es", "ru", "tr", "ar", "zh", "hi", "sw", "th", "ur", "yo")
SUBSETS = (CLEAN, "polarity", "unseen-templates", "char-noise", "code-mixed", ATTACK)
METRICS = ("csls_p1", "csls_p1_forward", "cosine_gap", "linear_cka")
LIFT = {"standard": 0.0, "adversarial": 0.021, "random-perturbation": 0.004}
"""Mean effect of a method on accuracy in the synthetic world."""


def make_study(*more: MethodSpec) -> StudySpec:
    return StudySpec(
        name="home_intents-demo",
        question="Does robust training raise zero-shot accuracy by > 1 % at 2 & 4 layers?",
        task=TaskSpec(name="home-intents", targets=TARGETS),
        scale=(
            Scale(name="2-layer", checkpoint="me5-small-q4", layers=2),
            Scale(name="4-layer", checkpoint="me5-small-q4", layers=4),
        ),
        method=(
            MethodSpec(name="standard"),
            MethodSpec(name="adversarial", parameters={"radius": Range(low=0.01, high=0.5, log=True), "steps": 1}),
            MethodSpec(name="random-perturbation", parameters={"noise": Range(low=0.0, high=0.6)}),
            *more,
        ),
        train=TrainSpec(learning_rate=Range(low=3e-5, high=5e-4, log=True)),
        tune=TuneSpec(trials=12),
        evaluation=EvaluationSpec(subsets=SUBSETS[1:-1], attack_radius=0.1),
        alignment=AlignmentSpec(metrics=METRICS),
        comparison=ComparisonSpec(margin=0.01),
    )


STRENGTH: dict[str, dict[str, Scalar]] = {
    "adversarial": {"radius": 0.08, "steps": 1},
    "random-perturbation": {"noise": 0.2},
}


def _trial(study: StudySpec, scale: Scale, method: str, phase: Phase = "refit", seed: int = 0) -> TrialSpec:
    return TrialSpec(
        study=study.name,
        phase=phase,
        scale=scale,
        method=method,
        hyperparameters=STRENGTH.get(method, {}),
        learning_rate=1.3e-4,
        seed=seed,
        task=study.task,
        train=study.train,
        evaluation=study.evaluation,
        alignment=study.alignment,
    )


def _provenance() -> Provenance:
    data = Dataset(
        name="home-intents", split="test", language="de", subset=CLEAN, n=400, fingerprint="f" * 64,
        source="home-assistant-intents 2026.10.27", licence="Apache-2.0",
    )  # fmt: skip
    return Provenance(
        suite_version="0.1.0", commit="a" * 40, dirty=False, packages={"torch": "2.9.0", "numpy": "2.3.0"},
        python="3.11.2", platform="Linux", cpu="test", device="cpu", threads=1, checkpoint_fingerprint="c" * 64,
        parameters=9_000_000, vocabulary=12_000, datasets=(data,),
    )  # fmt: skip


def _refit(study: StudySpec, scale: Scale, method: str, seed: int, rng: np.random.Generator) -> RunRecord:
    """Accuracy falls from German to Yoruba; seeds shift all languages together, methods lift the harder ones more."""
    size = 0.06 if scale.layers == 4 else 0.0
    shared = np.random.default_rng(seed).normal(0, 0.012)  # the seed's own level, the same for all methods
    scores, alignment = [], []
    for i, language in enumerate(study.task.languages):
        level = 0.88 - 0.045 * i + size + shared + LIFT[method] * (0.3 + i / 8) + rng.normal(0, 0.008)
        for j, subset in enumerate(SUBSETS):
            hit = 0.05 * j * (1 - 8 * LIFT[method])
            values = {"accuracy": level - hit, "macro_f1": level - hit - 0.03}
            scores += [
                Score(task="home-intents", subset=subset, metric=m, language=language, value=v, n=400)
                for m, v in values.items()
                if not (subset == "polarity" and language == "yo")
            ]
        if language != study.task.source:
            alignment += _alignment(scale, language, 0.12 * (method != "standard") * LIFT[method] / 0.021, i, rng)
    return RunRecord(
        spec=_trial(study, scale, method, seed=seed),
        state="complete",
        selection=float(0.9 + size + rng.normal(0, 0.01)),
        scores=tuple(scores),
        alignment=tuple(alignment),
        seconds={"train": 38.2, "total": 61.4},
        warnings=("constant predictor in yo on polarity",) if (method, seed) == ("standard", 2) else (),
        provenance=_provenance(),
    )


def _alignment(scale: Scale, language: str, lift: float, i: int, rng: np.random.Generator) -> list[AlignmentScore]:
    return [
        AlignmentScore(
            metric=metric,
            layer=layer,
            language=language,
            value=float(
                0.25 + 0.1 * layer - 0.015 * i + lift * layer / 4 * (0.5 + i / 12) - 0.05 * m + rng.normal(0, 0.01)
            ),
            n=300,
            text="cldr",
        )
        for m, metric in enumerate(METRICS)
        for layer in range(int(scale.layers or 0) + 1)
    ]


def _tuning_trial(study: StudySpec, scale: Scale, method: str, number: int, rng: np.random.Generator) -> RunRecord:
    """Accuracy falls from a radius of 0.1 on and gently with noise; every fifth trial is pruned."""
    radius, noise = float(np.exp(rng.uniform(np.log(0.01), np.log(0.5)))), float(rng.uniform(0, 0.6))
    own: dict[str, dict[str, Scalar]] = {
        "adversarial": {"radius": radius, "steps": 1},
        "random-perturbation": {"noise": noise},
    }
    hurt = {"adversarial": 0.9 * max(0.0, radius - 0.1), "random-perturbation": 0.1 * noise}.get(method, 0.0)
    pruned = number % 5 == 4
    spec = _trial(study, scale, method, "tune")
    rate = float(np.exp(rng.uniform(np.log(3e-5), np.log(5e-4))))
    return RunRecord(
        spec=dataclasses.replace(spec, number=number, hyperparameters=own.get(method, {}), learning_rate=rate),
        state="pruned" if pruned else "complete",
        reason="below the median of earlier trials at step 60 of 117" if pruned else "",
        selection=float(0.9 + 0.03 * (scale.layers == 4) - hurt - 0.1 * pruned + rng.normal(0, 0.012)),
        seconds={"total": 41.7},
    )


def make_records(study: StudySpec, methods: tuple[str, ...] = tuple(LIFT)) -> list[RunRecord]:
    rng = np.random.default_rng(7)
    records: list[RunRecord] = []
    for scale in study.scale:
        before = [a for i, lang in enumerate(TARGETS, start=1) for a in _alignment(scale, lang, -0.05, i, rng)]
        spec = _trial(study, scale, "untouched", "checkpoint")
        records.append(RunRecord(spec=spec, state="complete", selection=None, alignment=tuple(before)))
        for method in methods:
            records += [_tuning_trial(study, scale, method, n, rng) for n in range(study.tune.trials)]
            records += [_refit(study, scale, method, seed, rng) for seed in study.refit.seeds]
    return records


Read = Callable[[RunRecord], float]
Compared = tuple[str, str, str, str, Read]
"""Kind, quantity, subset, aggregate, and the number of a run that is compared."""


def _compared() -> list[Compared]:
    def at_layer_2(metric: str) -> Read:
        return lambda r: float(np.mean([a.value for a in r.alignment if (a.metric, a.layer) == (metric, 2)]))

    def language(code: str) -> Read:
        return lambda r: r.by_language()[code]

    def on(subset: str) -> Read:
        return lambda r: r.zero_shot_mean(subset)

    def beyond_clean(subset: str) -> Read:
        return lambda r: r.zero_shot_mean(subset) - r.zero_shot_mean()

    mean = "zero-shot mean"
    return [
        ("primary", "accuracy", CLEAN, mean, on(CLEAN)),
        *(("language", "accuracy", CLEAN, code, language(code)) for code in ("en", *TARGETS)),
        *(("subset", "accuracy", subset, mean, on(subset)) for subset in SUBSETS[1:]),
        *(("interaction", "accuracy", f"{subset} - clean", mean, beyond_clean(subset)) for subset in SUBSETS[1:]),
        *(("alignment", f"{metric}.layer-2", CLEAN, mean, at_layer_2(metric)) for metric in METRICS),
    ]


def make_comparisons(study: StudySpec, records: list[RunRecord]) -> tuple[Comparison, ...]:
    """Paired t over seeds of everything that a study compares, adjusted per family."""
    runs: dict[tuple[str, str], list[RunRecord]] = {}
    for r in records:
        if r.spec.phase == "refit":
            runs.setdefault((r.spec.scale.name, r.spec.method), []).append(r)
    baseline = study.comparison.baseline
    return _adjusted(
        [
            _comparison(study, compared, arm, runs[arm[0], baseline], runs[arm])
            for arm in runs
            if arm[1] != baseline
            for compared in _compared()
        ]
    )


def _comparison(
    study: StudySpec, compared: Compared, arm: tuple[str, str], theirs: list[RunRecord], ours: list[RunRecord]
) -> Comparison:
    kind, quantity, subset, aggregate, read = compared
    treatment, baseline = (np.array([read(r) for r in runs]) for runs in (ours, theirs))
    e: Estimate = paired_t(treatment - baseline, n_items=400, correlation=seed_correlation(treatment, baseline))
    return Comparison(
        study=study.name, scale=arm[0], baseline=study.comparison.baseline, treatment=arm[1], task=study.task.name,
        quantity=quantity, subset=subset, aggregate=aggregate, kind=cast("Any", kind), unit="seed x item",
        claim="method beats baseline on new seeds and items; languages fixed", n_seeds=e.n_seeds, n_items=e.n_items,
        test=e.test, statistic=e.statistic, degrees_of_freedom=e.degrees_of_freedom, p=e.p, p_adjusted=e.p,
        correction="holm" if kind == "primary" else "benjamini-hochberg", family=kind, family_size=1,
        baseline_mean=float(baseline.mean()), treatment_mean=float(treatment.mean()), effect=e.estimate, low=e.low,
        high=e.high, confidence=e.confidence, mde=e.mde, seed_correlation=e.seed_correlation,
        detectable=_detectable(treatment - baseline) if kind == "primary" else (),
    )  # fmt: skip


def _detectable(difference_S: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[tuple[int, float], ...]:
    """Smallest effects of a test over seeds alone."""
    variance = float(difference_S.var(ddof=1))
    spread = spread_of_means(variance / len(difference_S), variance, len(difference_S), [400])
    return tuple((n, spread.mde(n)) for n in range(3, 21))


def _adjusted(found: list[Comparison]) -> tuple[Comparison, ...]:
    families: dict[str, list[int]] = {}
    for i, c in enumerate(found):
        families.setdefault(c.family, []).append(i)
    for members in families.values():
        p_adjusted = adjust([found[i].p for i in members], found[members[0]].correction)
        for i, p in zip(members, p_adjusted, strict=True):
            found[i] = dataclasses.replace(found[i], p_adjusted=float(p), family_size=len(members))
    return tuple(found)


STUDY = make_study()
RECORDS = make_records(STUDY)
COMPARISONS = make_comparisons(STUDY, RECORDS)
