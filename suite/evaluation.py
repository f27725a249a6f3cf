"""Zero-shot evaluation: every language and subset in one pooled pass, the embedding-space attack, the smoothed vote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from suite.attacks import WordAttack
from suite.evaluation_spec import ATTACK, CLEAN, SMOOTHED, WORD_ATTACK
from suite.kinds import Columns, Encoded, Kind
from suite.methods import StepStreams
from suite.methods.adversarial import perturb
from suite.methods.ball import Ball
from suite.methods.interface import EMBEDDINGS
from suite.methods.smoothing import certify, count_votes
from suite.models.classifier import Classifier, Pass
from suite.models.encoder import NoDropout
from suite.models.predict import batches_by_length, embed_layer, empty_outputs, places, predict_logits
from suite.models.tokens import TokenRows, join_rows
from suite.records import PREDICTION_COLUMNS, PairScore, Score, prediction_columns
from suite.scores import METRICS
from suite.seeding import Streams
from suite.tasks import Examples
from suite.trial_spec import TrialSpec

if TYPE_CHECKING:
    import pyarrow

SAMPLE_SEED = 0
"""Which examples a limit keeps, and how subsets are perturbed: part of the data, the same for every run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Everything a run is measured on: blocks of one language and subset each, with their tokens."""

    kind: Kind
    blocks: tuple[Encoded, ...]

    def clean(self, limit: int | None) -> Reported:
        """The clean blocks, at most so many examples of each: the same ones in every language where ids are shared."""
        clean = (block for block in self.blocks if block.examples.subset == CLEAN)
        return replace(self, blocks=tuple(_at_most(block, limit) for block in clean))

    @property
    def rows(self) -> TokenRows:
        """Rows of all blocks, one after another."""
        return join_rows([block.rows for block in self.blocks])

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels of all rows."""
        return np.concatenate([block.labels for block in self.blocks])

    def decode(self, outputs: NDArray[np.float32], subset: str | None = None) -> Iterator[Predicted]:
        """Predictions of every block from the outputs of the head for all rows, or all tokens."""
        start = 0
        for block in self.blocks:
            stop = start + (len(block.rows.ids) if self.kind.per_token else len(block.rows))
            columns = self.kind.decode(block, outputs[start:stop])
            yield Predicted(examples=block.examples, subset=subset or block.examples.subset, columns=columns)
            start = stop


