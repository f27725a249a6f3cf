"""The stages of a study: tune, refit, compare, export. Each goes on where it stood."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from suite.canonical import digest
from suite.comparison_spec import PublishedClaim
from suite.look_log import Look, load_looks, log_looks
from suite.plan import Plan
from suite.receipts import Reading, file_digest, read_receipt, receipt_of, write_receipt
from suite.records import RunRecord
from suite.results import Results, SeedPlan, Verdict, load_results, save_results
from suite.running import Best, Observer, Runner, refit_spec, untouched_spec
from suite.spec import StudySpec
from suite.storage import StudyFolder
from suite.working import Crowd, refit, warn_of_another_machine, work
from suite.workspace import hub_root


@contextmanager
def _uncollected() -> Iterator[None]:
    """The collector of cycles at rest: records and tables have none, and it would look at each of them many times."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class NothingToCompare(ValueError):
    """No robust method and baseline stand side by side yet."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One study, or a part of it, with everything its stages share."""

    plan: Plan
    runner: Runner
    reading: Reading = field(default_factory=Reading)

    @classmethod
    def of(cls, plan: Plan, observers: Sequence[Observer] = ()) -> Pipeline:
        """The pipeline of a plan, its runs watched by observers."""
        study = plan.study
        folder = StudyFolder.of(study)
        return cls(plan, Runner(study=study, folder=folder, hub_root=hub_root(study.hub), observers=observers))

    @property
    def study(self) -> StudySpec:
        """The whole study, whatever part of it is planned."""
        return self.plan.study

    def tune(self) -> Iterator[RunRecord]:
        """Every tuning trial, scale by scale, as scales share nothing; ended ones are read, not run."""
        crowd = Crowd.of(self.plan, self.runner)
        for search in crowd.searches:
            yield from self._stood(search.ended().values())
        yield from work(crowd.claims, crowd.tuning)

    def _stood(self, run_ids: Iterable[str]) -> Iterator[RunRecord]:
        """Records of runs that ended earlier, where they are in this home."""
        for run_id in run_ids:
            folder = self.runner.folder.named(run_id)
            if (record := self.reading.read(folder)) is not None:
                for observer in self.runner.observers:
                    observer.stood(record, folder)
                yield record

    def bests(self) -> list[Best]:
        """The best configuration of every chosen (scale, method).

        Raises:
            ValueError: tuning has not ended for one of them.
        """
        return Crowd.of(self.plan, self.runner).bests()

    def barren(self) -> list[str]:
        """Every chosen (scale, method) that is not refitted, as none of its trials completed, and the remedy."""
        return Crowd.of(self.plan, self.runner).barren()

    def refit(self) -> Iterator[RunRecord]:
        """Every look at an untouched checkpoint and every refit; ended ones are read, not run."""
        crowd = Crowd.of(self.plan, self.runner)
        yield from refit(self.runner, crowd.claims, crowd.bests(), self.plan.scales)

    def work(self) -> Iterator[RunRecord]:
        """Whatever other workers leave to this one, tuning and refits, until nothing is left; its own records."""
        crowd = Crowd.of(self.plan, self.runner)
        warn_of_another_machine(crowd.claims)
        yield from work(crowd.claims, crowd.anything)

    def left(self) -> int:
        """Runs that may be begun and have ended nowhere; none when the study has been tuned and refitted."""
        crowd = Crowd.of(self.plan, self.runner)
        return sum(1 for _ in crowd.anything())

    @_uncollected()
    def records(self) -> list[RunRecord]:
        """Every record that belongs to the study file as it is now; runs of an older one are left alone."""
        from suite.tuning import best, open_storage, trial_run_ids
        from suite.tuning.service import has_storage

        study, folder = self.plan.study, self.runner.folder
        storage = study.tune.storage
        opened = open_storage(storage, folder) if has_storage(storage, folder) else None
        wanted = [folder.run(untouched_spec(study, scale)) for scale in study.scale]
        for scale in study.scale:
            for method in study.method:
                wanted += [folder.named(run_id) for run_id in trial_run_ids(self.runner, scale, method, opened)]
                try:
                    found = best(self.runner, scale, method, opened)
                except ValueError:
                    continue  # not tuned yet, so not refitted: the exported tables say what is missing
                wanted += [folder.run(refit_spec(study, found, seed)) for seed in study.refit.seeds]
        return [record for path in wanted if (record := self.reading.read(path)) is not None]

    def compare(self) -> Results:
        """Test every robust method against the baseline, keep the result beside the records and log the look.

        Raises:
            ValueError: there is nothing to compare yet, or arms cannot be paired.
        """
        from suite.comparison import compare_study

        study, folder = self.plan.study, self.runner.folder
        records = [r for r in self.records() if r.spec.phase == "refit"]
        places = {r.run_id: folder.run(r.spec) for r in records}
        earlier, runs = load_looks(folder.looks), self.reading.made_of(records, study, self._items)
        receipt = read_receipt(folder.receipt("compare"))
        if receipt is not None and receipt.holds(digest([runs, _seen(earlier)]), folder.root):
            log_looks(receipt.looked_again(), folder.looks)
            return load_results(folder.results)
        results, looks = compare_study(study, records, places, items=self._items, looks=earlier)
        if not results.comparisons:
            if len(study.method) == 1:
                raise NothingToCompare("there is nothing to compare: the only method is the baseline; add a [[method]]")
            raise NothingToCompare(
                f"there is nothing to compare: {len(records)} refits have ended, and a comparison needs two seeds of "
                f"{study.comparison.baseline!r} and of a robust method at one scale; run `suite refit` first"
            )
        log_looks(looks, folder.looks)  # before anybody sees the results
        save_results(results, folder.results)
        # This look costs nothing the next time: it was at the same seeds.
        written = receipt_of(digest([runs, _seen((*earlier, *looks))]), folder.root, [folder.results])
        write_receipt(folder.receipt("compare"), replace(written, looks=tuple(looks)))
        return results

    def results(self) -> Results:
        """The comparisons made last; empty where none were made."""
        return load_results(self.runner.folder.results)

    def plan_seeds(self, effects: Sequence[float], power: float) -> list[SeedPlan]:
        """What each number of seeds finds, by (scale, robust method), from the variance between finished refits."""
        from suite.comparison import contests_of
        from suite.comparison.planning import plan_seeds

        records = [r for r in self.records() if r.spec.phase == "refit"]
        contests = contests_of(
            self.plan.study, records, {r.run_id: self.runner.folder.run(r.spec) for r in records}, items=self._items
        )
        if not contests:
            raise NothingToCompare(
                "planning reads the variance between finished runs, and there are no two seeds of a robust method and "
                "of the baseline at one scale yet; run `suite refit` with a few seeds first"
            )
        return [plan_seeds(contest, effects, power) for contest in contests]

    @property
    def _items(self) -> Literal["shared", "separate"]:
        return "shared" if self.plan.task.parallel else "separate"

    def verify(self, claims: Sequence[PublishedClaim]) -> list[Verdict]:
        """Hold published claims against the comparisons, which are made where there are none yet."""
        from suite.comparison.verify import verify

        results = self.results()
        if not results.comparisons:
            results = self.compare()
        return verify(self.plan.study, results.comparisons, claims)

    def export(self, to: Path) -> list[Path]:
        """Write tables, figures and summary of the records and the comparisons made last."""
        return self.write(self.plan.study, self.records(), self.results(), to)

    @_uncollected()
    def write(self, study: StudySpec, records: Sequence[RunRecord], results: Results, to: Path) -> list[Path]:
        """Write a report of records that were read here, unless it stands there already."""
        from suite.report import write_report

        folder = self.runner.folder
        made_of = self.reading.made_of(records, study, file_digest(folder.results))
        receipt = read_receipt(folder.receipt("export"))
        if receipt is not None and receipt.holds(made_of, to):
            return [to / name for name in receipt.files]
        written = write_report(study, records, results, to)
        write_receipt(folder.receipt("export"), receipt_of(made_of, to, written.files, written.removed))
        return written.files


def _seen(looks: Iterable[Look]) -> list[tuple[str, ...]]:
    """Looks as later ones pay for them: each once, and when it was does not matter."""
    return sorted({(k.scale, k.treatment, k.baseline, str(k.declared), str(k.used), repr(k.p)) for k in looks})
