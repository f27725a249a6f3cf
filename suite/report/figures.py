"""Figures of a report: the registry, the style they share, and how they become the same bytes every time.

Figures are drawn on matplotlib's object interface and the Agg canvas: no display, no global state. Methods differ by
colour, marker and line at once, so that a figure reads in greyscale.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from suite.palette import method_colour
from suite.records import RunRecord
from suite.report.gather import UNTOUCHED, Comparisons
from suite.spec import StudySpec

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

WIDTH = 6.75
"""Inches: both columns of a conference page."""
DPI = 200
INK, FAINT = "#222222", "#BBBBBB"

Share = Literal["none", "all", "row", "col"]
Line = Literal["", "-", "--", "-.", ":"] | tuple[float, Sequence[float]]
"""A line style as matplotlib names it, or an offset and the lengths of dashes and gaps in points."""
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
_LINES: tuple[Line, ...] = ("-", "--", "-.", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2)))
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.titley": 1.0,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "path",
}

Draw = Callable[[StudySpec, Sequence[RunRecord], Comparisons], "Figure"]


class TooLittleData(ValueError):
    """A figure cannot be drawn yet; the message says what is missing."""


@contextmanager
def style() -> Iterator[None]:
    """The settings all figures are drawn and saved under."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]  # keys are strings, not literals
        yield


def panels(
    rows: int, columns: int, height: float, *, sharex: Share = "none", sharey: Share = "none"
) -> tuple[Figure, list[list[Axes]]]:
    """A figure `WIDTH` wide and `height` inches high with a grid of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    return figure, [list(row) for row in grid]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a method is drawn in every figure."""

    colour: str
    marker: str
    line: Line


def looks(study: StudySpec) -> dict[str, Look]:
    """The look of each method of a study, by its place in it, and of the untouched checkpoint (dotted)."""
    known = {
        method.name: Look(colour=method_colour(method.name), marker=marker_of(i), line=_LINES[i % len(_LINES)])
        for i, method in enumerate(study.method)
    }
    return {**known, UNTOUCHED: Look(colour=method_colour(UNTOUCHED), marker="x", line=":")}


def marker_of(place: int) -> str:
    """A marker for the thing at that place of a list, such as a scale."""
    return _MARKERS[place % len(_MARKERS)]


def handle(label: str, *, colour: str = INK, marker: str = "", line: Line = "", face: str | None = None) -> Line2D:
    """A legend entry: a line, a marker or both; `face` fills the marker, by default with its colour."""
    from matplotlib.lines import Line2D

    face = colour if face is None else face
    return Line2D([], [], color=colour, marker=marker, linestyle=line, markerfacecolor=face, label=label)


def patch(label: str, colour: str, alpha: float) -> Patch:
    """A legend entry of an area."""
    from matplotlib.patches import Patch

    return Patch(color=colour, alpha=alpha, linewidth=0, label=label)


def legend_below(figure: Figure, handles: Sequence[Artist], columns: int) -> None:
    """One legend for all panels, under them."""
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handletextpad=0.5, columnspacing=1.4)


def to_png(figure: Figure, study: str) -> bytes:
    """The figure at `DPI`, titled with its study, without the version of the software that drew it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    written = io.BytesIO()
    with style():
        _settle(figure)
        figure.dpi = DPI
        about = {"Software": None, "Title": study}
        FigureCanvasAgg(figure).print_png(written, metadata=about)  # type: ignore[no-untyped-call]  # matplotlib's is
    return written.getvalue()


def to_svg(figure: Figure, study: str) -> bytes:
    """The figure as outlines; ids depend on the study's name alone and no date is written."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    written = io.BytesIO()
    with style(), matplotlib.rc_context({"svg.hashsalt": study}):
        _settle(figure)
        about = {"Date": None, "Creator": None, "Title": study}
        FigureCanvasSVG(figure).print_svg(written, metadata=about)  # type: ignore[no-untyped-call]  # matplotlib's is
    return written.getvalue()


def _settle(figure: Figure) -> None:
    """Spare labels without a text the search for their place, which asks every tick anew."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if not axis.get_label_text():
                axis.set_label_coords(0, 0)


def figures() -> dict[str, Draw]:
    """Name to the function that draws it, or raises `TooLittleData`."""
    from suite.report.alignment_figures import alignment_against_transfer, alignment_by_layer
    from suite.report.delta_figures import forest, seed_strips
    from suite.report.heat_figure import heat_map
    from suite.report.pair_figure import generalised
    from suite.report.power_figure import effect_against_seeds
    from suite.report.rank_figure import critical_difference
    from suite.report.strength_figure import accuracy_against_strength

    return {
        "forest": forest,
        "seeds": seed_strips,
        "heat-map": heat_map,
        "generalised": generalised,
        "strength": accuracy_against_strength,
        "alignment-layers": alignment_by_layer,
        "alignment-transfer": alignment_against_transfer,
        "power": effect_against_seeds,
        "critical-difference": critical_difference,
    }