def _at_most(block: Encoded, limit: int | None) -> Encoded:
    if limit is None or limit >= len(block.examples):
        return block
    return block.take(block.examples.take(limit, SAMPLE_SEED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was measured: scores, one prediction a row, and what makes them suspect."""

    scores: tuple[Score, ...]
    pairs: tuple[PairScore, ...]
    predictions: pyarrow.Table
    warnings: tuple[str, ...]
    attacked: pyarrow.Table | None = None
    """The texts that the attack on words found, where there was one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predicted:
    """Predictions of one block, under the name of the subset they are reported as."""

    examples: Examples
    subset: str
    columns: Columns


def evaluate(
    classifier: Classifier,
    reported: Reported,
    spec: TrialSpec,
    units: Mapping[str, float],
    words: WordAttack | None = None,
) -> Evaluation:
    """Scores and predictions on every block; on the clean ones also under attack and by vote where the study asks."""
    view = Pass(classifier, NoDropout(), dict(units))
    found = list(reported.decode(_outputs(classifier, reported, spec.evaluation.retrieval_layer)))
    warnings: list[str] = []
    if spec.evaluation.attack_radius > 0:
        some = reported.clean(spec.evaluation.attack_examples)
        logits, idle = attack_logits(view, some, spec)
        found += some.decode(logits, ATTACK)
        if idle > 0.5:
            warnings.append(
                f"the attack's gradient was zero at {idle:.0%} of the tokens: its accuracy is no upper bound"
            )
    attacked: pyarrow.Table | None = None
    if words is not None:
        clean = {one.examples.language: (one.examples.ids, one.columns) for one in found if one.subset == CLEAN}
        won = words.run(classifier, clean, spec.evaluation.word_attack_queries)
        found += [Predicted(examples=b.examples, subset=WORD_ATTACK, columns=b.columns) for b in won.blocks]
        attacked = won.table()
        warnings.append(won.summary)
    if noise := float(spec.hyperparameters.get("noise", 0)):
        if spec.evaluation.smoothing_samples:
            found += smoothed(view, reported.clean(spec.evaluation.attack_examples), spec, noise)
        else:
            warnings.append(
                "trained with noise, evaluated without: scores are the base classifier's, not the smoothed one's"
            )
    return Evaluation(
        scores=tuple(score for one in found for score in _scores(spec.task.name, reported.kind, one)),
        pairs=tuple(score for one in found for score in _pair_scores(spec.task.name, spec.metric, one)),
        predictions=_table(reported.kind, found),
        warnings=(*warnings, *(line for one in found if (line := _constant(one)))),
        attacked=attacked,
    )


def attack_logits(view: Pass, reported: Reported, spec: TrialSpec) -> tuple[NDArray[np.float32], float]:
    """Outputs at the end of a PGD ascent in an L2 ball around every token's embedding (Madry et al. 2018).

    Returns:
        Outputs of the head in the order of the blocks, and the share of tokens whose last gradient was exactly zero.
    """
    rows, labels, classifier = reported.rows, reported.labels, view.classifier
    ball = Ball(spec.evaluation.attack_radius * view.radius_unit(EMBEDDINGS))
    out = empty_outputs(classifier, rows)
    idle, steps = [], spec.evaluation.attack_steps
    with frozen(classifier):
        for number, batch in enumerate(batches_by_length(rows, labels, device=classifier.head.weight.device)):
            hidden_TD = view.enter(batch, EMBEDDINGS)
            streams = StepStreams(Streams(spec.seed), number)
            found = perturb(batch, view, hidden_TD, ball, streams, steps=steps, step_size=1.5, site=EMBEDDINGS)
            with torch.no_grad():
                logits = view.finish(batch, hidden_TD + found.delta_TD, EMBEDDINGS)
            out[places(classifier, rows, batch)] = logits.float().cpu().numpy()
            idle.append(found.zero_gradient)
    return out, float(np.mean(idle))


def smoothed(view: Pass, reported: Reported, spec: TrialSpec, noise: float) -> Iterator[Predicted]:
    """Predictions by vote with certified radii, at the noise the model was trained with.

    Further copies (`guesses`) guess the label, whose probability these bound.
    """
    rows, labels, classifier = reported.rows, reported.labels, view.classifier
    site = str(spec.hyperparameters.get("site", EMBEDDINGS))
    sigma = noise * view.radius_unit(site) / classifier.encoder.config.hidden_size**0.5
    estimate = spec.evaluation.smoothing_samples
    select = guesses(estimate)
    first, votes = (np.zeros((len(rows), classifier.head.out_features), dtype=np.int64) for _ in range(2))
    for number, batch in enumerate(batches_by_length(rows, labels, device=classifier.head.weight.device)):
        streams, at = StepStreams(Streams(spec.seed), number), list(batch.rows)
        first[at] = count_votes(batch, view, streams, sigma=sigma, samples=select, site=site)
        votes[at] = count_votes(batch, view, streams, sigma=sigma, samples=estimate, site=site, first=select)
    found = certify(first, votes, sigma)
    share = votes[np.arange(len(labels)), labels] / estimate
    start = 0
    for block in reported.blocks:
        own = slice(start, start + len(block.rows))
        columns = {
            "label": block.labels,
            "predicted": found.labels[own],
            "gold_probability": share[own],
            "certified_radius": found.radii[own],
        }
        yield Predicted(examples=block.examples, subset=SMOOTHED, columns=columns)
        start = own.stop


def guesses(samples: int) -> int:
    """Copies of a text that guess the label whose probability `samples` others bound: a tenth as many, at least 10."""
    return max(10, samples // 10)


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


def _outputs(classifier: Classifier, reported: Reported, layer: int | None) -> NDArray[np.float32]:
    """What the kind of task decodes: outputs of the head, or for a kind without one the texts' pooled states."""
    if reported.kind.embeds:
        return embed_layer(classifier, reported.rows, classifier.depth if layer is None else layer)
    return predict_logits(classifier, reported.rows)


def _scores(task: str, kind: Kind, one: Predicted) -> Iterator[Score]:
    for metric in kind.metrics:
        yield Score(
            task=task,
            subset=one.subset,
            metric=metric,
            language=one.examples.language,
            value=METRICS[metric](one.columns),
            n=len(one.examples),
        )


def _pair_scores(task: str, metric: str, one: Predicted) -> Iterator[PairScore]:
    """The score of every second language that first texts were paired with."""
    languages = np.array(one.examples.pair_languages, dtype=object)
    for second in dict.fromkeys(one.examples.pair_languages):
        here = languages == second
        part = {name: column[here] for name, column in one.columns.items()}
        yield PairScore(
            task=task,
            subset=one.subset,
            metric=metric,
            first=one.examples.language,
            second=second,
            value=METRICS[metric](part),
            n=int(here.sum()),
        )


def _constant(one: Predicted) -> str:
    if "predicted" not in one.columns:
        return ""
    given, gold = one.columns["predicted"], one.columns["label"]
    if np.all(given == given[0]) and not np.all(gold == gold[0]):
        return f"constant predictor: every {one.subset} example in {one.examples.language} was given label {given[0]}"
    return ""


def _table(kind: Kind, found: Sequence[Predicted]) -> pyarrow.Table:
    import pyarrow as pa

    types = {name: getattr(pa, PREDICTION_COLUMNS[name])() for name in prediction_columns(kind.columns)}
    parts: dict[str, list[Any]] = {name: [] for name in types}
    for one in found:
        n = len(one.examples)
        names = {
            "example_id": one.examples.ids,
            "base_id": one.examples.base_ids,
            "language": [one.examples.language] * n,
            "subset": [one.subset] * n,
        }
        for name, kind_of in types.items():
            values = names.get(name, one.columns.get(name))
            column = pa.nulls(n) if values is None else pa.array(values)
            parts[name].append(column.cast(kind_of))
    return pa.table({name: pa.chunked_array(chunks, types[name]) for name, chunks in parts.items()})
