"""Heat maps of pairs in two languages: what each method scores, and what it changes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from suite.records import RunRecord
from suite.report.figures import INK, WIDTH, TooLittleData, panels, style
from suite.report.gather import Comparisons
from suite.report.heat_figure import LEVELS, Colours, by_family, diverging
from suite.report.pair_table import Matrix, matrices, without_pairs
from suite.report.table import number_text
from suite.spec import StudySpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGIBLE = 0.23
"""Inches: a cell as wide as this holds a number of four characters; narrower ones are coloured only."""
EDGES = 0.6
"""Inches of a panel's height that are its title and the languages below it."""

Floats = NDArray[np.float64]


def generalised(study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Figure:
    """Pairs in two languages: first text by row, second by column; scores above, change against the baseline below.

    Points, mean over seeds. Framed on the diagonal: clean items, both texts in one language. Scores: the darker, the
    better. Changes: orange is worse than the baseline and purple better, the darker the more. Languages stand beside
    their kin; the table `generalised` has the numbers where cells are too small for them.
    """
    found = matrices(study, records)
    if not found:
        raise TooLittleData(without_pairs(study))
    scales = [s.name for s in study.scale if any(s.name == scale for scale, _ in found)]
    methods = [m.name for m in study.method if any(m.name == method for _, method in found)]
    columns = max(2, len(methods))
    with style():
        figure, grid = panels(2 * len(scales), columns, 2 * len(scales) * (0.72 * WIDTH / columns + EDGES))
        levels, changes = _levels([matrix.mean_LL for matrix in found.values()]), _changes(study, found)
        depths = diverging([0.0, *(float(v) for change in changes.values() for v in change.ravel())])
        for (i, scale), (j, method) in itertools.product(enumerate(scales), enumerate(methods)):
            above, below, arm = grid[2 * i][j], grid[2 * i + 1][j], (scale, method)
            if arm in found:
                _draw(above, 100 * found[arm].mean_LL, found[arm].languages, levels)
            if arm in changes:
                _draw(below, changes[arm], found[arm].languages, depths, signed=True)
            for axes in (above, below):
                axes.set_title(" · ".join(arm))
        for i in range(len(scales)):
            _explain(figure, grid[2 * i], levels, f"{study.tune.metric} (points)")
            _explain(figure, grid[2 * i + 1], depths, f"change against {study.comparison.baseline} (points)")
    return figure


def _changes(study: StudySpec, found: dict[tuple[str, str], Matrix]) -> dict[tuple[str, str], Floats]:
    """Changes in points of every robust method that stands beside the baseline."""
    baseline = study.comparison.baseline
    return {
        (scale, method): 100 * matrix.change(found[scale, baseline])
        for (scale, method), matrix in found.items()
        if method != baseline and (scale, baseline) in found
    }


def _levels(means: Sequence[Floats]) -> Colours:
    """White to dark blue from the lowest score to the highest of all panels."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    values = 100 * np.concatenate([mean.ravel() for mean in means])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return Colours(colormaps["Blues"].resampled(LEVELS), Normalize(low, max(high, low + 1)))


def _draw(axes: Axes, values_LL: Floats, codes: Sequence[str], colours: Colours, *, signed: bool = False) -> None:
    """Cells with their numbers where they fit, the diagonal framed, languages of a family side by side."""
    from matplotlib.patches import Rectangle

    languages = by_family(codes)
    order = [codes.index(language) for language in languages]
    shown = values_LL[np.ix_(order, order)]
    legible = axes.get_window_extent().width / axes.figure.dpi / len(codes) >= LEGIBLE
    axes.pcolormesh(np.ma.masked_invalid(shown), cmap=colours.map, norm=colours.norm, edgecolors="white", linewidth=0.5)
    for (y, x), value in np.ndenumerate(shown):
        if legible and not np.isnan(value):
            text, ink = number_text(value, 1, signed=signed), colours.ink(value)
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center_baseline", color=ink, fontsize=6)
    for i in range(len(codes)):
        axes.add_patch(Rectangle((i, i), 1, 1, fill=False, edgecolor=INK, linewidth=0.7, zorder=3, clip_on=False))
    _label(axes, languages, legible)


def _label(axes: Axes, languages: Sequence[str], legible: bool) -> None:
    places, size = [i + 0.5 for i in range(len(languages))], 6.5 if legible else 5
    axes.set_xticks(places, languages, fontsize=size, rotation=0 if legible else 90)
    axes.set_yticks(places, languages, fontsize=size)
    axes.set_ylim(len(languages), 0)
    axes.set_aspect("equal")
    axes.tick_params(length=0, pad=1)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("second text")


def _explain(figure: Figure, row: list[Axes], colours: Colours, label: str) -> None:
    """What the rows of cells and their colours mean, beside a row of panels; panels without cells are left out."""
    from matplotlib.cm import ScalarMappable

    drawn = [axes for axes in row if axes.collections]
    for axes in row:
        axes.set_visible(axes in drawn)
    if drawn:
        drawn[0].set_ylabel("first text")
        figure.colorbar(ScalarMappable(colours.norm, colours.map), ax=drawn, label=label, aspect=25, shrink=0.85)
