"""What more seeds would buy: the smallest effect a comparison finds, against the number of seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.records import RunRecord
from suite.report.figures import INK, Look, TooLittleData, handle, legend_below, looks, panels, style
from suite.report.gather import Comparisons, chosen, refits
from suite.results import Comparison
from suite.spec import StudySpec
from suite.stats.power import minimum_detectable_effect

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST, MOST = 3, 20
"""Seeds drawn: two leave one degree of freedom and say little, more than twenty few studies can pay for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """A comparison's squared standard error, split into what more seeds shrink and what they do not."""

    per_seed: float
    """Variance of one seed's difference over its items: its share falls with the number of seeds."""
    seed_degrees: int
    """Degrees of freedom per seed beyond the first: 1 where seeds pair, else 2."""
    items: float
    """What the choice of items adds, however many seeds there are."""
    n_items: int

    def mde(self, n_seeds: int, alpha: float) -> float:
        """Smallest true effect found with 80 % power with so many seeds per arm, in units of the metric."""
        seeds, items = self.per_seed / n_seeds, self.items
        if (variance := seeds + items) == 0.0:
            return 0.0
        scatter = seeds**2 / (self.seed_degrees * (n_seeds - 1)) + items**2 / max(1, self.n_items - 1)
        return minimum_detectable_effect(math.sqrt(variance), variance**2 / scatter, alpha=alpha)


def precision_of(c: Comparison, treatment: Sequence[float], baseline: Sequence[float]) -> Precision:
    """The split for a comparison of these seed means, in the order of their seeds where they pair.

    The share of the items is what the comparison's standard error holds beyond that of the seed means. Source: Clark
    1973; degrees of freedom by Satterthwaite 1946.
    """
    paired = c.seed_correlation is not None
    if paired:
        per_seed = statistics.variance([ours - theirs for ours, theirs in zip(treatment, baseline, strict=True)])
    else:
        per_seed = statistics.variance(treatment) + statistics.variance(baseline)
    return Precision(
        per_seed=per_seed,
        seed_degrees=1 if paired else 2,
        items=max(0.0, c.standard_error**2 - per_seed / c.n_seeds),
        n_items=c.n_items,
    )


def effect_against_seeds(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Figure:
    """Smallest effect on the zero-shot mean found with 80 % power, against seeds per arm; one panel per scale.

    Lines come from the variance between this study's own seeds and items, at the unadjusted level; the circled point
    is the study as it was run. It lies below its line where seeds differ less than items alone would make them: the
    test then leaves their variance out.
    """
    found = [(c, p) for c in chosen(comparisons, "primary") if (p := study_precision(study, records, c)) is not None]
    if not found:
        raise TooLittleData(_why_none(comparisons))
    scales = [s.name for s in study.scale if any(c.scale == s.name for c, _ in found)]
    with style():
        figure, grid = panels(1, len(scales), 2.7, sharey="all")
        for axes, scale in zip(grid[0], scales, strict=True):
            for c, precision in (pair for pair in found if pair[0].scale == scale):
                _draw_method(axes, c, precision, looks(study)[c.treatment])
            _finish(axes, scale, study.comparison.margin)
        grid[0][0].set_ylabel(f"smallest effect found\nin {found[0][0].quantity} (points)")
        legend_below(figure, _handles(study, dict.fromkeys(c.treatment for c, _ in found)), 5)
    return figure


def _why_none(comparisons: Comparisons) -> str:
    primary = chosen(comparisons, "primary")
    if primary and not any(c.is_tested for c in primary):
        return "the differences do not vary over seeds and items, so there is no precision to plan by"
    return "no comparison of at least two seeds whose runs are at hand"


def study_precision(study: StudySpec, records: Sequence[RunRecord], c: Comparison) -> Precision | None:
    """The split for a primary comparison; none where the runs that it was made of are not all there."""
    runs = refits(study, records)
    arms = [{r.spec.seed: r for r in runs.get((c.scale, method), [])} for method in (c.treatment, c.baseline)]
    seeds = sorted(arms[0].keys() & arms[1].keys())
    if len(seeds) < 2 or len(seeds) != c.n_seeds or not c.is_tested:
        return None
    treatment, baseline = ([arm[seed].zero_shot_mean(metric=c.quantity) for seed in seeds] for arm in arms)
    return precision_of(c, treatment, baseline)


def _draw_method(axes: Axes, c: Comparison, precision: Precision, look: Look) -> None:
    seeds = range(FEWEST, max(MOST, c.n_seeds) + 1)
    effects = [100 * precision.mde(n, 1 - c.confidence) for n in seeds]
    axes.plot(seeds, effects, color=look.colour, linestyle=look.line, marker=look.marker, markersize=3)
    axes.plot(c.n_seeds, 100 * c.mde, "o", color=INK, markerfacecolor="none", markersize=9, markeredgewidth=0.9)


def _finish(axes: Axes, scale: str, margin: float | None) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(scale)
    axes.set_xlabel("seeds per arm")
    if margin is not None:
        axes.axhline(100 * margin, color=INK, linewidth=0.7, linestyle=":")


def _handles(study: StudySpec, methods: Iterable[str]) -> list[Artist]:
    known, margin = looks(study), study.comparison.margin
    lines = [handle(m, colour=known[m].colour, marker=known[m].marker, line=known[m].line) for m in methods]
    declared = [] if margin is None else [handle(f"smallest that matters: {100 * margin:g}", line=":")]
    return [*lines, handle("this study (circled)", marker="o", face="none"), *declared]
