"""Association of two changes over languages and over seeds, with the permutations their sharing allows."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as peer

from suite.stats import Association, between_languages, pearson, spearman, within_languages
from suite.stats.association import ranks

LSAT = [576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594]  # Efron's law schools
GPA = [3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96]

Cells = NDArray[np.float64]


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def unrelated(
    generator: np.random.Generator, scales: int = 3, seeds: int = 5, languages: int = 12
) -> tuple[Cells, Cells]:
    """Draw alignment and transfer without relation: language traits shared by scales, run effects by languages."""
    alignment, transfer = (
        generator.normal(0, 1, (scales, 1, 1))
        + generator.normal(0, 1, (1, 1, languages))
        + generator.normal(0, 0.5, (scales, seeds, 1))
        + generator.normal(0, 0.3, (scales, seeds, languages))
        for _ in range(2)
    )
    return alignment, transfer


def test_law_school_correlations() -> None:
    assert pearson(LSAT, GPA) == pytest.approx(0.7763745, abs=1e-7)
    assert spearman(LSAT, GPA) == pytest.approx(0.7964286, abs=1e-7)


def test_ranks_share_ties() -> None:
    values = stream().integers(0, 5, 30)
    assert ranks(values) == pytest.approx(peer.rankdata(values))
    assert ranks(values.reshape(5, 6)).shape == (5, 6)


def test_spearman_sees_order_only() -> None:
    assert spearman([1, 2, 3, 4], [1, 10, 100, 1e6]) == pytest.approx(1.0)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)


def test_between_slope_is_least_squares_through_language_means() -> None:
    alignment, transfer = unrelated(stream(1), scales=1)
    x, y = alignment[0].mean(axis=0), transfer[0].mean(axis=0)
    result = between_languages(alignment[0], transfer[0], generator=stream())
    assert result.slope == pytest.approx(np.polyfit(x, y, 1)[0])
    assert result.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    rank = between_languages(alignment[0], transfer[0], generator=stream(), method="spearman")
    assert rank.correlation == pytest.approx(peer.spearmanr(x, y).statistic)
    assert rank.slope == pytest.approx(result.slope)


def test_few_languages_are_enumerated() -> None:
    alignment, transfer = unrelated(stream(2), scales=1, languages=4)
    x, y = alignment[0].mean(axis=0), transfer[0].mean(axis=0)
    expected = np.mean(
        [abs(np.corrcoef(x, y[list(order)])[0, 1]) >= abs(np.corrcoef(x, y)[0, 1]) - 1e-12
         for order in itertools.permutations(range(4))]
    )  # fmt: skip
    result = between_languages(alignment, transfer, generator=stream())
    assert (result.exact, result.permutations, result.unit) == (True, 24, "language")
    assert result.p == pytest.approx(expected)


def test_within_slope_is_least_squares_through_centred_seeds() -> None:
    alignment, transfer = unrelated(stream(3))
    x, y = (cells - cells.mean(axis=1, keepdims=True) for cells in (alignment, transfer))
    result = within_languages(alignment, transfer, generator=stream())
    assert result.slope == pytest.approx((x * y).sum() / (x * x).sum())
    assert result.correlation == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1])
    assert (result.n_scales, result.n_seeds, result.n_languages, result.unit) == (3, 5, 12, "seed")
    assert (result.exact, result.permutations) == (False, 10_000)


def test_few_seeds_are_enumerated_within_each_scale() -> None:
    alignment, transfer = unrelated(stream(4), scales=2, seeds=3)
    observed = within_languages(alignment, transfer, generator=stream())
    slopes = []
    for orders in itertools.product(itertools.permutations(range(3)), repeat=2):
        shuffled = np.stack([transfer[k, list(order)] for k, order in enumerate(orders)])
        slopes.append(within_languages(alignment, shuffled, generator=stream()).slope)
    assert (observed.exact, observed.permutations) == (True, 36)
    assert observed.p == pytest.approx(np.mean(np.abs(slopes) >= abs(observed.slope) - 1e-12))


def test_drawn_permutations_approach_the_enumeration() -> None:
    alignment, transfer = unrelated(stream(5), scales=1, languages=6)
    every = between_languages(alignment, transfer, generator=stream())
    drawn = between_languages(alignment, transfer, generator=stream(6), permutations=719)
    assert every.exact and not drawn.exact
    assert drawn.p == pytest.approx(every.p, abs=4 * np.sqrt(0.25 / 719))


@pytest.mark.parametrize("associate", [between_languages, within_languages])
def test_same_generator_same_p(associate: Callable[..., Association]) -> None:
    cells = unrelated(stream(7))
    assert associate(*cells, generator=stream(8)) == associate(*cells, generator=stream(8))


@pytest.mark.parametrize("associate", [between_languages, within_languages])
def test_roles_swap_and_signs_flip_without_changing_p(associate: Callable[..., Association]) -> None:
    alignment, transfer = unrelated(stream(9), scales=1, languages=5)
    forth = associate(alignment, transfer, generator=stream())
    back = associate(transfer, alignment, generator=stream())
    down = associate(alignment, -transfer, generator=stream())
    assert (back.correlation, back.p) == pytest.approx((forth.correlation, forth.p))
    assert (down.slope, down.p) == pytest.approx((-forth.slope, forth.p))


def test_a_scale_that_moves_both_is_no_association_between_languages() -> None:
    alignment, transfer = unrelated(stream(10))
    shift = np.array([0.0, 5.0, 50.0])[:, None, None]
    plain = between_languages(alignment, transfer, generator=stream())
    shifted = between_languages(alignment + shift, transfer + 3 * shift, generator=stream())
    assert (shifted.slope, shifted.p) == pytest.approx((plain.slope, plain.p))


def test_a_language_that_differs_in_both_is_no_association_within() -> None:
    alignment, transfer = unrelated(stream(11))
    shift = stream(12).normal(0, 20, (3, 1, 12))
    plain = within_languages(alignment, transfer, generator=stream())
    shifted = within_languages(alignment + shift, transfer - 2 * shift, generator=stream())
    assert (shifted.slope, shifted.p) == pytest.approx((plain.slope, plain.p))


def test_a_slope_over_seeds_is_found_within_and_not_between() -> None:
    alignment, transfer = unrelated(stream(13), seeds=8)
    centred = alignment - alignment.mean(axis=1, keepdims=True)
    related = transfer + 2.0 * centred
    assert within_languages(alignment, related, generator=stream(), permutations=999).p == pytest.approx(0.001)
    unmoved = between_languages(alignment, transfer, generator=stream())
    assert between_languages(alignment, related, generator=stream()).p == pytest.approx(unmoved.p)


def test_size_is_near_nominal_where_pooling_the_cells_is_not() -> None:
    generator = stream(14)
    draws = [unrelated(generator) for _ in range(250)]
    pooled, between, within = (
        np.mean([rejects(alignment, transfer) < 0.05 for alignment, transfer in draws])
        for rejects in (
            lambda x, y: peer.spearmanr(x.ravel(), y.ravel()).pvalue,
            lambda x, y: between_languages(x, y, generator=generator, permutations=199).p,
            lambda x, y: within_languages(x, y, generator=generator, permutations=199).p,
        )
    )
    bound = 3.5 * np.sqrt(0.05 * 0.95 / 250)
    assert pooled > 0.5
    assert abs(between - 0.05) < bound and abs(within - 0.05) < bound


def test_unfit_cells_are_refused() -> None:
    good = stream().normal(0, 1, (4, 5))
    with pytest.raises(ValueError, match="spread in both"):
        within_languages(good, np.full((4, 5), 0.7), generator=stream())
    with pytest.raises(ValueError, match=r"got \(4, 5\) and \(4, 6\)"):
        between_languages(good, np.ones((4, 6)), generator=stream())
    with pytest.raises(ValueError, match="at least 3 languages; got 2"):
        between_languages(good[:, :2], good[:, :2], generator=stream())
    with pytest.raises(ValueError, match="at least 3 seeds; got 2"):
        within_languages(good[:2], good[:2], generator=stream())
    with pytest.raises(ValueError, match="transfer must be finite; got 1 NaN"):
        between_languages(good, np.where(good == good[1, 1], np.nan, good), generator=stream())
    with pytest.raises(ValueError, match="did you mean 'spearman'"):
        between_languages(good, good, generator=stream(), method="spearmann")
