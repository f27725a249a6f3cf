"""The guard against looking until it is significant: which look is this, was it declared, and what does it cost?

Looking early at seeds that the study has named is no harm as long as all of them count in the end: such a look is
marked as interim. Naming more seeds after having seen the result of those named first is what raises false positives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from suite.comparison.families import Looked, p_values
from suite.comparison_spec import ComparisonSpec
from suite.look_log import Look
from suite.results import Comparison
from suite.stats import LookAdjustment, adjust_for_look, spend, unplanned_look_bound

ArmKey = tuple[str, str]
"""Scale and treatment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the seeds of a contest have come."""

    declared: tuple[int, ...]
    """Seeds the study names."""
    used: tuple[int, ...]
    """Seeds that both arms have."""
    lost: tuple[int, ...] = ()
    """Seeds that failed for good in either arm: nobody's choice, so no look is waiting for them."""

    @property
    def complete(self) -> bool:
        """Whether every declared seed that can be there is."""
        return set(self.declared) <= {*self.used, *self.lost}


def looks_of(rows: Iterable[Comparison], standings: Mapping[ArmKey, Standing]) -> list[Look]:
    """What the log keeps of one comparison: a look per primary row."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return [
        Look(
            when=now,
            scale=row.scale,
            treatment=row.treatment,
            baseline=row.baseline,
            declared=standings[row.scale, row.treatment].declared,
            used=standings[row.scale, row.treatment].used,
            p=p_values([row])[0],
        )
        for row in rows
        if row.kind == "primary"
    ]


def price_of(rules: ComparisonSpec, standings: Mapping[ArmKey, Standing], looks: Sequence[Look]) -> Looked:
    """How each row pays for its look, given the earlier ones."""
    prices = {arm: _price(rules, standing, _earlier(looks, arm, standing)) for arm, standing in standings.items()}
    return lambda row: prices.get((row.scale, row.treatment))


def _earlier(looks: Sequence[Look], arm: ArmKey, standing: Standing) -> int:
    """Looks at other sets of declared seeds, each set once: others may have been named for what a look showed."""
    return len(
        {
            frozenset(look.declared)
            for look in looks
            if (look.scale, look.treatment) == arm and set(look.declared) != set(standing.declared)
        }
    )


def _price(rules: ComparisonSpec, standing: Standing, earlier: int) -> tuple[int, LookAdjustment] | None:
    count = len(standing.used)
    if rules.looks:
        return _planned(rules, count)
    if not standing.complete:
        rule = f"interim: {count} of {len(standing.declared)} declared seeds; the conclusion waits for all"
        factor = unplanned_look_bound(0.0, earlier + 1).factor  # what earlier looks at other seeds cost; 1 without any
        return earlier + 1, LookAdjustment(p_adjusted=0.0, factor=factor, rule=rule)
    return (earlier + 1, unplanned_look_bound(0.0, earlier + 1)) if earlier else None


def _planned(rules: ComparisonSpec, count: int) -> tuple[int, LookAdjustment]:
    alpha = 1 - rules.confidence
    if count not in rules.looks:
        rule = f"{count} seeds are none of the declared looks {list(rules.looks)}: nothing may be concluded yet"
        return 0, LookAdjustment(p_adjusted=1.0, factor=float("inf"), rule=rule)
    look = rules.looks.index(count) + 1
    increments = spend([seeds / rules.looks[-1] for seeds in rules.looks], alpha, rules.spending)
    return look, adjust_for_look(0.0, look, increments, alpha)
