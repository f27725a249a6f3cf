"""The figures of a report, drawn in a second process while the tables are written, where a core is free for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from suite.records import RunRecord
from suite.report.figures import Draw, TooLittleData, figures, to_png, to_svg
from suite.report.gather import Comparisons
from suite.spec import StudySpec

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from matplotlib.figure import Figure

FORMATS: dict[str, Callable[[Figure, str], bytes]] = {"png": to_png, "svg": to_svg}
PATIENCE = 60.0
"""Seconds for the other process to end with the figure it draws when this one has nothing left; a second is usual."""
Drawn = dict[str, bytes] | str
"""The files of a figure by their endings, or why there is too little data for it."""


@contextmanager
def begin_drawing(
    study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons
) -> Iterator[Callable[[], dict[str, Drawn]]]:
    """Begin with the figures of a study; what it yields returns them all, once they are drawn.

    The bytes do not depend on which process draws. A process that dies or hangs is made up for here.
    """

    def draw(name: str) -> Drawn:
        return _draw(figures()[name], study, records, comparisons)

    if not _may_fork():
        yield lambda: {name: draw(name) for name in figures()}
        return
    numbers = _queue(len(figures()))
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_draw_aside, args=(draw, numbers, theirs), daemon=True)
    process.start()
    theirs.close()  # so that the end of the other process is the end of the pipe
    try:
        yield lambda: _all(draw, numbers, ours)
    finally:
        process.kill()
        process.join()
        os.close(numbers)
        ours.close()


def _draw(draw: Draw, study: StudySpec, records: Sequence[RunRecord], comparisons: Comparisons) -> Drawn:
    try:
        figure = draw(study, records, comparisons)
    except TooLittleData as reason:
        return str(reason)
    return {end: write(figure, study.name) for end, write in FORMATS.items()}


def _may_fork() -> bool:
    """Whether a copy of this process is safe and has a core: a thread's lock would stay locked in it for ever."""
    alone = threading.active_count() == 1 and not multiprocessing.current_process().daemon
    return sys.platform == "linux" and alone and len(os.sched_getaffinity(0)) > 1


def _queue(count: int) -> int:
    """A pipe with the places of all figures in it, one byte each: whoever reads one draws that figure."""
    reading, writing = os.pipe()
    os.write(writing, bytes(range(count)))
    os.close(writing)
    return reading


def _left(numbers: int) -> Iterator[str]:
    """The names of figures that nobody draws yet, until there are no more."""
    names = list(figures())
    while number := os.read(numbers, 1):
        yield names[number[0]]


def _draw_aside(draw: Callable[[str], Drawn], numbers: int, answer: Connection) -> None:
    """Draw what is left, then send all of it; what fails is left to the process that can say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    drawn: dict[str, Drawn] = {}
    for name in _left(numbers):
        with suppress(Exception):
            drawn[name] = draw(name)
    with closing(answer), suppress(OSError):
        answer.send(drawn)


def _all(draw: Callable[[str], Drawn], numbers: int, answer: Connection) -> dict[str, Drawn]:
    """Help with what is left, and take what the other process has drawn; in the registry's order."""
    found: dict[str, Drawn] = {name: draw(name) for name in _left(numbers)}
    with suppress(EOFError, OSError):
        if answer.poll(PATIENCE):
            answered: Mapping[str, Drawn] = answer.recv()
            found |= answered
    return {name: found[name] if name in found else draw(name) for name in figures()}
