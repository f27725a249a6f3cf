"""McNemar's test on the tables of its literature."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as peer

from suite.stats import mcnemar, tabulate
from suite.stats.mcnemar import exact_p, mid_p

APPROVAL = [[794, 150], [86, 570]]  # Agresti: approval of the prime minister
AIRWAYS = [[1, 1], [7, 12]]  # Bentur et al., in Fagerland et al. 2013
RESPONSE = [[59, 6], [16, 80]]  # complete response, in Fagerland et al. 2013
CULTURE = [[20, 12], [2, 16]]  # Armitage & Berry: culture media for tuberculosis


@pytest.mark.parametrize(
    ("table", "exact", "mid"),
    [
        (APPROVAL, 3.71594e-5, 2.89339e-5),
        (AIRWAYS, 0.0703125, 0.0390625),
        (RESPONSE, 0.0524788, 0.0346897),
        ([[9959, 11], [1, 29]], 0.00634765625, 0.00341796875),
    ],
)
def test_published_tables(table: list[list[int]], exact: float, mid: float) -> None:
    result = mcnemar(table)
    assert result.exact_p == pytest.approx(exact, rel=1e-5, abs=1e-9)
    assert result.mid_p == pytest.approx(mid, rel=1e-5, abs=1e-9)


def test_culture_media_odds_ratio_and_interval() -> None:
    result = mcnemar(CULTURE)
    assert result.exact_p == pytest.approx(0.0129395, abs=1e-7)
    assert result.odds_ratio == 6.0
    assert result.odds_interval == pytest.approx((1.335744, 55.197091), abs=1e-6)


def test_approval_odds_ratio_and_interval() -> None:
    result = mcnemar(APPROVAL)
    assert result.odds_ratio == pytest.approx(1.744186, abs=1e-6)
    assert result.odds_interval == pytest.approx((1.329228, 2.300979), abs=1e-6)


def test_complete_response_difference_and_intervals() -> None:
    result = mcnemar(RESPONSE)
    assert result.difference == pytest.approx(-0.0621118, abs=1e-7)
    assert result.difference_wald == pytest.approx((-0.118400, -0.005824), abs=1e-6)
    assert result.difference_newcombe == pytest.approx((-0.117351, -0.005924), abs=1e-6)


def test_p_equals_the_binomial_test_and_mid_p_is_smaller() -> None:
    for wins in range(12):
        for losses in range(12):
            if wins + losses:
                assert exact_p(wins, losses) == pytest.approx(peer.binomtest(wins, wins + losses).pvalue)
                half = peer.binom.pmf(wins, wins + losses, 0.5) * (0.5 if wins == losses else 1.0)
                assert mid_p(wins, losses) == pytest.approx(exact_p(wins, losses) - half)


def test_swapping_the_arms_mirrors_everything_but_p() -> None:
    forth, back = mcnemar(RESPONSE), mcnemar(np.transpose(RESPONSE))
    assert (forth.exact_p, forth.mid_p) == (back.exact_p, back.mid_p)
    assert forth.difference == -back.difference
    assert forth.difference_newcombe == pytest.approx(tuple(-limit for limit in reversed(back.difference_newcombe)))
    assert forth.odds_interval == pytest.approx(tuple(1 / limit for limit in reversed(back.odds_interval)))


def test_no_discordant_item_is_no_evidence() -> None:
    result = mcnemar([[7, 0], [0, 3]])
    assert (result.exact_p, result.mid_p, result.difference, result.odds_ratio) == (1.0, 1.0, 0.0, None)
    assert result.odds_interval == (0.0, math.inf)
    assert result.difference_wald == (0.0, 0.0)


def test_winning_every_discordant_item_gives_infinite_odds() -> None:
    result = mcnemar([[7, 5], [0, 3]])
    assert result.odds_ratio == math.inf
    assert result.odds_interval[1] == math.inf
    assert result.odds_interval[0] == pytest.approx(0.025**0.2 / (1 - 0.025**0.2))


@pytest.mark.parametrize("table", [[[5, 0], [0, 0]], [[0, 5], [0, 0]], [[0, 0], [0, 5]]])
def test_intervals_hold_the_difference_at_the_margins(table: list[list[int]]) -> None:
    result = mcnemar(table)
    assert result.difference_newcombe[0] <= result.difference <= result.difference_newcombe[1]
    assert -1.0 <= result.difference_newcombe[0] and result.difference_newcombe[1] <= 1.0


def test_table_counts_who_is_right() -> None:
    treatment, baseline = np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 0, 0])
    assert tabulate(treatment, baseline).tolist() == [[1, 2], [1, 2]]


def test_a_table_per_row_is_the_table_of_that_row() -> None:
    treatment, baseline = np.random.default_rng(3).integers(0, 2, (2, 5, 40))
    rows = [tabulate(*pair).tolist() for pair in zip(treatment, baseline, strict=True)]
    assert tabulate(treatment, baseline).tolist() == rows


def test_unfit_input_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or 1; got 2"):
        tabulate([0, 2], [0, 1])
    with pytest.raises(ValueError, match="same items"):
        tabulate([0, 1, 1], [0, 1])
    with pytest.raises(ValueError, match="counts"):
        mcnemar([[0.5, 0.2], [0.1, 0.2]])
    with pytest.raises(ValueError, match="2x2"):
        mcnemar([1, 2, 3, 4])
