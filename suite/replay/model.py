"""The best refit of a (scale, method) as a classifier: trained again from its record, and only kept if it is that run.

Studies keep predictions, not weights; whoever wants a model repeats its run, which gives the same weights to the bit.
What proves it is the folder itself: read back, it must predict what the run recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from suite.assembly import load_workspace
from suite.evaluation import Reported
from suite.evaluation_spec import ATTACK, SMOOTHED, WORD_ATTACK
from suite.kinds.classification import CLASSIFICATION, choose
from suite.kinds.kind import Columns
from suite.models.checkpoints import load_encoder
from suite.models.classifier import Classifier
from suite.models.saved import Reading, load_classifier, save_classifier
from suite.naming import unknown
from suite.records import RunRecord
from suite.replay.again import inspect
from suite.replay.conditions import CannotReplay, as_recorded
from suite.replay.finding import Found
from suite.tasks import resolve_task
from suite.texts import training_task
from suite.trial import Watch, ignore
from suite.trial_spec import TaskSpec, TrialSpec
from suite.workspace import Workspace

EXAMPLES = 5
"""Texts kept as an example of the model's input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A classifier that predicts what its run recorded."""

    record: RunRecord
    folder: Path
    """Holds the classifier, see `suite.models.saved`."""
    texts: tuple[str, ...]
    """A few of the reported source-language texts, as an example of the input."""
    pairs: tuple[str, ...] | None
    """Their second texts, where the task has pairs."""
    predictions: int
    """Recorded predictions it was held against; every label is the same."""
    largest: float
    """Largest absolute difference of a gold label's probability; 0 where every bit is the same."""


def best_refit(records: Iterable[RunRecord], scale: str, method: str) -> RunRecord:
    """The refit with the highest source-language validation metric; of several the lowest seed.

    Neither target-language labels nor the reported split take part.

    Raises:
        ValueError: no refit of the scale and method is complete.
    """
    refits = [r for r in records if r.spec.phase == "refit" and r.state == "complete" and r.selection is not None]
    arms = dict.fromkeys(f"{r.spec.scale.name} {r.spec.method}" for r in refits)
    own = [r for r in refits if (r.spec.scale.name, r.spec.method) == (scale, method)]
    if not own:
        raise ValueError(f"{unknown('refit', f'{scale} {method}', arms)}; run `suite refit` first")
    return max(own, key=lambda r: (r.selection or 0.0, -r.spec.seed))


def refuse_other_kinds(task: TaskSpec) -> None:
    """Refuse a study whose models do not give each text one label.

    Raises:
        ValueError: the kind it has, and the one that can be logged.
    """
    for kind in dict.fromkeys((training_task(task).kind, resolve_task(task.name).kind)):
        if kind != CLASSIFICATION.name:
            raise ValueError(
                f"models are logged of {CLASSIFICATION.name} tasks, {task.name!r} is {kind}; `suite replay` repeats it"
            )


def rebuild(found: Found, to: Path, *, hub_root: Path | None = None, watch: Watch = ignore) -> Rebuilt:
    """Train a refit again, write its classifier to a folder, and hold that against the recorded predictions.

    Args:
        found: The refit; its folder is only read.
        to: Folder to write to.
        hub_root: Local hub mirror.
        watch: Sees every validation point; what it returns is ignored.

    Raises:
        ValueError: the task is not classification.
        CannotReplay: inputs or predictions differ or are not here.
    """
    record, spec = found.record, found.record.spec
    refuse_other_kinds(spec.task)
    inspect(record, hub_root)
    assert record.provenance is not None  # or it would have been refused
    with as_recorded(record.provenance):
        workspace = load_workspace(spec, hub_root)
        classifier = _train(spec, workspace, watch)
        scale = spec.scale
        whole = load_encoder(scale.checkpoint, revision=scale.revision, layers=scale.layers, hub_root=hub_root)
        save_classifier(to, whole, classifier, workspace.original_ids, _reading(spec, workspace))
        return _held_against(found, to, workspace)


def _train(spec: TrialSpec, workspace: Workspace, watch: Watch) -> Classifier:
    """Train as `suite.trial` does, to the end."""
    torch.use_deterministic_algorithms(torch.cuda.is_available())
    classifier = workspace.classifier(spec.seed, spec.train.pooling)
    for progress in workspace.fit(spec, classifier).run():
        watch(progress)
    return classifier


def _reading(spec: TrialSpec, workspace: Workspace) -> Reading:
    return Reading(
        run_id=spec.run_id,
        labels=tuple(workspace.texts.trained.labels),
        pairs=workspace.texts.train.pairs is not None,
        max_length=spec.train.max_length,
        prefix=spec.scale.prefix,
        pooling=spec.train.pooling,
    )


def _held_against(found: Found, folder: Path, workspace: Workspace) -> Rebuilt:
    """Read the folder back and predict every reported text, all in one call, as batches decide the last bits."""
    saved = load_classifier(folder, CLASSIFICATION, workspace.device)
    blocks = [block.examples for block in workspace.reported.blocks]
    texts = [text for block in blocks for text in block.texts]
    pairs = [text for block in blocks for text in block.pairs or ()] if saved.reading.pairs else None
    logits_NC = saved.logits(texts, pairs)
    largest = _compare(found, workspace.reported, choose(workspace.reported.labels, logits_NC))
    return Rebuilt(
        record=found.record,
        folder=folder,
        texts=tuple(texts[:EXAMPLES]),
        pairs=None if pairs is None else tuple(pairs[:EXAMPLES]),
        predictions=len(texts),
        largest=largest,
    )


def _compare(found: Found, reported: Reported, columns: Columns) -> float:
    """Largest difference of a probability; a label that differs is refused."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    run_id = found.record.run_id
    if found.predictions is None:
        raise CannotReplay(f"{run_id} has no predictions to hold a model against; put its predictions.parquet back")
    table = pq.read_table(found.predictions)
    table = table.filter(~pc.field("subset").isin([ATTACK, WORD_ATTACK, SMOOTHED]))
    ids = [name for block in reported.blocks for name in block.examples.ids]
    if table.column("example_id").to_pylist() != ids:
        raise CannotReplay(f"{found.predictions} has other examples than {run_id} was measured on; restore the file")
    other = int((table.column("predicted").to_numpy() != columns["predicted"]).sum())
    if other:
        raise CannotReplay(
            f"a model predicts what its run recorded, {run_id} trained again differs in {other} of {len(ids)} labels; "
            "`suite replay` says where and why"
        )
    again = columns["gold_probability"].astype(np.float32)  # as predictions are kept
    return float(np.abs(table.column("gold_probability").to_numpy() - again).max(initial=0))
