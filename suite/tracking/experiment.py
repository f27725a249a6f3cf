"""A study's experiment in MLflow: its creation, note, prepared views, and the one run that holds its comparison."""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from suite.canonical import to_json
from suite.results import Comparison
from suite.spec import StudySpec
from suite.tracking.address import is_http, mask, sqlite_path
from suite.tracking.artifacts import upload_files
from suite.tracking.describe import COMPARISON, NOTE_TAG
from suite.tracking.notes import comparison_note, study_note
from suite.tracking.views import view_tags

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

LONGEST_LOCATION = 200 - len(f"/{32 * '0'}/artifacts")
"""Characters of an experiment's folder of artifacts: `runs.artifact_uri` holds 200, a run's own part included. Sqlite
does not count them."""
_CONTENT_TAG = "suite.content"


def open_experiment(client: MlflowClient, uri: str, name: str, study: StudySpec | None) -> str:
    """The id of the experiment of that name, created where missing.

    Raises:
        ValueError: it was deleted in MLflow, where it keeps its name.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(name, artifact_location=_artifact_location(uri, name))
        except MlflowException:  # another process may have created it since
            if client.get_experiment_by_name(name) is None:
                raise
        found = client.get_experiment_by_name(name)
    assert found is not None
    if found.lifecycle_stage != "active":
        raise ValueError(
            f"experiment {name!r} was deleted in MLflow; "
            f"restore it (`mlflow experiments restore --experiment-id {found.experiment_id}`) or rename the study"
        )
    _set_tags(client, found.experiment_id, {NOTE_TAG: study_note(name, study)}, found.tags)
    return str(found.experiment_id)


def user() -> str:
    """Who runs this process; `unknown` in a container without a user database."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _artifact_location(uri: str, name: str) -> str | None:
    """Beside the database where one is opened directly; a server decides for itself."""
    if is_http(uri):
        return None
    path = sqlite_path(uri)
    home = Path.cwd() if path is None else path.resolve().parent
    location = (home / "mlartifacts" / name).as_uri()
    if path is None and len(location) > LONGEST_LOCATION:
        raise ValueError(
            f"MLflow's databases take at most {LONGEST_LOCATION} characters for where a study's artifacts lie, "
            f"{location} has {len(location)}; start from another folder, or track to a server"
        )
    return location


def write_views(client: MlflowClient, experiment_id: str, metrics: Iterable[str]) -> None:
    """Prepare the views for the metrics there are."""
    _set_tags(client, experiment_id, view_tags(metrics), client.get_experiment(experiment_id).tags)


def _set_tags(client: MlflowClient, experiment_id: str, tags: dict[str, str], present: dict[str, str]) -> None:
    from mlflow.exceptions import MlflowException

    for key, value in tags.items():
        if present.get(key) != value:
            try:
                client.set_experiment_tag(experiment_id, key, value)
            except MlflowException:  # Two processes inserted it at once; the one that lost finds it there now.
                client.set_experiment_tag(experiment_id, key, value)


def mirror_comparison(
    client: MlflowClient,
    experiment_id: str,
    study: StudySpec,
    comparisons: Sequence[Comparison],
    folder: Path,
    files: Sequence[Path],
) -> str:
    """Write the study's comparison run, in place where there is one; returns MLflow's id of it.

    Args:
        client: Client of the store.
        experiment_id: The study's experiment.
        study: What was compared.
        comparisons: Every comparison.
        folder: Where its tables and figures are.
        files: Those of the folder that are uploaded, and no other.
    """
    found = client.search_runs([experiment_id], f"tags.phase = '{COMPARISON}'", max_results=1)
    if found:
        run_id = str(found[0].info.run_id)
    else:
        tags = {"phase": COMPARISON, "study": study.name, "mlflow.user": user()}
        run_id = str(client.create_run(experiment_id, tags=tags, run_name=COMPARISON).info.run_id)
    content = _content(comparisons, folder, files)
    if found and found[0].data.tags.get(_CONTENT_TAG) == content:
        return run_id
    client.log_text(run_id, json.dumps([to_json(c) for c in comparisons], indent=1), "comparisons.json")
    upload_files(client, run_id, folder, files)
    summary = folder / "summary.md"
    note = comparison_note(study, comparisons, summary.read_text() if summary.is_file() else None)
    client.set_tag(run_id, NOTE_TAG, mask(note))
    client.set_terminated(run_id)
    client.set_tag(run_id, _CONTENT_TAG, content)
    return run_id


def _content(comparisons: Sequence[Comparison], folder: Path, files: Sequence[Path]) -> str:
    """SHA-256 of what a comparison run holds."""
    state = hashlib.sha256(json.dumps([to_json(c) for c in comparisons]).encode())
    for path in sorted(files):
        state.update(path.relative_to(folder).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()[:12]
