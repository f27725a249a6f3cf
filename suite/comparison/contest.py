"""One robust method against the baseline at one scale: every test that fits seeds x languages x items.

Every effect is a weighted sum of mean differences over blocks (one language and subset each); blocks of the same items,
such as translations, or an item and its perturbed form, are joined item by item before anything is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from suite.comparison.arms import Arm, check_pair
from suite.comparison.beyond import beyond_languages
from suite.comparison.corpus import corpus_estimate
from suite.comparison.design import Design
from suite.comparison.strata import Weighted, join_items, not_among, only
from suite.evaluation_spec import ATTACK, CLEAN, SMOOTHED, WORD_ATTACK
from suite.results import Comparison, Kind
from suite.stats import (
    Estimate,
    Spread,
    crossed,
    crossed_unpaired,
    equivalence,
    paired_t,
    seed_correlation,
    spread_of,
    spread_of_arms,
    spread_of_means,
    welch_t,
)
from suite.stats.components import sample_variance
from suite.tasks import SUBSETS

ZERO_SHOT = "zero-shot mean"
MEAN = "mean over languages"
REST = "rest"
"""The clean items that a slice leaves out."""
FEWEST, MOST = 3, 20
"""Seeds per arm that a primary row says the smallest effect of: two leave one degree of freedom and say little, more
than twenty few studies can pay for."""
CLAIM = "{} beats {} on new seeds and new items like these; languages and hyperparameters fixed"
CLAIM_LANGUAGES = "{} beats {} on new seeds, items and languages; hyperparameters fixed"
CLAIM_SEEDS = "{} differs from {} on new seeds; items, languages and hyperparameters fixed"

SLICES = frozenset(name for name, entry in SUBSETS.items() if entry.provenance == "slice" and entry.same_items)
"""Subsets of the catalogue that are some clean items as they are."""

Term = tuple[str, str, float]
"""Subset, language and the weight of its mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """A treatment and a baseline on the same examples.

    Raises:
        ValueError: arms that cannot be paired (other seeds, other examples, other data), or fewer than two seeds.
    """

    design: Design
    treatment: Arm
    baseline: Arm

    def __post_init__(self) -> None:
        """Check that the arms fit."""
        fewest = min((self.treatment, self.baseline), key=lambda arm: len(arm.seeds))
        if len(fewest.seeds) < 2:
            raise ValueError(
                f"a claim about methods needs at least 2 seeds of each, {fewest.method} has {len(fewest.seeds)}; train "
                "more, or claim only that these checkpoints differ (`--claim checkpoints`)"
            )
        if self.paired and self.treatment.seeds != self.baseline.seeds:
            odd = sorted(set(self.treatment.seeds) ^ set(self.baseline.seeds))
            raise ValueError(
                f"{self.treatment.scale or 'runs'}: {self.treatment.method} and {self.baseline.method} are paired seed "
                f"by seed, but seed {odd[0]} has only one of them; train it in both (`suite refit`), or declare "
                'comparison.pairing = "unpaired" (of files: `--unpaired`)'
            )
        # A smoothed vote has no counterpart in a model without noise.
        check_pair(self.treatment, self.baseline, ignore=(SMOOTHED,))
        for language in self.languages:
            if (items := len(self.treatment.blocks[CLEAN, language].ids)) < 2:
                raise ValueError(f"a claim about new items needs at least 2 in every language, {language} has {items}")

    @property
    def paired(self) -> bool:
        """Whether row s of both arms is one seed."""
        return self.design.rules.pairing == "paired"

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """Treatment and baseline."""
        return self.treatment, self.baseline

    @property
    def targets(self) -> tuple[str, ...]:
        """Languages of the macro-average that were measured."""
        return tuple(t for t in self.design.targets if (CLEAN, t) in self.treatment.blocks)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that were measured, the source first."""
        return tuple(t for t in (self.design.source, *self.targets) if t and (CLEAN, t) in self.treatment.blocks)

    @property
    def aggregate(self) -> str:
        """What the macro-average is called."""
        return ZERO_SHOT if self.design.source else MEAN

    @property
    def primary_terms(self) -> list[Term]:
        """The macro-average over the target languages on clean items."""
        return [(CLEAN, t, 1 / len(self.targets)) for t in self.targets]

    def rows(self) -> list[Comparison]:
        """Primary, per language, per subset, interactions, alignment; not yet adjusted."""
        rows = [self._primary()]
        rows += [self.contrast("language", CLEAN, language, [(CLEAN, language, 1.0)]) for language in self.languages]
        for subset in [s for s in self.treatment.subsets if s not in (CLEAN, SMOOTHED)]:
            here = [t for t in self.design.targets if (subset, t) in self.treatment.blocks]
            if here:
                mean = [(subset, t, 1 / len(here)) for t in here]
                rows.append(self.contrast("subset", subset, self.aggregate, mean))
                # F1 of the items that a subset changed is no share of the F1 of all: only means subtract.
                rows += [] if self.design.counted else [self._interaction(subset, mean)]
        return rows + self._alignment()

    def _primary(self) -> Comparison:
        if self.design.claim == "languages":
            return self._new_languages()
        row = self.contrast("primary", CLEAN, self.aggregate, self.primary_terms)
        if not row.is_tested:
            return row
        spread, alpha = self.spread(), 1 - row.confidence
        drawn = range(FEWEST, max(MOST, row.n_seeds) + 1)
        return replace(row, detectable=tuple((n, spread.mde(n, alpha=alpha)) for n in drawn))

    def spread(self) -> Spread:
        """What the variance of the primary estimate is made of: what other numbers of seeds would find."""
        if self.design.counted:
            estimate, means = corpus_estimate(self.arms, self.primary_terms, self.design)
            sizes = [len(self.treatment.blocks[subset, language].ids) for subset, language, _ in self.primary_terms]
            differences_S = means[0] - means[1]
            return spread_of_means(
                estimate.standard_error**2, sample_variance(differences_S), len(differences_S), sizes
            )
        if self.paired:
            strata = self.strata(self.primary_terms)
            return spread_of(strata, np.ones(len(strata)))
        treatment, baseline = (join_items(self.parts(arm, self.primary_terms)) for arm in self.arms)
        return spread_of_arms(treatment, baseline, np.ones(len(baseline)))

    def _new_languages(self) -> Comparison:
        """The claim beyond the languages tested."""
        if self.design.counted:
            raise ValueError(
                f"the claim about new languages is tested on means of item scores only, {self.design.metric} is none"
            )
        estimate = beyond_languages(self).estimate
        means = [arm_mean(self.parts(arm, self.primary_terms)) for arm in self.arms]
        return self._row(
            "primary", self.design.metric, CLEAN, self.aggregate, "seed x item x language", CLAIM_LANGUAGES, estimate,
            means,
        )  # fmt: skip

    def contrast(self, kind: Kind, subset: str, aggregate: str, terms: list[Term]) -> Comparison:
        """Test one weighted sum of means."""
        if self.design.counted:
            estimate, means = corpus_estimate(self.arms, terms, self.design)
            return self._row(kind, self.design.metric, subset, aggregate, "seed x item", CLAIM, estimate, means)
        return self._test(kind, subset, aggregate, [self.parts(arm, terms) for arm in self.arms])

    def parts(self, arm: Arm, terms: Sequence[Term]) -> list[Weighted]:
        """The blocks of one arm with their weights."""
        blocks = [(arm.blocks[subset, language], language, weight) for subset, language, weight in terms]
        return [
            Weighted("" if self.design.shared_items else language, block.base_ids, block.values_SN, weight)
            for block, language, weight in blocks
        ]

    def strata(self, terms: Sequence[Term]) -> list[NDArray[np.float64]]:
        """Paired differences as independent strata [S, n] whose means sum to the effect."""
        pairs = zip(*(self.parts(arm, terms) for arm in self.arms), strict=True)
        return join_items([replace(t, values_SN=t.values_SN - b.values_SN) for t, b in pairs])

    def _interaction(self, subset: str, terms: list[Term]) -> Comparison:
        """Difference in differences: the effect on a subset minus the effect on the clean items it was made from.

        A slice is made of clean items as they are: its effect is set against that on the items it leaves out.
        """
        part = not_among if self._is_slice(subset, terms) else only
        parts = []
        for arm in self.arms:
            perturbed, whole = self.parts(arm, terms), self.parts(arm, _clean(terms))
            parts.append(perturbed + [part(block, own.items) for block, own in zip(whole, perturbed, strict=True)])
        name = f"{subset} - {REST if part is not_among else CLEAN}"
        return self._test("interaction", name, self.aggregate, parts)

    def _is_slice(self, subset: str, terms: Sequence[Term]) -> bool:
        """Whether the subset is clean items as they are and leaves some out.

        A subset of the suite is one by its definition, one of files where its items keep their clean ids. Scores do not
        decide it: a perturbation that changed none is still no slice.
        """
        pairs = [(self.treatment.blocks[subset, t], self.treatment.blocks[CLEAN, t]) for _, t, _ in terms]
        partial = all({*own.base_ids} < {*clean.base_ids} for own, clean in pairs)
        known = subset in SUBSETS or subset in (ATTACK, WORD_ATTACK)
        return partial and (subset in SLICES if known else all(own.ids == own.base_ids for own, _ in pairs))

    def _test(self, kind: Kind, subset: str, aggregate: str, parts: Sequence[Sequence[Weighted]]) -> Comparison:
        means = [arm_mean(arm) for arm in parts]
        estimate = self._crossed(parts, means)
        return self._row(kind, self.design.metric, subset, aggregate, "seed x item", CLAIM, estimate, means)

    def _crossed(self, parts: Sequence[Sequence[Weighted]], means: Sequence[NDArray[np.float64]]) -> Estimate:
        confidence = self.design.rules.confidence
        if not self.paired:
            treatment, baseline = (join_items(arm) for arm in parts)
            return crossed_unpaired(treatment, baseline, np.ones(len(baseline)), confidence=confidence)
        differences = [replace(t, values_SN=t.values_SN - b.values_SN) for t, b in zip(*parts, strict=True)]
        strata = join_items(differences)
        return crossed(strata, np.ones(len(strata)), confidence=confidence, correlation=seed_correlation(*means))

    def _alignment(self) -> list[Comparison]:
        shared = [q for q in self.treatment.alignment if q in self.baseline.alignment]
        last = max((layer for _, layer in shared), default=0)
        return [self._aligned(metric, last) for metric in undirected(self.design.alignment_metrics) if shared]

    def _aligned(self, metric: str, layer: int) -> Comparison:
        means = [arm.alignment[metric, layer] for arm in self.arms]
        confidence = self.design.rules.confidence
        estimate = (
            paired_t(means[0] - means[1], confidence=confidence, correlation=seed_correlation(*means))
            if self.paired
            else welch_t(*means, confidence=confidence)
        )
        quantity = f"{metric}.layer-{layer}"
        return self._row("alignment", quantity, CLEAN, self.aggregate, "seed", CLAIM_SEEDS, estimate, means)

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
        margin = self.design.rules.margin if kind in ("primary", "language", "subset") else None
        same = None if margin is None else equivalence(estimate, margin)
        row = Comparison(
            study=self.design.study,
            scale=self.treatment.scale,
            baseline=self.baseline.method,
            treatment=self.treatment.method,
            task=self.design.task,
            quantity=quantity,
            subset=subset,
            aggregate=aggregate,
            kind=kind,
            unit=unit,
            claim=claim.format(self.treatment.method, self.baseline.method),
            n_seeds=estimate.n_seeds,
            n_items=0 if unit == "seed" else estimate.n_items,
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
            margin=margin,
            p_equivalence=same.p if same else None,
            rope=(same.below, same.within, same.above) if same else None,
        )
        return row if estimate.standard_error else row.untested()


def _clean(terms: Sequence[Term]) -> list[Term]:
    return [(CLEAN, language, -weight) for _, language, weight in terms]


def arm_mean(parts: Sequence[Weighted]) -> NDArray[np.float64]:
    """Weighted sum of the blocks' means per seed, [S]."""
    return np.asarray(np.sum([part.weight * part.values_SN.mean(1) for part in parts], axis=0))


def undirected(metrics: Sequence[str]) -> list[str]:
    """Metrics without the two directions of one that is there itself: their mean is what is tested."""
    sides = ("_forward", "_backward")
    return [m for m in metrics if not (m.endswith(sides) and m.rpartition("_")[0] in metrics)]
