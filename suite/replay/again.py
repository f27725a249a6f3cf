"""Run a recorded trial again, in a folder of its own, and compare."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from suite.assembly import load_workspace
from suite.provenance import provenance
from suite.records import RECORD, Progress, Provenance, RunRecord, load_record
from suite.replay.conditions import CannotReplay, Mismatch, as_recorded, mismatches, refuse_other_inputs
from suite.replay.differences import Difference, Value, differences, measured, predicted
from suite.replay.finding import Found
from suite.trial import Watch, ignore, run_trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of repeating a run."""

    run_id: str
    values: int
    """Numbers of the record that were compared."""
    cells: int
    """Cells of the predictions that were compared."""
    differing: int
    """How many of both differ."""
    first: Difference | None
    """The earliest of them in the order of measuring."""
    largest: float
    """Largest absolute difference of two numbers."""
    environment: tuple[Mismatch, ...]
    """What of the environment is not as recorded."""
    notes: tuple[str, ...]
    """What could not be compared, and what the differences say."""
    seconds: float

    @property
    def identical(self) -> bool:
        """Whether every value and every cell is the same, bit for bit."""
        return self.first is None


def inspect(record: RunRecord, hub_root: Path | None = None) -> tuple[Mismatch, ...]:
    """Check a run's inputs and environment against its record, before anything is trained.

    Args:
        record: The run.
        hub_root: Local hub mirror.

    Returns:
        What of the environment differs, which does not prevent a replay but may change its numbers.

    Raises:
        CannotReplay: checkpoint or data differ, or are not here.
    """
    recorded = _origin(record)
    with as_recorded(recorded):
        try:
            workspace = load_workspace(record.spec, hub_root)
        except Exception as error:  # a missing file, an unknown task, a package that reads it no longer
            raise CannotReplay(f"{record.run_id} cannot be replayed here: {_line(error)}") from error
        refuse_other_inputs(recorded, workspace.parts.fingerprint, workspace.datasets)
        here = provenance(
            device=workspace.device,
            checkpoint_fingerprint=workspace.parts.fingerprint,
            parameters=recorded.parameters,  # known once there is a model: compared with what is measured
            vocabulary=recorded.vocabulary,
            datasets=workspace.datasets,
        )
    return mismatches(recorded, here)


def replay(found: Found, *, hub_root: Path | None = None, watch: Watch = ignore) -> Replay:
    """Repeat a run with its recorded number of threads and compare everything it measured.

    A pruned trial is stopped after the update at which it was: the pruner's verdict depends on other trials, so it is
    taken from the record. A failed one is run until it fails again.

    Args:
        found: The run; its folder is only read.
        hub_root: Local hub mirror.
        watch: Sees every validation point; what it returns is ignored.

    Raises:
        CannotReplay: inputs differ, or the run cannot be done here.
    """
    record, started = found.record, time.perf_counter()
    environment = inspect(record, hub_root)
    with as_recorded(_origin(record)), tempfile.TemporaryDirectory(prefix="suite-replay-") as name:
        folder = Path(name)
        try:
            run_trial(
                record.spec, folder, hub_root=hub_root, watch=_stop(record, watch), checkpoint_seconds=math.inf
            )  # fmt: skip
        except Exception as error:  # too little memory, a kernel that is missing
            raise CannotReplay(f"{record.run_id} cannot be replayed here: {_line(error)}") from error
        again = Found(record=load_record(folder / RECORD), folder=folder)
        return _compared(found, again, environment, time.perf_counter() - started)


def _origin(record: RunRecord) -> Provenance:
    if record.provenance is None:
        raise CannotReplay(f"the record of {record.run_id} has no provenance to check this machine against")
    return record.provenance


def _stop(record: RunRecord, watch: Watch) -> Watch:
    """Show every validation point, and stop a pruned trial where it was stopped."""
    last = max((step for step, _, _ in record.curve), default=0) if record.state == "pruned" else math.inf

    def see(progress: Progress) -> str | None:
        watch(progress)
        return record.reason if progress.step >= last else None

    return see


def _compared(found: Found, again: Found, environment: tuple[Mismatch, ...], seconds: float) -> Replay:
    """Hold a replay against its record."""
    values, others = measured(found.record), measured(again.record)
    cells: dict[str, Value] = {}
    other_cells: dict[str, Value] = {}
    notes: list[str] = []
    if found.predictions and again.predictions:
        cells, other_cells = predicted(found.predictions), predicted(again.predictions)
    elif found.record.predictions:
        notes.append(f"{found.record.predictions} is not beside the record, so predictions were not compared")
    numbers, rows = differences(values, others), differences(cells, other_cells)
    if numbers and cells and not rows:
        notes.append("all predictions are identical, so the record was changed, or what computes that number was")
    return Replay(
        run_id=found.record.run_id,
        values=len(values),
        cells=len(cells),
        differing=len(numbers) + len(rows),
        first=next(iter([*numbers, *rows]), None),
        largest=max((d.size for d in (*numbers, *rows)), default=0.0),
        environment=environment,
        notes=tuple(notes),
        seconds=round(seconds, 3),
    )


def _line(error: Exception) -> str:
    """An error's first line, with its kind where it is none of ours."""
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return first if isinstance(error, ValueError) else f"{type(error).__name__}: {first}"
