"""Robust runs against the baseline: the tests that fit seeds x languages x items, with everything a reader needs.

Only refits are compared (the best of a search is a biased estimate), seed by seed and item by item. Every effect is a
weighted sum of mean differences over blocks (one language and subset each); blocks of the same items, such as
translations, or an item and its perturbed form, are joined item by item before anything is tested.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.records import CLEAN, SMOOTHED, Comparison, Kind, RunRecord
from suite.spec import StudySpec
from suite.stats import Estimate, adjust, crossed, paired_t, seed_correlation

ZERO_SHOT = "zero-shot mean"
CLAIM = "{} beats {} on new seeds and new items like these; languages and hyperparameters fixed"
CLAIM_SEEDS = "{} differs from {} on new seeds; items, languages and hyperparameters fixed"

Key = tuple[str, str]
"""Subset and language."""
Term = tuple[str, str, float]
"""Subset, language and the weight of its mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Correctness of one arm's runs on one subset in one language."""

    ids: tuple[str, ...]
    base_ids: tuple[str, ...]
    correct_SN: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """The refits of one (scale, method), by rising seed."""

    records: tuple[RunRecord, ...]
    blocks: Mapping[Key, Block]

    def without(self, seeds: Collection[int]) -> Arm:
        """The arm without the runs of some seeds."""
        keep = [i for i, r in enumerate(self.records) if r.spec.seed not in seeds]
        blocks = {key: replace(block, correct_SN=block.correct_SN[keep]) for key, block in self.blocks.items()}
        return Arm(tuple(self.records[i] for i in keep), blocks)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the runs."""
        return tuple(r.spec.seed for r in self.records)


def read_arm(records: Sequence[RunRecord], folder_of: Mapping[str, Path]) -> Arm:
    """Read the predictions of one (scale, method).

    Raises:
        ValueError: two runs were not measured on the same examples; names the first that differs.
    """
    ordered = tuple(sorted(records, key=lambda r: r.spec.seed))
    tables = [_read_predictions(folder_of[r.run_id] / str(r.predictions)) for r in ordered]
    blocks = {}
    for key, first in tables[0].items():
        for record, table in zip(ordered, tables, strict=True):
            _same_items(first[0], table[key][0] if key in table else (), key, ordered[0].run_id, record.run_id)
        blocks[key] = Block(first[0], first[1], np.stack([table[key][2] for table in tables]))
    return Arm(ordered, blocks)


def _read_predictions(path: Path) -> dict[Key, tuple[tuple[str, ...], tuple[str, ...], NDArray[np.float64]]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    names = ("example_id", "base_id", "subset", "language")
    ids, bases, subsets, languages = (np.asarray(table[name].to_pylist(), dtype=object) for name in names)
    correct = (table["label"].to_numpy() == table["predicted"].to_numpy()).astype(np.float64)
    blocks = {}
    for key in dict.fromkeys(zip(subsets, languages, strict=True)):
        here = (subsets == key[0]) & (languages == key[1])
        order = np.argsort(ids[here], kind="stable")
        blocks[key] = (tuple(ids[here][order]), tuple(bases[here][order]), correct[here][order])
    return blocks


def _same_items(expected: Sequence[str], found: Sequence[str], key: Key, first: str, second: str) -> None:
    if tuple(expected) == tuple(found):
        return
    differing = sorted(set(expected) ^ set(found)) or ["the order"]
    raise ValueError(
        f"runs are paired by example id, but {first} and {second} differ on {key[0]}/{key[1]} at {differing[0]!r}; "
        "run both on the same data"
    )


def compare(
    study: StudySpec, records: Iterable[RunRecord], folder_of: Mapping[str, Path], *, parallel: bool
) -> tuple[Comparison, ...]:
    """Every comparison of a study's refits.

    Args:
        study: The study.
        records: Its refits. Where one failed, its seed is left out of the comparisons of that arm on both sides; the
            number of seeds says so.
        folder_of: Run id to run folder, for the predictions.
        parallel: Whether items that share an id across languages are translations of one another.

    Raises:
        ValueError: arms that cannot be paired: other seeds, other examples or other data.
    """
    every = [r for r in records if r.spec.phase == "refit"]
    refits = [r for r in every if r.state == "complete"]
    failed = {(r.spec.scale.name, r.spec.method, r.spec.seed) for r in every if r.state == "failed"}
    rows: list[Comparison] = []
    for scale in study.scale:
        arms = {}
        for method in study.method:
            mine = [r for r in refits if r.spec.scale.name == scale.name and r.spec.method == method.name]
            if len(mine) >= 2:
                arms[method.name] = read_arm(mine, folder_of)
        baseline_name = study.comparison.baseline
        baseline = arms.get(baseline_name)
        for name in study.robust_methods:
            if baseline is not None and name in arms:
                lost = {s for where, method, s in failed if where == scale.name and method in (name, baseline_name)}
                pair = arms[name].without(lost), baseline.without(lost)
                if min(len(arm.records) for arm in pair) >= 2:
                    rows += Contest(study, scale.name, name, *pair, parallel).rows()
    return _adjust(rows, study)


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """One robust method against the baseline at one scale."""

    study: StudySpec
    scale: str
    name: str
    treatment: Arm
    baseline: Arm
    parallel: bool

    def rows(self) -> list[Comparison]:
        """Primary, per language, per subset, interactions, alignment; not yet adjusted."""
        self._check()
        targets = [t for t in self.study.task.targets if (CLEAN, t) in self.treatment.blocks]
        shared = set(self.baseline.records[0].subsets)  # a smoothed vote has no counterpart in a model without noise
        subsets = [s for s in self.treatment.records[0].subsets if s != CLEAN and s in shared]
        rows = [self._contrast("primary", CLEAN, ZERO_SHOT, [(CLEAN, t, 1 / len(targets)) for t in targets])]
        rows += [
            self._contrast("language", CLEAN, language, [(CLEAN, language, 1.0)])
            for language in (self.study.task.source, *targets)
        ]
        for subset in subsets:
            here = [t for t in targets if (subset, t) in self.treatment.blocks]
            if here:
                mean = [(subset, t, 1 / len(here)) for t in here]
                rows.append(self._contrast("subset", subset, ZERO_SHOT, mean))
                rows.append(self._interaction(subset, mean))
        return rows + self._alignment()

    def _check(self) -> None:
        if self.treatment.seeds != self.baseline.seeds:
            odd = sorted(set(self.treatment.seeds) ^ set(self.baseline.seeds))
            raise ValueError(
                f"{self.scale}: {self.name} and {self.study.comparison.baseline} are paired seed by seed, but seed "
                f"{odd[0]} has only one of them; finish `suite refit`"
            )
        for key, block in self.treatment.blocks.items():
            if key[0] == SMOOTHED:
                continue
            other = self.baseline.blocks.get(key)
            ids = other.ids if other else ()
            _same_items(block.ids, ids, key, self.treatment.records[0].run_id, self.baseline.records[0].run_id)
        fingerprints = [
            {(d.split, d.language, d.subset): d.fingerprint for d in arm.records[0].provenance.datasets}
            for arm in (self.treatment, self.baseline)
            if arm.records[0].provenance
        ]
        for part in fingerprints[0] if len(fingerprints) == 2 else ():
            if fingerprints[0][part] != fingerprints[1].get(part):
                against = self.study.comparison.baseline
                raise ValueError(f"{self.name} and {against} saw different data in {'/'.join(part)}")

    def _contrast(self, kind: Kind, subset: str, aggregate: str, terms: list[Term]) -> Comparison:
        return self._test(kind, subset, aggregate, [self._part(arm, terms) for arm in (self.treatment, self.baseline)])

    def _interaction(self, subset: str, terms: list[Term]) -> Comparison:
        """Difference in differences: the effect on a subset minus the effect on the clean items it was made from."""
        parts = []
        for arm in (self.treatment, self.baseline):
            perturbed = self._part(arm, terms)
            whole = self._part(arm, _clean(terms))
            clean = [_only(block, own.items) for block, own in zip(whole, perturbed, strict=True)]
            parts.append(perturbed + clean)
        return self._test("interaction", f"{subset} - {CLEAN}", ZERO_SHOT, parts)

    def _part(self, arm: Arm, terms: list[Term]) -> list[Weighted]:
        blocks = [(arm.blocks[subset, language], language, weight) for subset, language, weight in terms]
        return [
            Weighted("" if self.parallel else language, block.base_ids, block.correct_SN, weight)
            for block, language, weight in blocks
        ]

    def _test(self, kind: Kind, subset: str, aggregate: str, parts: Sequence[Sequence[Weighted]]) -> Comparison:
        means = [np.sum([part.weight * part.values_SN.mean(1) for part in arm], axis=0) for arm in parts]
        differences = [replace(t, values_SN=t.values_SN - b.values_SN) for t, b in zip(*parts, strict=True)]
        strata = join_items(differences)
        estimate = crossed(
            strata,
            np.ones(len(strata)),
            confidence=self.study.comparison.confidence,
            correlation=seed_correlation(*means),
        )
        claim = CLAIM.format(self.name, self.study.comparison.baseline)
        return self._row(kind, "accuracy", subset, aggregate, "seed x item", claim, estimate, means)

    def _alignment(self) -> list[Comparison]:
        layers = {a.layer for a in self.treatment.records[0].alignment}
        if not layers:
            return []
        rows = []
        for metric in undirected(self.study.alignment.metrics):
            means = [
                np.array([mean_alignment(r, metric, max(layers)) for r in arm.records])
                for arm in (self.treatment, self.baseline)
            ]
            estimate = paired_t(
                means[0] - means[1],
                confidence=self.study.comparison.confidence,
                correlation=seed_correlation(*means),
            )
            claim = CLAIM_SEEDS.format(self.name, self.study.comparison.baseline)
            quantity = f"{metric}.layer-{max(layers)}"
            rows.append(self._row("alignment", quantity, CLEAN, ZERO_SHOT, "seed", claim, estimate, means))
        return rows

    def _row(
        self,
        kind: Kind,
        quantity: str,
        subset: str,
        aggregate: str,
        unit: str,
        claim: str,
        estimate: Estimate,
        means: Sequence[NDArray[np.float64]],
    ) -> Comparison:
        return Comparison(
            study=self.study.name,
            scale=self.scale,
            baseline=self.study.comparison.baseline,
            treatment=self.name,
            task=self.study.task.name,
            quantity=quantity,
            subset=subset,
            aggregate=aggregate,
            kind=kind,
            unit=unit,
            claim=claim,
            n_seeds=estimate.n_seeds,
            n_items=estimate.n_items if unit == "seed x item" else 0,
            test=estimate.test,
            statistic=estimate.statistic,
            degrees_of_freedom=estimate.degrees_of_freedom,
            p=estimate.p,
            p_adjusted=estimate.p,
            correction="none",
            family="",
            family_size=1,
            baseline_mean=float(means[1].mean()),
            treatment_mean=float(means[0].mean()),
            effect=estimate.estimate,
            low=estimate.low,
            high=estimate.high,
            confidence=estimate.confidence,
            mde=estimate.mde,
            seed_correlation=estimate.seed_correlation,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Per-seed, per-item values of one block, the weight of its mean, and which items they are of."""

    where: str
    """Language, empty where the same id in two languages is the same item."""
    items: tuple[str, ...]
    values_SN: NDArray[np.float64]
    weight: float


