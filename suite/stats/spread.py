"""What the variance of a crossed estimate is made of, so that it is known at other numbers of seeds than were run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from suite.stats.components import TIE, Term, combine, term, total
from suite.stats.power import minimum_detectable_effect

MOST_SEEDS = 1000
"""Beyond a thousand seeds per arm nobody plans; a design that needs more needs other items instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The terms that `components.combine` joins, as they were measured on `n_seeds` seeds per arm.

    At that number of seeds it gives the variance and degrees of freedom of the test itself. At any other the seeds' and
    residual parts shrink with the seeds, the items' own part stays, and what the test left out as negative stays out.
    """

    n_seeds: int
    """Per arm; of the smaller one where they differ, and both then grow in proportion."""
    n_items: int
    """Over all strata."""
    seeds: tuple[Term, ...]
    items: tuple[Term, ...]
    """One per stratum."""
    residuals: tuple[tuple[Term, ...], ...]
    """Those of each stratum."""

    def at(self, n_seeds: int) -> tuple[float, float]:
        """Return variance and Satterthwaite degrees of freedom of the estimate with so many seeds per arm.

        Raises:
            ValueError: fewer than two seeds.
        """
        if n_seeds < 2:
            raise ValueError(f"a design needs at least 2 seeds; got {n_seeds}; plan more")
        return combine(
            seeds=[self._grown(part, n_seeds) for part in self.seeds],
            items=[
                self._with_blur(item, total(blur), n_seeds)
                for item, blur in zip(self.items, self.residuals, strict=True)
            ],
            residuals=[[self._grown(part, n_seeds) for part in parts] for parts in self.residuals],
        )

    def mde(self, n_seeds: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
        """Return the smallest effect found with so many seeds per arm; at the seeds that were run, the estimate's."""
        variance, degrees_of_freedom = self.at(n_seeds)
        return minimum_detectable_effect(math.sqrt(variance), degrees_of_freedom, power=power, alpha=alpha)

    def limit(self, *, power: float = 0.8, alpha: float = 0.05) -> float:
        """Return the smallest effect that any number of seeds finds; 0 where items add no noise of their own."""
        left = self._items_alone
        variance, degrees_of_freedom = combine(seeds=[], items=left, residuals=[[] for _ in left])
        return minimum_detectable_effect(math.sqrt(variance), degrees_of_freedom, power=power, alpha=alpha)

    def seeds_needed(self, effect: float, *, power: float = 0.8, alpha: float = 0.05) -> int | None:
        """Return the fewest seeds per arm that find an effect; none where a thousand do not."""
        if self.mde(MOST_SEEDS, power=power, alpha=alpha) > effect:
            return None
        return next(n for n in range(2, MOST_SEEDS + 1) if self.mde(n, power=power, alpha=alpha) <= effect)

    @property
    def seed_share(self) -> float:
        """The share of the variance that more seeds take away."""
        variance, _ = self.at(self.n_seeds)
        return 1.0 - total(self._items_alone) / variance if variance else 0.0

    @property
    def _items_alone(self) -> list[Term]:
        """The items' terms without the residual in them."""
        pairs = zip(self.items, map(total, self.residuals), strict=True)
        return [term(max(item.variance - blur, 0.0), item.degrees_of_freedom) for item, blur in pairs]

    def _grown(self, part: Term, n_seeds: int) -> Term:
        """A part that each seed adds to, with other seeds."""
        return term(
            part.variance * (self.n_seeds / n_seeds), part.degrees_of_freedom * (n_seeds - 1) / (self.n_seeds - 1)
        )

    def _with_blur(self, item: Term, blur: float, n_seeds: int) -> Term:
        """An item term with other seeds: only the residual in it shrinks."""
        shrunk = self.n_seeds / n_seeds
        if item.variance < blur * TIE:  # no item variance was found, and none appears with more seeds
            return term(item.variance * shrunk, item.degrees_of_freedom)
        return term(item.variance + blur * (shrunk - 1.0), item.degrees_of_freedom)


def spread_of_means(variance: float, seed_variance: float, n_seeds: int, sizes: Sequence[int]) -> Spread:
    """Return the spread of a paired estimate of which only its variance and that of its seed means are known.

    As `bootstrap.calibrate` splits it: the seeds' part is `seed_variance` / S, with S - 1 degrees of freedom, the rest
    is the items', with those of the smallest of the strata `sizes`.
    """
    from_seeds = min(seed_variance / n_seeds, variance)
    return Spread(
        n_seeds=n_seeds,
        n_items=sum(sizes),
        seeds=(term(from_seeds, n_seeds - 1),),
        items=(term(variance - from_seeds, min(sizes) - 1),),
        residuals=((),),
    )
