"""What more seeds would buy: the smallest effect a comparison finds, against the number of seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from suite.records import RunRecord
from suite.report.figures import INK, Look, TooLittleData, handle, legend_below, looks, panels, style
from suite.report.gather import Comparisons, chosen
from suite.results import Comparison
from suite.spec import StudySpec

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def effect_against_seeds(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Figure:
    """Smallest effect on the zero-shot mean found with 80 % power, against seeds per arm; one panel per scale.

    Lines come from the variance between this study's own seeds and items, at the unadjusted level, as `suite plan`'s
    do; each passes through its circled point, the study as it was run.
    """
    found = [c for c in chosen(comparisons, "primary") if c.detectable]
    if not found:
        raise TooLittleData(_why_none(comparisons))
    scales = [s.name for s in study.scale if any(c.scale == s.name for c in found)]
    with style():
        figure, grid = panels(1, len(scales), 2.7, sharey="all")
        for axes, scale in zip(grid[0], scales, strict=True):
            for c in (one for one in found if one.scale == scale):
                _draw_method(axes, c, looks(study)[c.treatment])
            _finish(axes, scale, study.comparison.margin)
        grid[0][0].set_ylabel(f"smallest effect found\nin {found[0].quantity} (points)")
        legend_below(figure, _handles(study, dict.fromkeys(c.treatment for c in found)), 5)
    return figure


def _why_none(comparisons: Comparisons) -> str:
    primary = chosen(comparisons, "primary")
    if primary and not any(c.is_tested for c in primary):
        return "the differences do not vary over seeds and items, so there is no precision to plan by"
    if primary:
        return "the comparisons do not say what other numbers of seeds would find; repeat `suite compare`"
    return "no comparison of at least two seeds"


def _draw_method(axes: Axes, c: Comparison, look: Look) -> None:
    seeds, effects = zip(*((n, 100 * effect) for n, effect in c.detectable), strict=True)
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
