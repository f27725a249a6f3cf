"""Bring a run's record and what lies beside it back from the store."""

from __future__ import annotations

from pathlib import Path

from suite.records import RECORD
from suite.tracking.address import check_tracking, mask, sqlite_path
from suite.tracking.artifacts import PINS

_FILES = (RECORD, "predictions.parquet", PINS)


def fetch_run(uri: str, run_id: str, to: Path) -> Path:
    """Download the record, predictions and pins of a run; returns the folder, `to`.

    Args:
        uri: MLflow tracking URI.
        run_id: MLflow's id of the run.
        to: Folder to write to.

    Raises:
        ValueError: the store cannot be reached, has no such run, or the run has no record.
    """
    check_tracking(uri)
    path = sqlite_path(uri)
    if path is not None and not path.is_file():
        raise ValueError(
            f"unknown run {run_id!r}; there is no tracking store at {path} (MLFLOW_TRACKING_URI names one)"
        )
    from mlflow.exceptions import MlflowException

    from suite.tracking.mirror import connect

    client = connect(uri)
    try:
        there = {artifact.path for artifact in client.list_artifacts(run_id)}
        if RECORD in there:
            for name in sorted(there & set(_FILES)):
                client.download_artifacts(run_id, name, str(to))
    except MlflowException as error:
        reason = mask(str(error)).splitlines()[0]
        raise ValueError(f"run {run_id!r} cannot be read from {mask(uri)}: {reason}; name another store") from None
    if RECORD not in there:
        raise ValueError(f"run {run_id} of {mask(uri)} has no {RECORD}: it has not ended, or is no training run")
    return to
