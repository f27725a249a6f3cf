"""One MLflow experiment that mirrors the run folders of one study.

Every call names its run; there is no ambient active run. Whatever is already there is found by tag and completed, so
that each function may be repeated after a failure and each datum still lands once.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from suite.ownership import is_dead, this_process
from suite.records import RECORD, RunRecord, load_record
from suite.results import Comparison
from suite.spec import StudySpec
from suite.tracking.address import mask, sqlite_path
from suite.tracking.artifacts import dataset_inputs, upload_run_files
from suite.tracking.database import made
from suite.tracking.describe import (
    NOTE_TAG,
    OWNER_TAG,
    RUN_ID_TAG,
    TAG_LIMIT,
    curve_of,
    is_final,
    metrics_of,
    params_of,
    run_name,
    shorten,
    tags_of,
)
from suite.tracking.experiment import mirror_comparison, open_experiment, user, write_views
from suite.tracking.notes import run_note, running_note
from suite.tracking.upload import Upload, is_uploaded, locked, record_digest, store_name, write_mark
from suite.trial_spec import TrialSpec

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run, RunTag
    from mlflow.tracking import MlflowClient

Points = Mapping[tuple[str, int], float]
"""(metric name, step) to value."""

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Repeating is ours: a request that MLflow repeats after a lost answer would create its run twice.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_LOG = logging.getLogger("suite.tracking")


def connect(uri: str) -> MlflowClient:
    """A client of a store; imports mlflow (seconds) with telemetry off and prepares a new database."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # a traceback for what is told in a line here
    from mlflow.tracking import MlflowClient

    path = sqlite_path(uri)
    if path is None:
        return MlflowClient(tracking_uri=uri)
    with made(path):
        return MlflowClient(tracking_uri=uri)


