"""What a trial stands on: tokens and the untouched encoder of one (task, scale)."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from suite.attacks import WordAttack
from suite.evaluation import Reported
from suite.kinds import Encoded, Kind
from suite.methods.interface import EMBEDDINGS
from suite.models.checkpoints import EncoderParts
from suite.models.classifier import Classifier, measure_unit
from suite.models.tokens import TokenRows
from suite.records import Dataset
from suite.seeding import Streams
from suite.texts import Texts
from suite.training import Fit, Lesson
from suite.trial_spec import Pooling, TrialSpec

NORM_TEXTS = 256
"""Training texts over which the mean hidden norm is taken; at 10 tokens each its standard error is under 0.5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelRows:
    """Every distinct text of the translation pairs, and which of them are translations of one another."""

    rows: TokenRows
    pairs: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
    """Target language to rows of the source texts and of their translations."""


@dataclass(slots=True, kw_only=True)
class Workspace:
    """Tokens and the untouched encoder of one (task, scale)."""

    texts: Texts
    parts: EncoderParts
    kind: Kind
    """Of the task that trains."""
    lesson: Lesson
    intermediate: Lesson | None
    """What is learnt before it."""
    validation: Encoded
    reported: Reported
    parallel: ParallelRows
    word_attack: WordAttack | None
    datasets: tuple[Dataset, ...]
    trained_rows: int
    """Words of the training texts: the first rows of the embedding table."""
    original_ids: NDArray[np.int64]
    """The tokenizer's id of every row of the embedding table."""
    units: dict[str, float]
    device: torch.device

    def classifier(self, seed: int, pooling: Pooling = "mean") -> Classifier:
        """A fresh classifier: the untouched encoder and the initial head of a seed."""
        model = copy.deepcopy(self.parts.model)
        return Classifier(model, len(self.texts.trained.labels), Streams(seed), self.kind, pooling).to(self.device)

    def truncation_notes(self, max_length: int) -> tuple[str, ...]:
        """How many texts have all the tokens that a text may, and so were cut unless they just fit, in a line or none.

        Args:
            max_length: Tokens of the longest text, special tokens included.
        """
        full: dict[str, dict[str, int]] = {}
        totals = Counter[str]()
        for name, _, block in self._read():
            whole = block.example_of is not None  # in as many rows as it takes
            cut = 0 if whole else int((block.rows.lengths >= max_length).sum())
            full.setdefault(name, {})[block.examples.language] = cut
            totals[name] += len(block.examples) if whole else len(block.rows)
        said = [
            f"{sum(by.values())} of {totals[name]} {name} (most: {max(by.values())} in {max(by, key=by.__getitem__)})"
            for name, by in full.items()
            if any(by.values())
        ]
        return (
            (f"texts that fill max_length ({max_length} tokens), so cut if longer: {', '.join(said)}",) if said else ()
        )

    def reading_notes(self) -> tuple[str, ...]:
        """What reading the texts as tokens had to change where the task's kind cuts none short, in a line or none."""
        found = ((name, block, kind.note(block)) for name, kind, block in self._read() if kind.note)
        said = [f"{name} in {block.examples.language}: {note}" for name, block, note in found if note]
        return (f"as tokens, {'; '.join(said)}",) if said else ()

    def _read(self) -> Iterator[tuple[str, Kind, Encoded]]:
        """Every block with its name and kind."""
        if self.intermediate is not None:
            yield "intermediate", self.kind, self.intermediate.train
        yield "train", self.kind, self.lesson.train
        yield "validation", self.kind, self.validation
        for block in self.reported.blocks:
            yield block.examples.subset, self.reported.kind, block

    def norms(self, sites: Sequence[str]) -> dict[str, float]:
        """Mean hidden norms of the untouched checkpoint at some sites, measured once each."""
        for site in sites:
            if site not in self.units:
                train = self.lesson.train
                rows = np.arange(min(NORM_TEXTS, len(train.rows)))
                batch = train.rows.batch(rows, train.labels, device=self.device)
                self.units[site] = measure_unit(self.classifier(0), batch, site)
        return self.units

    def units_of(self, spec: TrialSpec) -> dict[str, float]:
        """Mean hidden norms where a trial perturbs: at the embeddings and at its method's site."""
        return self.norms([EMBEDDINGS, str(spec.hyperparameters.get("site", EMBEDDINGS))])

    def fit(self, spec: TrialSpec, classifier: Classifier) -> Fit:
        """The fine-tuning run of a trial, at its beginning."""
        units = self.units_of(spec)
        return Fit(spec, classifier, self.lesson, self.validation, units, self.trained_rows, self.intermediate)


def hub_root(configured: str | None = None) -> Path | None:
    """Where hub repositories are mirrored locally: `SUITE_HUB`, else the study's own setting, else nowhere."""
    named = os.environ.get("SUITE_HUB") or configured
    return Path(named).expanduser().resolve() if named else None


def check_device() -> None:
    """Refuse a `SUITE_DEVICE` that computes nothing here.

    Raises:
        ValueError: torch knows no such device, or this machine or torch's build has none.
    """
    try:
        torch.ones(1, device=device()).item()
    except (RuntimeError, AssertionError) as error:
        named, reason = os.environ.get("SUITE_DEVICE"), str(error).strip().splitlines()[0]
        raise ValueError(
            f"SUITE_DEVICE is cpu, or cuda where there is a GPU, got {named!r} ({reason}); correct it or leave it out"
        ) from None


def device() -> torch.device:
    """`SUITE_DEVICE`, else a GPU where there is one, else the CPU."""
    # cuBLAS is deterministic only with a fixed workspace, and reads this when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device(os.environ.get("SUITE_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu"))
