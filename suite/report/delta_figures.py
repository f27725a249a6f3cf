"""Figures of the comparison itself: a forest of per-language changes, and the seeds behind each mean."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from suite.records import RunRecord
from suite.report.figures import FAINT, INK, Look, TooLittleData, handle, legend_below, looks, panels, patch, style
from suite.report.gather import Comparisons, chosen, finds_difference, refits
from suite.results import Comparison
from suite.spec import StudySpec

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.15
"""Inches per language in the forest plot."""


def forest(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Figure:
    """Change per language with its interval, one panel per scale x robust method, the zero-shot mean as a diamond.

    Intervals are not adjusted; what is filled has an adjusted p below the level. Languages stand in the
    order of their mean change over methods, the same in all panels of a scale.
    """
    primary = chosen(comparisons, "primary")
    if not primary:
        raise TooLittleData("no comparison of refits yet")
    quantity = primary[0].quantity
    shown = [*primary, *(c for c in chosen(comparisons, "language") if c.aggregate in study.task.targets)]
    scales = [s.name for s in study.scale if any(c.scale == s.name for c in shown)]
    methods = [m for m in study.robust_methods if any(c.treatment == m for c in shown)]
    orders = {scale: _order([c for c in shown if c.scale == scale and c.kind == "language"]) for scale in scales}
    height = 0.75 + sum(ROW * (len(order) + 2) + 0.25 for order in orders.values())
    with style():
        figure, grid = panels(len(scales), len(methods), height, sharex="all", sharey="row")
        for axes_row, scale in zip(grid, scales, strict=True):
            for axes, method in zip(axes_row, methods, strict=True):
                arm = [c for c in shown if (c.scale, c.treatment) == (scale, method)]
                _draw_arm(axes, arm, orders[scale], study.comparison.margin, looks(study)[method].colour)
                axes.set_title(f"{scale} · {method}")
        for axes in grid[-1]:
            axes.set_xlabel(f"change in {quantity}\nagainst {study.comparison.baseline} (points)")
        legend_below(figure, _forest_handles(study), 4)
    return figure


def _order(comparisons: Sequence[Comparison]) -> list[str]:
    """Languages by their mean effect over methods, the largest first."""
    effects: dict[str, list[float]] = {}
    for c in comparisons:
        effects.setdefault(c.aggregate, []).append(c.effect)
    return sorted(effects, key=lambda language: (-statistics.fmean(effects[language]), language))


def _draw_arm(axes: Axes, arm: Sequence[Comparison], order: list[str], margin: float | None, colour: str) -> None:
    bottom = len(order)
    axes.axvline(0, color=INK, linewidth=0.6, zorder=1)
    axes.axhline(bottom - 0.5, color=FAINT, linewidth=0.5)
    if margin is not None:
        axes.axvspan(-100 * margin, 100 * margin, color=FAINT, alpha=0.3, linewidth=0, zorder=0)
    for c in arm:
        low, effect, high = 100 * c.low, 100 * c.effect, 100 * c.high
        face = colour if finds_difference(c) else "white"
        if c.kind == "primary" and not c.is_tested:
            axes.plot(effect, bottom, "D", color=colour, markerfacecolor="white", markersize=4.5, zorder=3)
        elif c.kind == "primary":
            corners = [(low, bottom), (effect, bottom - 0.32), (high, bottom), (effect, bottom + 0.32)]
            axes.fill(*zip(*corners, strict=True), facecolor=face, edgecolor=colour, linewidth=1, zorder=3)
        else:
            y = order.index(c.aggregate)
            axes.plot([low, high], [y, y], color=colour, linewidth=1, zorder=2)
            axes.plot(effect, y, "o", color=colour, markerfacecolor=face, markersize=3.5, zorder=3)
    if not arm:
        axes.text(0.5, 0.5, "not compared", transform=axes.transAxes, ha="center", color=INK)
    axes.set_yticks(range(bottom + 1), [*order, "mean"])
    axes.set_ylim(bottom + 0.7, -0.7)
    axes.tick_params(axis="y", length=0)


def _forest_handles(study: StudySpec) -> list[Artist]:
    alpha, margin = 1 - study.comparison.confidence, study.comparison.margin
    interval = f"{100 * study.comparison.confidence:g} % interval (not adjusted)"
    return [
        handle(f"language, {interval}, adjusted p < {alpha:.2g}", marker="o", line="-"),
        handle(f"adjusted p ≥ {alpha:.2g}", marker="o", line="-", face="white"),
        handle("zero-shot mean", marker="D"),
        *([] if margin is None else [patch(f"within ±{100 * margin:g} points", FAINT, 0.3)]),
    ]


def seed_strips(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Figure:
    """Zero-shot mean of every refit, one panel per scale: a dot per seed, joined along each seed, a bar at the mean."""
    runs = refits(study, records)
    scales = [s.name for s in study.scale if any(scale == s.name for scale, _ in runs)]
    if not runs:
        raise TooLittleData("no completed refit yet")
    across = min(3, len(scales))
    down = math.ceil(len(scales) / across)
    with style():
        figure, grid = panels(down, across, 0.5 + 2.3 * down)
        axes_list = [axes for row in grid for axes in row]
        for axes, scale in zip(axes_list, scales, strict=False):
            _draw_strip(axes, {m: group for (at, m), group in runs.items() if at == scale}, looks(study))
            axes.set_title(scale)
        for row in grid:
            row[0].set_ylabel(f"zero-shot mean {study.tune.metric} (%)")
        for axes in axes_list[len(scales) :]:
            axes.set_axis_off()
        figure.supxlabel("a point is one seed; thin lines join a seed's runs; bars are means over seeds", fontsize=7.5)
    return figure


def _draw_strip(axes: Axes, by_method: dict[str, list[RunRecord]], known: dict[str, Look]) -> None:
    methods = list(by_method)
    scores = {m: {r.spec.seed: 100 * r.zero_shot_mean() for r in group} for m, group in by_method.items()}
    for seed in sorted({seed for group in scores.values() for seed in group}):
        path = [(x, scores[m][seed]) for x, m in enumerate(methods) if seed in scores[m]]
        axes.plot(*zip(*path, strict=True), color=FAINT, linewidth=0.6, zorder=1)
    for x, method in enumerate(methods):
        values = list(scores[method].values())
        look = known[method]
        axes.plot([x] * len(values), values, look.marker, color=look.colour, alpha=0.85, zorder=2, markeredgewidth=0)
        mean = statistics.fmean(values)
        axes.plot([x - 0.28, x + 0.28], [mean, mean], color=INK, linewidth=1.4, zorder=3)
    axes.set_xticks(range(len(methods)), methods, rotation=25, rotation_mode="anchor", ha="right")
    axes.set_xlim(-0.5, len(methods) - 0.5)
