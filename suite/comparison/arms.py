"""The runs of one method at one scale as matrices of scores: what every test stands on.

Arms come from a study's records (`suite.comparison.runs`), from files of anybody's predictions
(`suite.comparison.files`) or from arrays (`arm_of_arrays`); after that nobody can tell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.evaluation_spec import CLEAN

Key = tuple[str, str]
"""Subset and language."""
Quantity = tuple[str, int]
"""Alignment statistic and layer."""
Fingerprints = Mapping[tuple[str, str, str], str]
"""(split, language, subset) to the digest of the data that was read."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Scores of one arm's runs on one subset in one language."""

    ids: tuple[str, ...]
    base_ids: tuple[str, ...]
    """The clean item that a perturbed one derives from; the item's own id otherwise."""
    values_SN: NDArray[np.float64]
    """Score of every example: 1 where the prediction is right, or any number whose mean is the metric."""
    labels_N: NDArray[np.int64] | None = None
    predicted_SN: NDArray[np.int64] | None = None
    """Labels and predictions, where the scores come from such: for metrics that are no mean of scores."""
    counts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Metric of summed counts to the counts of every seed and example, [S, n, K]."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Arm:
    """The runs of one (scale, method), by rising seed."""

    scale: str
    method: str
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    """A name per seed for messages: a run's id, or a file."""
    blocks: Mapping[Key, Block]
    alignment: Mapping[Quantity, NDArray[np.float64]] = field(default_factory=dict)
    """Mean over target languages per seed, [S]."""
    fingerprints: Fingerprints = field(default_factory=dict)
    """Empty where nobody recorded them."""

    def without(self, seeds: Collection[int]) -> Arm:
        """The arm without the runs of some seeds."""
        keep = [i for i, seed in enumerate(self.seeds) if seed not in seeds]
        return replace(
            self,
            seeds=tuple(self.seeds[i] for i in keep),
            runs=tuple(self.runs[i] for i in keep),
            blocks={key: _rows(block, keep) for key, block in self.blocks.items()},
            alignment={quantity: values_S[keep] for quantity, values_S in self.alignment.items()},
        )

    @property
    def subsets(self) -> tuple[str, ...]:
        """Subsets in order, `clean` first where it is there."""
        found = dict.fromkeys(subset for subset, _ in self.blocks)
        return (*([CLEAN] if CLEAN in found else []), *(subset for subset in found if subset != CLEAN))


def _rows(block: Block, keep: Sequence[int]) -> Block:
    predicted = None if block.predicted_SN is None else block.predicted_SN[list(keep)]
    counts = {metric: counts_SNK[list(keep)] for metric, counts_SNK in block.counts.items()}
    return replace(block, values_SN=block.values_SN[list(keep)], predicted_SN=predicted, counts=counts)


def arm_of_arrays(
    scores: Mapping[str, ArrayLike],
    *,
    method: str,
    seeds: Sequence[int],
    ids: Mapping[str, Sequence[str]] | None = None,
    scale: str = "",
    subset: str = CLEAN,
) -> Arm:
    """An arm from arrays: language to scores [S, n], row s of the run with `seeds[s]`.

    `ids` names the items of each language, by default `LANGUAGE-0`, `LANGUAGE-1`, ...: items of their own.

    Raises:
        ValueError: rows that do not match the seeds, ids that do not match the columns, repeated seeds or ids.
    """
    blocks = {}
    for language, values in scores.items():
        values_SN = np.asarray(values, dtype=np.float64)
        if values_SN.ndim != 2 or len(values_SN) != len(seeds):
            raise ValueError(
                f"scores are [seeds, items], one row per seed; got shape {values_SN.shape} for {len(seeds)} seeds "
                f"in {language!r}"
            )
        names = tuple(ids[language]) if ids else tuple(f"{language}-{i}" for i in range(values_SN.shape[1]))
        if len(names) != values_SN.shape[1] or len(set(names)) != len(names):
            raise ValueError(
                f"{language!r} needs one distinct id per column; got {len(set(names))} for {values_SN.shape[1]} columns"
            )
        blocks[subset, language] = Block(names, names, values_SN)
    runs = tuple(f"{method}, seed {seed}" for seed in seeds)
    return check_arm(Arm(scale=scale, method=method, seeds=tuple(seeds), runs=runs, blocks=blocks))


def check_arm(arm: Arm) -> Arm:
    """Refuse what would make a wrong number: repeated seeds, scores that are not finite, one run under two seeds."""
    doubled = sorted({seed for seed in arm.seeds if arm.seeds.count(seed) > 1})
    if doubled:
        raise ValueError(f"{arm.method}: one run per seed, but seed {doubled[0]} has {arm.seeds.count(doubled[0])}")
    for (subset, language), block in arm.blocks.items():
        wrong = int(np.count_nonzero(~np.isfinite(block.values_SN)))
        if wrong:
            raise ValueError(f"{arm.method}: {wrong} scores of {subset}/{language} are NaN or infinite; repair them")
    _refuse_copies(arm)
    return arm


