"""What is tuned and what is fixed for one (scale, method), in Optuna's terms."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from suite.methods import hyperparameters, resolve_method
from suite.spec import StudySpec
from suite.trial_spec import MethodSpec, Range, Scalar, Scale, Value

LEARNING_RATE = "learning_rate"

Space = dict[str, BaseDistribution | Scalar]
"""Name to a distribution where it is tuned, to a value where it is fixed."""


def search_space(study: StudySpec, scale: Scale, method: MethodSpec) -> Space:
    """What is tuned (distributions) and what is fixed (values) for one (scale, method)."""
    rate = study.train.learning_rate if scale.learning_rate is None else scale.learning_rate
    types = {name: p.annotation for name, p in hyperparameters(resolve_method(method.name)).items()}
    space = {LEARNING_RATE: _distribution(rate, float)}
    return {**space, **{name: _distribution(value, types[name]) for name, value in method.parameters.items()}}


def _distribution(value: Value, kind: type) -> BaseDistribution | Scalar:
    if isinstance(value, Range):
        if kind is int:
            return IntDistribution(int(value.low), int(value.high), log=value.log)
        return FloatDistribution(float(value.low), float(value.high), log=value.log)
    if isinstance(value, tuple):
        return CategoricalDistribution(list(value))
    return value


def draw(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """A value for every name: what the trial drew before, else a new draw, else what is fixed."""
    return {name: _suggest(trial, name, entry) for name, entry in space.items()}


def _suggest(trial: optuna.Trial, name: str, entry: BaseDistribution | Scalar) -> Any:
    if isinstance(entry, FloatDistribution):
        return trial.suggest_float(name, entry.low, entry.high, log=entry.log)
    if isinstance(entry, IntDistribution):
        return trial.suggest_int(name, entry.low, entry.high, log=entry.log)
    if isinstance(entry, CategoricalDistribution):
        return trial.suggest_categorical(name, entry.choices)
    return entry