class Mirror:
    """The experiment of a study in an MLflow store."""

    def __init__(self, uri: str, name: str, study: StudySpec | None, study_path: Path | None) -> None:
        """Connect, create the experiment where it is missing, and close runs whose process is gone."""
        self._uri = uri
        self._study_path = study_path
        self.client = connect(uri)
        self.experiment_id = open_experiment(self.client, uri, name, study)
        self._points: dict[str, dict[tuple[str, int], float]] = {}
        self._shown: set[str] = set()
        self.reap()

    def start(self, spec: TrialSpec) -> str:
        """Create the run of a trial, or take up an earlier attempt's; returns MLflow's id of it."""
        run = self._find(spec.run_id)
        tags = tags_of(spec) | {OWNER_TAG: this_process(), NOTE_TAG: running_note(spec), "state": "running"}
        if run is None:
            run = self._create(spec, _now())
        else:
            self.client.update_run(run.info.run_id, status="RUNNING")
        self._log(run, {}, params_of(spec), tags)
        self._points[run.info.run_id] = self._present(run)
        return str(run.info.run_id)

    def log_points(self, run_id: str, points: Points) -> None:
        """Log the points of a running trial's curves that are not there yet."""
        # Taken out while the request is under way: after a lost answer only the store knows what it has.
        seen = self._points.pop(run_id, None)
        if seen is None:
            seen = self._present(self.client.get_run(run_id))
        new = {key: value for key, value in points.items() if key not in seen and math.isfinite(value)}
        self.client.log_batch(run_id, metrics=_metrics(new))
        self._points[run_id] = seen | new

    def upload(self, folder: Path) -> None:
        """Mirror a finished run folder completely, then mark it; does nothing where the mark is up to date."""
        with locked(folder):
            if is_uploaded(folder, self._uri):
                return
            digest = record_digest(folder)
            record = load_record(folder / RECORD)
            run_id = self._mirror(record, folder)
            store = store_name(self._uri, folder)
            write_mark(folder, Upload(store=store, experiment_id=self.experiment_id, run_id=run_id, record=digest))

    def _mirror(self, record: RunRecord, folder: Path) -> str:
        wanted = {(name, 0): value for name, value in metrics_of(record).items()} | curve_of(record)
        omitted = sorted(f"{name} at step {step}" for (name, step), value in wanted.items() if not math.isfinite(value))
        if omitted:
            _LOG.warning("%s: not finite, so not logged: %s", record.run_id, shorten(", ".join(omitted), 300))
        run, present = self._take_up(record, wanted)
        missing = {key: value for key, value in wanted.items() if key not in present and math.isfinite(value)}
        self._log(run, missing, params_of(record.spec), tags_of(record.spec) | _ending(record, omitted))
        run_id = str(run.info.run_id)
        if "reason" in run.data.tags and not record.reason:
            self.client.delete_tag(run_id, "reason")  # of an earlier, killed attempt
        if record.provenance is not None and record.provenance.datasets:
            self.client.log_inputs(run_id, datasets=dataset_inputs(record.provenance.datasets))
        upload_run_files(self.client, run_id, folder, record, self._study_path)
        self.client.set_terminated(run_id, _STATUS[record.state], max(_end(record), run.info.start_time))
        self._show({name for name, _ in wanted})
        return run_id

    def _take_up(self, record: RunRecord, wanted: Points) -> tuple[Run, Points]:
        """The run of a record and the points it already has; an attempt that measured otherwise makes way."""
        run = self._find(record.run_id)
        if run is not None:
            present = self._points.pop(run.info.run_id, None) or self._present(run)
            if all(wanted.get(key, value) == value for key, value in present.items()):
                return run, present
            self.client.delete_run(run.info.run_id)
        return self._create(record.spec, _start(record)), {}

    def known(self) -> set[str]:
        """MLflow's ids of the runs that are there and not deleted."""
        found, token = set[str](), None
        while True:
            page = self.client.search_runs([self.experiment_id], max_results=1000, page_token=token)
            found |= {str(run.info.run_id) for run in page}
            token = page.token
            if not token:
                return found

    def comparison(
        self, study: StudySpec, comparisons: Sequence[Comparison], folder: Path, files: Sequence[Path]
    ) -> None:
        """Write the study's comparison run."""
        with locked(folder):
            mirror_comparison(self.client, self.experiment_id, study, comparisons, folder, files)

    def kill(self, run_id: str, reason: str) -> None:
        """End a run that will not end by itself; one that has ended stays as it is."""
        if self.client.get_run(run_id).info.status != "RUNNING":
            return
        self.client.log_batch(run_id, tags=_tags({"state": "killed", "reason": reason}))
        self.client.set_terminated(run_id, status="KILLED")
        self._points.pop(run_id, None)

    def reap(self) -> None:
        """End the runs that are RUNNING though their process on this host is gone."""
        for run in self._search("attributes.status = 'RUNNING'", 1000):
            if is_dead(run.data.tags.get(OWNER_TAG, "")):
                self.kill(run.info.run_id, "its process ended without a word")

    def _find(self, run_id: str) -> Run | None:
        quote = '"' if "'" in run_id else "'"
        found = self._search(f"tags.`{RUN_ID_TAG}` = {quote}{run_id}{quote}", 1)
        return found[0] if found else None

    def _search(self, query: str, limit: int) -> list[Run]:
        found = self.client.search_runs(
            [self.experiment_id], query, max_results=limit, order_by=["attributes.start_time ASC"]
        )
        return list(found)

    def _create(self, spec: TrialSpec, start: int) -> Run:
        tags = {RUN_ID_TAG: spec.run_id, OWNER_TAG: this_process(), "mlflow.user": user()}
        return self.client.create_run(self.experiment_id, start_time=start, tags=tags, run_name=run_name(spec))

    def _present(self, run: Run) -> dict[tuple[str, int], float]:
        """Every point a run has: final values come with the run, curves are asked for."""
        points: dict[tuple[str, int], float] = {}
        for name, value in run.data.metrics.items():
            if is_final(name):
                points[name, 0] = value
            else:
                history = self.client.get_metric_history(run.info.run_id, name)
                points |= {(name, point.step): point.value for point in history}
        return points

    def _log(self, run: Run, points: Points, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Log what the run has not; a param once written stays, as MLflow refuses to change it."""
        from mlflow.entities import Param

        new_params = [Param(key, value) for key, value in params.items() if key not in run.data.params]
        new_tags = {key: value for key, value in tags.items() if run.data.tags.get(key) != value}
        self.client.log_batch(run.info.run_id, metrics=_metrics(points), params=new_params, tags=_tags(new_tags))

    def _show(self, names: set[str]) -> None:
        """Keep the experiment's prepared views in step with the metrics there are."""
        if not names <= self._shown:
            self._shown |= names
            write_views(self.client, self.experiment_id, self._shown)


def _now() -> int:
    """Milliseconds since 1970, MLflow's unit of time."""
    return int(time.time() * 1000)


def _start(record: RunRecord) -> int:
    """When a run began; now where its record does not say."""
    return int(datetime.fromisoformat(record.started).timestamp() * 1000) if record.started else _now()


def _end(record: RunRecord) -> int:
    seconds = record.seconds.get("total")
    return _now() if seconds is None or not record.started else _start(record) + round(seconds * 1000)


def _ending(record: RunRecord, omitted: list[str]) -> dict[str, str]:
    tags = {"state": record.state, NOTE_TAG: mask(run_note(record, omitted))}
    if record.reason:
        tags["reason"] = shorten(mask(record.reason), TAG_LIMIT)
    if record.provenance is not None:
        tags["mlflow.source.name"] = f"suite {record.provenance.suite_version}"
        tags |= {"mlflow.source.git.commit": record.provenance.commit} if record.provenance.commit else {}
    return tags


def _metrics(points: Points) -> list[Metric]:
    from mlflow.entities import Metric

    now = _now()
    return [Metric(name, value, now, step) for (name, step), value in points.items()]


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    from mlflow.entities import RunTag

    return [RunTag(key, value) for key, value in tags.items()]
