"""What a tuning trial may know: its draws and its pruning are functions of its number, however many workers there are.

Optuna does not store a sampler's generator, so a stopped study would propose other points than an uninterrupted one.
Here the sampler is seeded from the study's seed and the trial's number. Which trials have ended when one begins depends
on how many run at once and which is quickest; so a trial sees those of earlier generations, all of them, and no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial

from suite.canonical import digest


@dataclass(slots=True)
class Generations:
    """Trials in the order of their numbers: first the random ones, which wait for none, then so many at a time."""

    random: int
    """Trials drawn at random; the pruner stops none of them."""
    size: int
    """Trials that are proposed from the same results. 1 is a search by one process after the other."""
    _seen: tuple[int, optuna.Study] | None = field(default=None, init=False)

    def start(self, number: int) -> int:
        """First number of a trial's generation: the trial sees all below it, and begins when they have ended."""
        later = number - self.random
        return 0 if later < 0 else number - later % self.size

    def seen(self, study: optuna.Study, number: int) -> optuna.Study:
        """What a trial sees of its study: the trials of earlier generations, in memory."""
        start = self.start(number)
        if self._seen is None or self._seen[0] != start:
            seen = optuna.create_study(direction=study.direction)
            seen.add_trials(study.get_trials(deepcopy=False)[:start])
            self._seen = start, seen
        return self._seen[1]


class NumberedSampler(BaseSampler):
    """TPE (Bergstra et al. 2011) whose draws depend on the seed, the number, the name and earlier generations alone.

    Methods of a study share the seed, so the random trials of all of them try the same learning rates.
    """

    def __init__(self, seed: int, generations: Generations) -> None:
        self.seed = seed
        self.generations = generations

    def _tpe(self, trial: FrozenTrial, name: str) -> TPESampler:
        key = int(digest([self.seed, trial.number, name])[:8], 16)
        return TPESampler(n_startup_trials=self.generations.random, seed=key, multivariate=True, constant_liar=False)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters modelled jointly."""
        seen = self.generations.seen(study, trial.number)
        return self._tpe(trial, "").infer_relative_search_space(seen, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Joint draw from the model; nothing during start-up."""
        seen = self.generations.seen(study, trial.number)
        return self._tpe(trial, "").sample_relative(seen, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A single draw, as during start-up."""
        seen = self.generations.seen(study, trial.number)
        return self._tpe(trial, param_name).sample_independent(seen, trial, param_name, param_distribution)
