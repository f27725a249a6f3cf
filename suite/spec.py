"""What a study file says, as a frozen record whose constructor holds the laws, and its digest.

A study file (read by `suite.study_file`) becomes a `StudySpec`; one point of its grid becomes a `TrialSpec`
(`suite.trial_spec`), which is enough to run a trial alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

from suite.canonical import ADDED, digest, to_json
from suite.comparison_spec import ComparisonSpec, PublishedClaim
from suite.evaluation_spec import EvaluationSpec
from suite.law import STRICT, law
from suite.naming import unknown
from suite.trial_spec import FOLDER_LAW, AlignmentSpec, MethodSpec, Metric, Scale, TaskSpec, TrainSpec, names_a_folder

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSpec:
    """How each (scale, method) is tuned: the same budget for every method, `standard` included."""

    __pydantic_config__ = STRICT

    trials: int
    seed: int = 0
    """Seeds the sampler (with the trial's number) and every tuning trial's training."""
    select_on: Literal["validation", "test"] = "validation"
    metric: Metric = "accuracy"
    startup_trials: int = 5
    """Trials drawn at random before the sampler models the objective."""
    generation: int = field(default=1, metadata=ADDED)
    """Trials after those that are proposed from the same results: so many workers can share one (scale, method)."""
    pruner: Literal["median", "none"] = "median"
    storage: str | None = None
    """An Optuna storage URL; none is sqlite beside the study's records."""

    def __post_init__(self) -> None:
        law(self.trials >= 1, f"trials is at least 1, got {self.trials}")
        law(self.startup_trials >= 1, f"startup_trials is at least 1, got {self.startup_trials}")
        law(self.generation >= 1, f"generation is at least 1, got {self.generation}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefitSpec:
    """Fresh seeds on which the best configuration of each (scale, method) is trained again."""

    __pydantic_config__ = STRICT

    seeds: tuple[int, ...] = (1, 2, 3, 4, 5, 6)

    def __post_init__(self) -> None:
        law(len(self.seeds) >= 2, f"seeds hold at least 2 for an interval, got {list(self.seeds)}")
        law(len(set(self.seeds)) == len(self.seeds), f"seeds are distinct, got {list(self.seeds)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """A whole study: task, scales, methods, search spaces, seeds, what is measured and how it is compared."""

    __pydantic_config__ = STRICT

    name: str
    question: str
    task: TaskSpec
    scale: tuple[Scale, ...]
    method: tuple[MethodSpec, ...]
    train: TrainSpec
    tune: TuneSpec
    refit: RefitSpec = RefitSpec()
    evaluation: EvaluationSpec = field(default_factory=EvaluationSpec)
    alignment: AlignmentSpec = field(default_factory=AlignmentSpec)
    comparison: ComparisonSpec = field(default_factory=ComparisonSpec)
    claim: tuple[PublishedClaim, ...] = ()
    """Published claims that `suite verify` holds the results against."""
    hub: str | None = None
    """Root of a local hub mirror; `SUITE_HUB` takes precedence. Where data lies is not part of any digest."""
    tracking: str | None = None
    """MLflow tracking URI; `MLFLOW_TRACKING_URI` takes precedence; none is sqlite beside the records."""

    def __post_init__(self) -> None:
        law(names_a_folder(self.name), f"{FOLDER_LAW} {self.name!r}")
        for kind, names in (("scale", [s.name for s in self.scale]), ("method", [m.name for m in self.method])):
            law(len(names) >= 1, f"{kind} is given at least once, as a table [[{kind}]]")
            law(len(set(names)) == len(names), f"{kind} names are distinct, got {names}")
        methods = [m.name for m in self.method]
        law(
            self.comparison.baseline in methods,
            f"comparison.baseline is one of the study's methods {methods}, got {self.comparison.baseline!r}",
        )
        looks, seeds = self.comparison.looks, len(self.refit.seeds)
        law(
            not looks or seeds <= looks[-1],
            f"comparison.looks end with all the seeds, got {list(looks)} for {seeds} refit.seeds",
        )
        strangers = [name for name in self.comparison.interventions if name not in methods]
        law(not strangers, f"comparison.interventions are methods of the study {methods}, got {strangers}")
        law(
            self.tune.select_on != self.evaluation.report_on,
            "tune.select_on is not evaluation.report_on (selecting on the reporting split is peeking), "
            f"got {self.tune.select_on!r} for both; select on 'validation' and report on 'test'",
        )
        law(
            self.tune.select_on != "test",
            "tune.select_on is not 'test': selection never sees the test split; select on 'validation'",
        )
        law(
            self.tune.seed not in self.refit.seeds,
            f"tune.seed is not among refit.seeds (refits are fresh), got {self.tune.seed} in {list(self.refit.seeds)}",
        )

    def find_scale(self, name: str) -> Scale:
        """The scale of that name; ValueError lists the known ones."""
        return _find("scale", name, {s.name: s for s in self.scale})

    def find_method(self, name: str) -> MethodSpec:
        """The method of that name; ValueError lists the known ones."""
        return _find("method", name, {m.name: m for m in self.method})

    @property
    def robust_methods(self) -> tuple[str, ...]:
        """Every method but the baseline, in the order of the study."""
        return tuple(m.name for m in self.method if m.name != self.comparison.baseline)

    @property
    def digest(self) -> str:
        """SHA-256 over everything but where data and servers are, and what others have claimed."""
        whole = {k: v for k, v in to_json(self).items() if k not in ("claim", "hub", "tracking")}
        return digest(whole | {"tune": {k: v for k, v in whole["tune"].items() if k != "storage"}})


def _find(kind: str, name: str, known: dict[str, T]) -> T:
    if name not in known:
        raise ValueError(unknown(kind, name, known))
    return known[name]