def _refuse_copies(arm: Arm) -> None:
    """Refuse two seeds that agree on every example although there are many to err on: they are one run twice."""
    seen: dict[bytes, int] = {}
    for i, seed in enumerate(arm.seeds):
        parts = [(b.values_SN if b.predicted_SN is None else b.predicted_SN)[i] for b in arm.blocks.values()]
        other = seen.setdefault(b"".join(np.ascontiguousarray(part).tobytes() for part in parts), seed)
        if other == seed or all((part == part[:1]).all() for part in parts):
            continue
        errors = sum(int(np.count_nonzero(b.values_SN[i] < b.values_SN.max(initial=0.0))) for b in arm.blocks.values())
        if errors >= TELLING_ERRORS:
            raise ValueError(
                f"{arm.method}: seeds {other} and {seed} predict the same on every example, {errors} errors included, "
                "so they are one run under two seeds; remove the copy"
            )


TELLING_ERRORS = 20
"""Two trainings that make the very same errors, this many, are a copy; two constant predictors need not be."""


def stack(tables: Sequence[Mapping[Key, Block]], runs: Sequence[str]) -> dict[Key, Block]:
    """The blocks of several runs of one seed each as blocks of one arm.

    Raises:
        ValueError: two runs were not measured on the same examples.
    """
    for table, run in zip(tables, runs, strict=True):
        for key in dict.fromkeys([*tables[0], *table]):
            same_examples(tables[0].get(key), table.get(key), key, runs[0], run)
    return {key: _stacked([table[key] for table in tables]) for key in tables[0]}


def _stacked(blocks: Sequence[Block]) -> Block:
    predicted = [b.predicted_SN for b in blocks if b.predicted_SN is not None]
    return replace(
        blocks[0],
        values_SN=np.concatenate([b.values_SN for b in blocks]),
        predicted_SN=np.concatenate(predicted) if len(predicted) == len(blocks) else None,
        counts={metric: np.concatenate([b.counts[metric] for b in blocks]) for metric in blocks[0].counts},
    )


def same_examples(ours: Block | None, theirs: Block | None, key: Key, first: str, second: str) -> None:
    """Refuse to pair runs `first` and `second`, measured on other examples or scored in another way.

    Raises:
        ValueError: names the first example that differs.
    """
    place = "/".join(key)
    if ours is None or theirs is None:
        lacking = first if ours is None else second
        raise ValueError(f"{lacking} has no predictions for {key[1]} on {key[0]}; predict it, or leave it out of all")
    if (ours.ids, ours.base_ids) != (theirs.ids, theirs.base_ids):
        raise ValueError(
            f"runs are paired by example id, but {first} and {second} differ on {place} at {_odd(ours, theirs)}; "
            "run both on the same data"
        )
    if (ours.predicted_SN is None, {*ours.counts}) != (theirs.predicted_SN is None, {*theirs.counts}):
        raise ValueError(f"{place}: one of {first} and {second} has scores, the other predictions; give both the same")
    if ours.labels_N is not None and theirs.labels_N is not None and (ours.labels_N != theirs.labels_N).any():
        odd = ours.ids[int(np.flatnonzero(ours.labels_N != theirs.labels_N)[0])]
        raise ValueError(
            f"{first} and {second} have different labels for {odd!r} in {place}; score both against one set"
        )


def _odd(ours: Block, theirs: Block) -> str:
    """The first example that two blocks do not share."""
    differing = sorted(set(ours.ids) ^ set(theirs.ids))
    if differing:
        return repr(differing[0])
    if ours.ids != theirs.ids:
        return "the order"
    at = next(i for i, (a, b) in enumerate(zip(ours.base_ids, theirs.base_ids, strict=True)) if a != b)
    return f"the item that {ours.ids[at]!r} derives from"


def same_data(prints: Sequence[Fingerprints], runs: Sequence[str]) -> Fingerprints:
    """The fingerprints of data that all runs saw; runs that recorded none are passed over.

    Raises:
        ValueError: two runs saw different data; names the first part.
    """
    recorded = [(mine, run) for mine, run in zip(prints, runs, strict=True) if mine]
    for theirs, other in recorded[1:]:
        mine, first = recorded[0]
        odd = [part for part in dict.fromkeys([*mine, *theirs]) if mine.get(part) != theirs.get(part)]
        if odd:
            raise ValueError(f"{first} and {other} saw different data in {'/'.join(odd[0])}; run both on the same data")
    return recorded[0][0] if recorded else {}


def check_pair(treatment: Arm, baseline: Arm, *, ignore: Collection[str] = ()) -> None:
    """Refuse arms that were not measured on the same examples, labels and data; subsets to `ignore` may differ.

    Raises:
        ValueError: names the first mismatch.
    """
    arms = (treatment, baseline)
    ours, theirs = (arm.runs[0] for arm in arms)
    for key in dict.fromkeys(key for arm in arms for key in arm.blocks if key[0] not in ignore):
        same_examples(treatment.blocks.get(key), baseline.blocks.get(key), key, ours, theirs)
    relevant = [{part: mark for part, mark in arm.fingerprints.items() if part[2] not in ignore} for arm in arms]
    same_data(relevant, (ours, theirs))
