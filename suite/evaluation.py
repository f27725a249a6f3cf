"""Zero-shot evaluation: every language and subset in one pooled pass, and the embedding-space attack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from suite.methods import StepStreams
from suite.methods.adversarial import perturb
from suite.methods.ball import Ball
from suite.methods.interface import EMBEDDINGS
from suite.models.classifier import Classifier, Pass
from suite.models.encoder import NoDropout
from suite.models.predict import batches_by_length, predict_logits
from suite.models.tokens import TokenRows, join_rows
from suite.records import ATTACK, CLEAN, PREDICTION_COLUMNS, Score
from suite.scores import METRICS
from suite.seeding import Streams
from suite.spec import EvaluationSpec
from suite.tasks import Examples

if TYPE_CHECKING:
    import pyarrow


SAMPLE_SEED = 0
"""Which examples a limit keeps, and how subsets are perturbed: part of the data, the same for every run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Everything a run is measured on: blocks of one language and subset each, with their tokens."""

    blocks: tuple[Examples, ...]
    rows: tuple[TokenRows, ...]

    def clean(self, limit: int | None) -> Reported:
        """The clean blocks, at most so many examples of each: the same ones in every language where ids are shared."""
        blocks, tables = [], []
        for block, rows in zip(self.blocks, self.rows, strict=True):
            if block.subset == CLEAN:
                some = block if limit is None or limit >= len(block.ids) else block.take(limit, SAMPLE_SEED)
                place = {example: i for i, example in enumerate(block.ids)}
                blocks.append(some)
                tables.append(rows.take(np.array([place[example] for example in some.ids], dtype=np.int64)))
        return Reported(blocks=tuple(blocks), rows=tuple(tables))

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels of all blocks, one after another."""
        return np.concatenate([block.labels for block in self.blocks])


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was measured: scores, one prediction a row, and what makes them suspect."""

    scores: tuple[Score, ...]
    predictions: pyarrow.Table
    warnings: tuple[str, ...]


def evaluate(
    classifier: Classifier, reported: Reported, spec: EvaluationSpec, *, task: str, units: dict[str, float], seed: int
) -> Evaluation:
    """Scores and predictions on every block, and on the clean blocks under attack when the study asks for it."""
    found = [_Predicted(reported, CLEAN, predict_logits(classifier, join_rows(reported.rows)))]
    warnings: list[str] = []
    if spec.attack_radius > 0:
        clean = reported.clean(spec.attack_examples)
        logits, idle = attack_logits(classifier, clean, spec, units=units, seed=seed)
        found.append(_Predicted(clean, ATTACK, logits))
        if idle > 0.5:
            warnings.append(f"the attack's gradient was zero at {idle:.0%} of the tokens: its accuracy is no upper bound")
    rows = [row for predicted in found for row in predicted.blocks()]
    scores = [score for examples, subset, logits in rows for score in _scores(task, examples, subset, logits)]
    warnings += [w for examples, subset, logits in rows if (w := _constant(examples, subset, logits))]
    return Evaluation(scores=tuple(scores), predictions=_table(rows), warnings=tuple(warnings))


def attack_logits(
    classifier: Classifier, reported: Reported, spec: EvaluationSpec, *, units: dict[str, float], seed: int
) -> tuple[NDArray[np.float32], float]:
    """Logits at the end of a PGD ascent in an L2 ball around every token's embedding (Madry et al. 2018).

    Returns:
        Logits [N, C] in the order of the blocks, and the share of tokens whose last gradient was exactly zero.
    """
    rows, labels = join_rows(reported.rows), reported.labels
    device = classifier.head.weight.device
    view = Pass(classifier, NoDropout(), units, None)
    ball = Ball(spec.attack_radius * view.radius_unit(EMBEDDINGS))
    out = np.empty((len(rows), classifier.head.out_features), dtype=np.float32)
    idle = []
    with frozen(classifier):
        for number, batch in enumerate(batches_by_length(rows, labels, device=device)):
            hidden_TD = view.enter(batch, EMBEDDINGS)
            found = perturb(
                batch,
                view,
                hidden_TD,
                ball,
                StepStreams(Streams(seed), number),
                steps=spec.attack_steps,
                step_size=1.5,
                site=EMBEDDINGS,
            )
            with torch.no_grad():
                logits = view.finish(batch, hidden_TD + found.delta_TD, EMBEDDINGS)
            out[list(batch.rows)] = logits.float().cpu().numpy()
            idle.append(found.zero_gradient)
    return out, float(np.mean(idle))


@contextmanager
def frozen(classifier: Classifier) -> Iterator[None]:
    """No parameter takes part in the graph: an attack needs the gradient of its input alone."""
    wanted = [p for p in classifier.parameters() if p.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


Row = tuple[Examples, str, NDArray[np.float32]]
"""A block, the subset its predictions are reported under, and its logits [n, C]."""


@dataclass(frozen=True, slots=True)
class _Predicted:
    reported: Reported
    subset: str
    """Replaces the blocks' own subset when it is not `clean`."""
    logits: NDArray[np.float32]

    def blocks(self) -> Iterator[Row]:
        start = 0
        for block in self.reported.blocks:
            stop = start + len(block.labels)
            yield block, self.subset if self.subset != CLEAN else block.subset, self.logits[start:stop]
            start = stop


def _scores(task: str, examples: Examples, subset: str, logits: NDArray[np.float32]) -> Iterator[Score]:
    predicted = logits.argmax(1)
    for metric, function in METRICS.items():
        yield Score(
            task=task,
            subset=subset,
            metric=metric,
            language=examples.language,
            value=function(examples.labels, predicted),
            n=len(examples.labels),
        )


def _constant(examples: Examples, subset: str, logits: NDArray[np.float32]) -> str:
    predicted = logits.argmax(1)
    if np.all(predicted == predicted[0]) and not np.all(examples.labels == examples.labels[0]):
        return f"constant predictor: every {subset} example in {examples.language} was given label {predicted[0]}"
    return ""


def _table(rows: Sequence[Row]) -> pyarrow.Table:
    import pyarrow as pa

    parts: dict[str, list[Any]] = {name: [] for name in PREDICTION_COLUMNS}
    for examples, subset, logits in rows:
        shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(1))
        gold = np.exp(shifted[np.arange(len(logits)), examples.labels] - log_sum)
        values = (
            pa.array(examples.ids),
            pa.array(examples.base_ids),
            pa.array([examples.language] * len(logits)),
            pa.array([subset] * len(logits)),
            pa.array(examples.labels.astype(np.int32)),
            pa.array(logits.argmax(1).astype(np.int32)),
            pa.array(gold.astype(np.float32)),
        )
        for name, value in zip(PREDICTION_COLUMNS, values, strict=True):
            parts[name].append(value)
    return pa.table({name: pa.chunked_array(chunks) for name, chunks in parts.items()})
