"""The pigeonhole bootstrap of many languages at once: one set of weights, and with it their joint distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from suite.stats.bootstrap import draw_seeds, group_by_items, joint_totals
from suite.stats.checks import Items, Matrix, as_parallel, as_strata

Strata = Sequence[ArrayLike] | NDArray[np.float64]
"""An array [L, S, n], or one matrix [S, n_l] per language."""


def joint_replicates(
    differences: Strata,
    *,
    items: Items = "shared",
    generator: np.random.Generator,
    resamples: int = 10_000,
) -> Matrix:
    """Return resampled means [B, L] of each language's differences, with one draw of seeds for all languages.

    Shared items are the same in every language and are drawn together, so that row b holds what one new set of seeds
    and items would show everywhere; separate items are drawn language by language, and only the seeds are shared.

    The same generator state gives the same values whatever the size of the blocks and the number of threads: to the
    last bit where the differences are whole numbers, to rounding (1e-15) where they are not. Each column has the
    variance `pigeonhole_variance`, not inflated.

    Raises:
        ValueError: matrices with fewer than two seeds or items or not finite, seeds that differ, shared items that
            differ in number, or fewer than two resamples.

    Source: Owen 2007; the languages' columns share one matrix product, as in Sellam et al. 2022 they share a loop.
    """
    return joint_replicates_each([differences], items=items, generator=generator, resamples=resamples)[0]


def joint_replicates_each(
    families: Sequence[Strata],
    *,
    items: Items = "shared",
    generator: np.random.Generator,
    resamples: int = 10_000,
) -> list[Matrix]:
    """Return `joint_replicates` of every family, what each gives alone with this generator: seeds and items drawn once.

    Raises:
        ValueError: families that differ in seeds, languages or items, and whatever `joint_replicates` refuses.
    """
    grouped = [group_by_items(as_strata(list(family), "differences"), items) for family in families]
    for group in (group for groups in grouped for group in groups):
        as_parallel(group, "differences")
    shapes = {tuple((len(group), *group[0].shape) for group in groups) for groups in grouped}
    if len(shapes) != 1:
        raise ValueError(f"families that share their draws have one shape; got {sorted(shapes)}; draw for each alone")
    weights_BS = draw_seeds(len(grouped[0][0][0]), generator=generator, resamples=resamples)
    parts = [_resample(kin, weights_BS, generator) for kin in zip(*grouped, strict=True)]
    return [np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True)]


def _resample(kin: Sequence[Sequence[Matrix]], weights_BS: Matrix, generator: np.random.Generator) -> list[Matrix]:
    """Return, for every family, the means [B, G] of languages that share their items."""
    resamples, n_seeds = weights_BS.shape
    columns = [np.concatenate(group).T for group in kin]
    blocks: list[list[Matrix]] = [[] for _ in kin]
    start = 0
    for totals in joint_totals(columns, generator=generator, resamples=resamples):
        weights_B1S = weights_BS[start : start + len(totals[0]), None]
        start += len(totals[0])
        for own, totals_BC in zip(blocks, totals, strict=True):
            own.append((totals_BC.reshape(len(totals_BC), -1, n_seeds) * weights_B1S).sum(axis=2))
    return [np.concatenate(own) / (n_seeds * len(columns[0])) for own in blocks]
