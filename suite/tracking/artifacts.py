"""What of a folder becomes an artifact, and a run's data as MLflow dataset inputs; credentials never leave."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from suite.canonical import digest
from suite.records import ATTACKED, RECORD, Dataset, RunRecord, write_atomically
from suite.tracking.address import mask

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.tracking import MlflowClient

PINS = "pins.txt"
_FIGURES = (".png", ".svg", ".pdf")
_TEXTS = (".toml", ".json", ".txt", ".md", ".csv", ".tex")
_DIGEST_LENGTH = 16
"""Characters of a SHA-256 shown as a data set's digest; MLflow keeps at most 36."""


def write_pins(folder: Path) -> None:
    """Write the installed distributions to `pins.txt`, as pip reads them, unless the run already did."""
    path = folder / PINS
    if not path.exists():
        write_atomically(path, _pins(_installed(), sys.version.split()[0]).encode())


@functools.cache
def _installed() -> dict[str, str]:
    """Distribution to version, read once a process (0.1 s): what was loaded stays what it was at its start."""
    return {d.name: d.version for d in metadata.distributions()}


def _pins(packages: dict[str, str], python: str) -> str:
    lines = (f"{name}=={version}\n" for name, version in sorted(packages.items(), key=lambda item: item[0].lower()))
    return f"# Python {python}\n" + "".join(lines)


def upload_run_files(client: MlflowClient, run_id: str, folder: Path, record: RunRecord, study: Path | None) -> None:
    """Upload a run's study file, record, predictions, attacked texts, environment and figures, over what is there."""
    own_study = folder / "study.toml"
    if own_study.is_file():
        _upload(client, run_id, own_study, None)
    elif study is not None and study.is_file():
        client.log_text(run_id, mask(study.read_text()), "study.toml")
    for name in (RECORD, record.predictions, ATTACKED, PINS):
        if name is not None and (folder / name).is_file():
            _upload(client, run_id, folder / name, None)
    if record.provenance is not None and not (folder / PINS).exists():
        client.log_text(run_id, _pins(record.provenance.packages, record.provenance.python), PINS)
    for figure in sorted(path for path in folder.rglob("*") if path.suffix in _FIGURES):
        _upload(client, run_id, figure, "figures")


def upload_files(client: MlflowClient, run_id: str, folder: Path, files: Iterable[Path]) -> None:
    """Upload files of a folder, each under its own path; what else lies there stays where it is."""
    for path in files:
        parent = path.parent.relative_to(folder).as_posix()
        _upload(client, run_id, path, None if parent == "." else parent)


def _upload(client: MlflowClient, run_id: str, path: Path, parent: str | None) -> None:
    text = path.read_text(errors="surrogateescape") if path.suffix in _TEXTS else ""
    masked = mask(text)
    if masked == text:
        client.log_artifact(run_id, str(path), parent)
    else:
        client.log_text(run_id, masked, f"{parent}/{path.name}" if parent else path.name)


def dataset_inputs(datasets: Iterable[Dataset]) -> list[DatasetInput]:
    """One MLflow input per data set, split and subset, with its languages, sizes and fingerprints in the profile."""
    from mlflow.entities import Dataset as MlflowDataset
    from mlflow.entities import DatasetInput, InputTag

    groups: dict[tuple[str, str, str], list[Dataset]] = {}
    for dataset in datasets:
        groups.setdefault((dataset.name, dataset.split, dataset.subset), []).append(dataset)
    inputs = []
    for (name, split, subset), members in groups.items():
        profile = {m.language: {"n": m.n, "fingerprint": m.fingerprint} for m in members}
        source = {"source": members[0].source, "licence": members[0].licence}
        entity = MlflowDataset(
            name=f"{name} · {split} · {subset}",
            digest=digest(profile)[:_DIGEST_LENGTH],
            source_type="suite",
            source=json.dumps(source),
            profile=json.dumps(profile),
        )
        inputs.append(DatasetInput(entity, [InputTag("mlflow.data.context", split)]))
    return inputs
