"""What a study would cost here, from a few timed updates of each (scale, method)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from suite.assembly import load_workspace
from suite.evaluation import Reported, attack_logits, guesses, smoothed
from suite.evaluation_spec import FEWEST_VOTES
from suite.methods import hyperparameters, resolve_method
from suite.models.classifier import Pass
from suite.models.encoder import NoDropout
from suite.models.predict import predict_logits
from suite.plan import Plan
from suite.running import tuning_spec
from suite.training import Fit, Stage
from suite.trial import align
from suite.trial_spec import Range, Scalar, TrialSpec, Value
from suite.workspace import Workspace, hub_root

WARM, TIMED = 2, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Estimated seconds of one (scale, method) on this machine."""

    scale: str
    method: str
    update: float
    """Mean over the stages of training where there are several."""
    tuning_run: float
    refit_run: float
    total: float


def probe(plan: Plan) -> list[Cost]:
    """Time a few updates and one evaluation per (scale, method); nothing is kept."""
    return [
        _cost(plan, scale_at, method_at)
        for scale_at in range(len(plan.scales))
        for method_at in range(len(plan.methods))
    ]


def _cost(plan: Plan, scale_at: int, method_at: int) -> Cost:
    study, scale, method = plan.study, plan.scales[scale_at], plan.methods[method_at]
    kinds = {name: p.annotation for name, p in hyperparameters(resolve_method(method.name)).items()}
    drawn = {name: _middle(value, kinds[name]) for name, value in method.parameters.items()}
    rate = _middle(study.train.learning_rate, float)
    spec = replace(tuning_spec(study, scale, method.name, drawn, float(rate), 0), phase="refit", number=None)
    workspace = load_workspace(spec, hub_root(study.hub))
    classifier = workspace.classifier(0, spec.train.pooling)
    fit = workspace.fit(spec, classifier)
    update = sum(_update_seconds(fit, stage) * stage.schedule.steps for stage in fit.stages) / fit.steps
    validate = _timed(lambda: predict_logits(classifier, workspace.validation.rows))
    evaluate = _timed(lambda: predict_logits(classifier, workspace.reported.rows))
    tested = _attack_seconds(spec, workspace, fit) + _vote_seconds(spec, workspace, fit)
    tested += _word_attack_seconds(spec, workspace, evaluate / len(workspace.reported.rows))
    aligned = _timed(lambda: list(align(spec, workspace, classifier)))
    tuning = fit.steps * update + study.train.validations * validate
    refit = tuning + evaluate + tested + aligned
    total = study.tune.trials * tuning + len(study.refit.seeds) * refit
    return Cost(scale=scale.name, method=method.name, update=update, tuning_run=tuning, refit_run=refit, total=total)


def _attack_seconds(spec: TrialSpec, workspace: Workspace, fit: Fit) -> float:
    """The attack on embeddings, from one language's items."""
    if spec.evaluation.attack_radius == 0:
        return 0.0
    some, share = _first_language(spec, workspace)
    view = Pass(fit.classifier, NoDropout(), fit.units)
    return share * _timed(lambda: attack_logits(view, some, spec))


def _vote_seconds(spec: TrialSpec, workspace: Workspace, fit: Fit) -> float:
    """The vote over noisy copies, from the fewest copies and one language's items."""
    asked, noise = spec.evaluation.smoothing_samples, float(spec.hyperparameters.get("noise", 0))
    if not (asked and noise):
        return 0.0
    some, share = _first_language(spec, workspace)
    view = Pass(fit.classifier, NoDropout(), fit.units)
    few = replace(spec, evaluation=replace(spec.evaluation, smoothing_samples=FEWEST_VOTES))
    once = _timed(lambda: list(smoothed(view, some, few, noise)))
    return share * once * (asked + guesses(asked)) / (FEWEST_VOTES + guesses(FEWEST_VOTES))


def _word_attack_seconds(spec: TrialSpec, workspace: Workspace, text: float) -> float:
    """The attack on words where every item is right and spends all its queries: its most."""
    if workspace.word_attack is None:
        return 0.0
    items = sum(len(target.examples) for target in workspace.word_attack.targets)
    return items * spec.evaluation.word_attack_queries * text


def _first_language(spec: TrialSpec, workspace: Workspace) -> tuple[Reported, float]:
    """The attacked items of one language, and how many times as many there are in all."""
    every = workspace.reported.clean(spec.evaluation.attack_examples)
    some = replace(every, blocks=every.blocks[:1])
    return some, len(every.labels) / len(some.labels)


def _update_seconds(fit: Fit, stage: Stage) -> float:
    """Median time of an update on a stage's texts."""
    fit.step = stage.start
    return statistics.median([_timed(fit._update) for _ in range(WARM + TIMED)][WARM:])


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _middle(value: Value, kind: type) -> Scalar:
    if isinstance(value, tuple):
        return value[0]
    if not isinstance(value, Range):
        return value
    middle = (value.low * value.high) ** 0.5 if value.log else (value.low + value.high) / 2
    return round(middle) if kind is int else middle
