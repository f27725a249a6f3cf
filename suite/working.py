"""Workers: any number of processes that share a study, each doing what nobody else does until nothing is left."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import torch

from suite.provenance import cpu_name, package_versions
from suite.records import RECORD, RunRecord, load_record
from suite.running import Best, Runner, Work, refit_specs
from suite.storage import StudyFolder
from suite.trial_spec import Scale
from suite.workspace import device

if TYPE_CHECKING:
    from suite.executors.interface import Crew
    from suite.plan import Plan
    from suite.tuning import Claim, Claims, Search

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 15.0
"""Seconds between two looks at what others do: half as much again each time, so that waiting wastes little."""
FOLLOW_SECONDS = 2.0

_LOG = logging.getLogger("suite.working")


def work(claims: Claims, look: Callable[[], Iterator[Work]]) -> Iterator[RunRecord]:
    """Run what nobody else runs until everything has ended; yields this worker's records.

    Args:
        claims: Who does what.
        look: What has not ended and may be run by now; while anything is left there is something, though perhaps in
            other hands.
    """
    pause = FIRST_PAUSE
    while True:
        claims.read()
        found = _take(claims, look())
        if found is None and not any(True for _ in look()):
            return
        if found is None:
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
            continue
        pause = FIRST_PAUSE
        with found[0]:
            record = found[1].run()
        yield record


def _take(claims: Claims, works: Iterator[Work]) -> tuple[Claim, Work] | None:
    """Claim the first free work; of several workers that claim the same the losers go on in orders of their own."""
    for one in works:
        if claims.is_free(one.name):
            claim = claims.take(one.name)
            if claim is not None:
                return claim, one
            break
    others = list(works)
    random.SystemRandom().shuffle(others)  # decides who does what, and no number
    for one in others:
        claim = claims.take(one.name)
        if claim is not None:
            return claim, one
    return None


def refit_works(runner: Runner, claims: Claims, bests: Sequence[Best], scales: Sequence[Scale]) -> Iterator[Work]:
    """Refits and looks at untouched checkpoints that have ended nowhere."""
    for spec in refit_specs(runner.study, bests, scales):
        if not runner.folder.has_record(spec.run_id) and not claims.is_done(spec.run_id):
            yield Work(spec.run_id, partial(runner.run, spec))


def refit(runner: Runner, claims: Claims, bests: Sequence[Best], scales: Sequence[Scale]) -> Iterator[RunRecord]:
    """Every refit and every look at an untouched checkpoint, whoever runs it; ended ones are read, not run.

    Raises:
        ValueError: some ended on another machine, and their records are not here.
    """
    specs = list(refit_specs(runner.study, bests, scales))
    told = set()
    for spec in specs:
        if runner.folder.has_record(spec.run_id):
            told.add(spec.run_id)
            yield runner.run(spec)
    for record in work(claims, lambda: refit_works(runner, claims, bests, scales)):
        told.add(record.run_id)
        yield record
    others = [spec for spec in specs if spec.run_id not in told]
    elsewhere = [spec.run_id for spec in others if not runner.folder.has_record(spec.run_id)]
    if elsewhere:
        where = f"such as {elsewhere[0]} in {claims.place(elsewhere[0])}"
        raise ValueError(
            f"{len(elsewhere)} runs have ended in another home, {where}; copy its folder `runs` into "
            f"{runner.folder.root}, then repeat"
        )
    for spec in others:
        yield runner.run(spec)


@dataclass(frozen=True, slots=True)
class Crowd:
    """What the workers of a study share: its searches, and who does what."""

    plan: Plan
    runner: Runner
    claims: Claims
    searches: list[Search]

    @classmethod
    def of(cls, plan: Plan, runner: Runner) -> Crowd:
        """Connected to the study's storage."""
        from suite.tuning import Search, open_claims, open_storage

        runner.folder.tidy()
        storage = open_storage(runner.study.tune.storage, runner.folder)
        claims = open_claims(storage, runner.study.name, home_name(runner.folder))
        searches = [Search(runner, scale, method, storage) for scale in plan.scales for method in plan.methods]
        return cls(plan, runner, claims, searches)

    def bests(self) -> list[Best]:
        """The best configurations, of those that have one.

        Raises:
            ValueError: tuning has not ended for one of them, or no trial of any completed.
        """
        fruitful = [search for search in self.searches if not search.barren()]
        return [search.best() for search in fruitful or self.searches]

    def barren(self) -> list[str]:
        """Every (scale, method) that cannot be refitted, as none of its trials completed, and the remedy."""
        return [why for search in self.searches if (why := search.barren())]

    def tuning(self) -> Iterator[Work]:
        """Tuning trials that may be run by now, those whose record was deleted included."""
        for search in self.searches:
            yield from search.works()
            yield from (work for work in search.lost() if not self.claims.is_done(work.name))

    def anything(self) -> Iterator[Work]:
        """Those, and the refits of every (scale, method) whose tuning has ended."""
        yield from self.tuning()
        bests = [search.best() for search in self.searches if not search.left() and not search.barren()]
        yield from refit_works(self.runner, self.claims, bests, self.plan.scales)


def home_name(folder: StudyFolder) -> str:
    """Names the folder that records go to, `ID@PATH`: the id lies in it, as hosts may know it by different paths."""
    path = folder.root / "home"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        mine = path.with_name(f".home.{uuid4().hex}")
        mine.write_text(uuid4().hex)
        with suppress(FileExistsError):
            os.link(mine, path)  # of several workers that start at once one names it
        mine.unlink()
    return f"{path.read_text().strip()}@{folder.root}"


def warn_of_another_machine(claims: Claims) -> None:
    """Say where this worker differs from the study's first in what moves the last bits of numbers."""
    where = device()
    machine = {
        "processor": cpu_name(),
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
        "threads": str(torch.get_num_threads()),
        "torch": package_versions().get("torch", ""),
    }
    if differences := claims.others(machine):
        _LOG.warning(
            "unlike the study's first worker this one has %s: its rows may differ in the last bits",
            ", ".join(differences),
        )


def follow(runner: Runner, crew: Crew, pause: float = FOLLOW_SECONDS) -> None:
    """Tell observers of every run that workers end, until all workers have ended."""
    known = set(runner.folder.ended())
    while True:
        alive = crew.alive()
        for folder in runner.folder.ended():
            if folder not in known:
                known.add(folder)
                for observer in runner.observers:
                    observer.stood(load_record(folder / RECORD), folder)
        if not alive:
            return
        time.sleep(pause)
