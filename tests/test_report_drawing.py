"""Laws of drawing beside the tables: whichever process draws a figure, its bytes are the same and none is lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest
from matplotlib.figure import Figure
from report_studies import COMPARISONS, RECORDS, STUDY

from suite.records import RunRecord
from suite.report import drawing as module
from suite.report.drawing import Drawn, begin_drawing
from suite.report.figures import Draw, TooLittleData
from suite.report.power_figure import effect_against_seeds
from suite.spec import StudySpec

HERE = os.getpid()
LEFT = module._left


def absent(study: StudySpec, records: object, comparisons: object) -> Figure:
    raise TooLittleData("nothing was measured")


def dies_elsewhere(study: StudySpec, records: list[RunRecord], comparisons: object) -> Figure:
    """The power figure, which only this process lives to draw."""
    if os.getpid() != HERE:
        os.kill(os.getpid(), signal.SIGKILL)
    return effect_against_seeds(study, records, COMPARISONS)


def fails_elsewhere(study: StudySpec, records: list[RunRecord], comparisons: object) -> Figure:
    if os.getpid() != HERE:
        raise ValueError("no such luck")
    return effect_against_seeds(study, records, COMPARISONS)


def hangs_elsewhere(study: StudySpec, records: list[RunRecord], comparisons: object) -> Figure:
    if os.getpid() != HERE:
        time.sleep(600)  # it is killed long before
    return effect_against_seeds(study, records, COMPARISONS)


def drawn(monkeypatch: pytest.MonkeyPatch, registry: dict[str, Draw], *, aside: bool) -> dict[str, Drawn]:
    """What is drawn of a registry of figures, with a second process or without."""
    monkeypatch.setattr(module, "figures", lambda: registry)
    monkeypatch.setattr(module, "_may_fork", lambda: aside)
    if aside:  # all of them are the other process's to draw
        monkeypatch.setattr(module, "_left", lambda numbers: iter(()) if os.getpid() == HERE else LEFT(numbers))
    with begin_drawing(STUDY, RECORDS, COMPARISONS) as finish:
        return finish()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system copies no processes")
@pytest.mark.parametrize("other", [absent, dies_elsewhere, fails_elsewhere, hangs_elsewhere])
def test_a_second_process_changes_no_byte_and_loses_no_figure(other: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 3 if other is hangs_elsewhere else 60)
    registry: dict[str, Draw] = {"other": other, "power": effect_against_seeds}
    here = drawn(monkeypatch, registry, aside=False)
    there = drawn(monkeypatch, registry, aside=True)
    assert list(there) == list(registry)
    assert there == here
    assert (here["other"] == "nothing was measured") == (other is absent)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system copies no processes")
def test_the_second_process_ends_with_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_may_fork", lambda: True)
    before = multiprocessing.active_children()
    with pytest.raises(KeyboardInterrupt), begin_drawing(STUDY, RECORDS, COMPARISONS):
        assert len(multiprocessing.active_children()) == len(before) + 1
        raise KeyboardInterrupt
    assert multiprocessing.active_children() == before