def join_items(blocks: Sequence[Weighted]) -> list[NDArray[np.float64]]:
    """Weighted sums of the blocks that share items, one matrix [S, n] per group of them.

    The sum of the matrices' means is the weighted sum of the blocks' means: a block that has only some of its group's n
    items counts n / n_block times for those and 0 for the others.
    """
    groups: list[tuple[str, dict[str, int], list[Weighted]]] = []
    for block in blocks:
        for where, index, members in groups:
            if where == block.where and not index.keys().isdisjoint(block.items):
                members.append(block)
                for item in block.items:
                    index.setdefault(item, len(index))
                break
        else:
            groups.append((block.where, {item: i for i, item in enumerate(dict.fromkeys(block.items))}, [block]))
    return [_summed(index, members) for _, index, members in groups]


def _summed(index: Mapping[str, int], members: Sequence[Weighted]) -> NDArray[np.float64]:
    total_SN = np.zeros((members[0].values_SN.shape[0], len(index)))
    for block in members:
        columns = [index[item] for item in block.items]
        share = block.weight * len(index) / len(columns)
        np.add.at(total_SN.T, columns, share * block.values_SN.T)
    return total_SN


def _clean(terms: Sequence[Term]) -> list[Term]:
    return [(CLEAN, language, -weight) for _, language, weight in terms]


def _only(block: Weighted, items: Sequence[str]) -> Weighted:
    """The block on these items alone, or whole when it has none of them (a subset with items of its own)."""
    wanted = set(items)
    keep = [i for i, item in enumerate(block.items) if item in wanted]
    if not keep:
        return block
    return replace(block, items=tuple(block.items[i] for i in keep), values_SN=block.values_SN[:, keep])


def mean_alignment(record: RunRecord, metric: str, layer: int) -> float:
    """Mean over target languages of one alignment statistic at one layer."""
    return float(np.mean([a.value for a in record.alignment if a.metric == metric and a.layer == layer]))


def undirected(metrics: Sequence[str]) -> list[str]:
    """Metrics without the two directions of one that is there itself: their mean is what is tested."""
    sides = ("_forward", "_backward")
    return [m for m in metrics if not (m.endswith(sides) and m.rpartition("_")[0] in metrics)]


def _adjust(rows: Sequence[Comparison], study: StudySpec) -> tuple[Comparison, ...]:
    """Adjust p within each kind of row: the primary by the study's correction, the others by Benjamini-Hochberg."""
    adjusted: dict[int, Comparison] = {}
    for kind in dict.fromkeys(r.kind for r in rows):
        members = [i for i, r in enumerate(rows) if r.kind == kind]
        correction = study.comparison.correction if kind == "primary" else "benjamini-hochberg"
        for i, p in zip(members, adjust([rows[i].p for i in members], correction), strict=True):
            adjusted[i] = replace(
                rows[i], p_adjusted=float(p), correction=correction, family=FAMILIES[kind], family_size=len(members)
            )
    return tuple(adjusted[i] for i in range(len(rows)))


FAMILIES = {
    "primary": "zero-shot mean, every scale and robust method",
    "language": "every language, scale and robust method",
    "subset": "zero-shot mean on every adversarial subset, scale and robust method",
    "interaction": "subset minus clean, every subset, scale and robust method",
    "alignment": "every alignment metric at the last layer, scale and robust method",
}
