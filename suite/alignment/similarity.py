"""How alike are translations, and how alike are the two languages' geometries?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor

from suite.alignment import cosines
from suite.alignment.cloud import Cloud
from suite.alignment.metric import CENTRED_COSINE, COSINE, SECOND_MOMENT, WITHIN_COSINE, AlignmentMetric
from suite.alignment.pair import Pair

RANK_BINS = 2**18
"""Bins in which RSA ranks the cosines. One tie that a bin makes moves the correlation of P pairs of rows by at most
6/P^2, all of them by about 1/(B sqrt P), B the bins in use: 1e-7 for 1,000 rows whose cosines fill a tenth."""
HARMLESS_TIES = 1e-7
"""Share of the ranks' variance that ties may take, the sum of c^3 - c over bins of c pairs by P^3: about 3,000 bins in
use. Where they take more, bins are cut where the cosines lie."""
_ROUNDINGS = 16


def cosine_gap(pair: Pair) -> float:
    """The mean cosine of translation pairs minus the mean cosine of all other pairs across the languages.

    In [-2, 2]; 0 where translation leaves no trace, however anisotropic the space. The mean over the N(N - 1) other
    pairs is exact: their sum is the product of the two sums of unit vectors, less the translation pairs.
    """
    n_pairs = len(pair)
    matched = float(pair.matched_N.sum())
    total = float(pair.source.unit_sum_D @ pair.target.unit_sum_D)
    return matched / n_pairs - (total - matched) / (n_pairs * (n_pairs - 1))


def cosine_gap_centred(pair: Pair) -> float:
    """`cosine_gap` after each language is centred on its own mean."""
    return cosine_gap(pair.centred)


def linear_cka(pair: Pair) -> float:
    """Linear centred kernel alignment: |X'Y|^2 / (|X'X| |Y'Y|) in Frobenius norms, columns centred.

    In [0, 1]; biased upwards unless N is much larger than D (two Gaussian clouds of N = D give about 0.5).
    Source: Kornblith et al. 2019, section 3.

    Raises:
        ValueError: all rows of a language agree.
    """
    x, y = pair.source, pair.target
    # A correlation of matrices, each divided by its language's spread, which is positive or refused.
    across, within_x, within_y = (
        _square_norm(moments_DD) / (one.spread * other.spread)
        for moments_DD, one, other in ((pair.cross_DD, x, y), (x.scatter_DD, x, x), (y.scatter_DD, y, y))
    )
    return across / math.sqrt(within_x * within_y)


def linear_cka_debiased(pair: Pair) -> float:
    """Linear CKA from the unbiased estimator of HSIC: near 0 for unrelated languages at any N and D.

    In [-1, 1]. Source: Song et al. 2012 (the estimator HSIC_1); Nguyen et al. 2021 (its use in CKA). The Gram matrices
    are never formed: for centred rows every sum over i != j is a sum over the second moments less its diagonal.

    Raises:
        ValueError: fewer than 4 rows, or all rows of a language agree or are equally far apart.
    """
    if len(pair) < 4:
        raise ValueError(f"debiased CKA needs at least 4 rows; got {len(pair)}; pass more texts, or use linear_cka")
    x, y = pair.source, pair.target
    across = _hsic(pair.cross_DD, x, y)
    return across / math.sqrt(_own_hsic(x) * _own_hsic(y))


def rsa(pair: Pair) -> float:
    """Representational similarity: Spearman correlation of the two languages' within-language cosines, over i < j.

    In [-1, 1]. Source: Kriegeskorte et al. 2008. Ranks are mid-ranks over `RANK_BINS` bins, or
    twice as many, finest where the cosines lie, so that no sort of N^2/2 numbers is needed and memory stays bounded.

    Raises:
        ValueError: all cosines of a language agree (always so with 2 rows), or all its rows do.
    """
    for cloud in (pair.source, pair.target):
        _check_differ(not cloud.is_constant, cloud)
    total = 0.0
    for x_BC, y_BC in zip(_ranked(pair.source), _ranked(pair.target), strict=True):
        total += float((x_BC * y_BC).sum())
    return total


def _square_norm(matrix: Tensor) -> float:
    return float(torch.linalg.vector_norm(matrix).square())


def _hsic(cross_DD: Tensor, x: Cloud, y: Cloud) -> float:
    """The unbiased HSIC of two centred clouds up to the factor 1/(n(n - 3)), which cancels in CKA.

    With K the Gram matrix of centred rows less its diagonal q: trace(KL) = |X'Y|^2 - q_x.q_y, K1 = -q_x, and
    1'K1 = -sum q_x.
    """
    n_rows, diagonal = len(x), float(x.square_norms_N @ y.square_norms_N)
    product = x.spread * y.spread / ((n_rows - 1) * (n_rows - 2))
    return _square_norm(cross_DD) - diagonal + product - 2 * diagonal / (n_rows - 2)


def _own_hsic(cloud: Cloud) -> float:
    """The unbiased HSIC of a cloud with itself: how much the distances between its rows differ."""
    within = _hsic(cloud.scatter_DD, cloud, cloud)
    # What is left of terms of this size by rounding alone.
    if within <= _ROUNDINGS * torch.finfo(cloud.vectors_ND.dtype).eps * _square_norm(cloud.scatter_DD):
        raise ValueError(
            f"debiased CKA compares distances between rows, which must differ; those of {cloud.name} ({len(cloud)} "
            "rows) do not; pass more, and more different, texts, or use linear_cka"
        )
    return within


def _ranked(cloud: Cloud) -> Iterable[Tensor]:
    """Blocks of standardised ranks of the cosines between rows, held where the cosines are."""
    return cloud.once(_held_ranks) if len(cloud) <= cosines.HELD_ROWS else _rank_blocks(cloud)


def _held_ranks(cloud: Cloud) -> list[Tensor]:
    return list(_rank_blocks(cloud))


def _rank_blocks(cloud: Cloud) -> Iterator[Tensor]:
    scores_R = cloud.once(_rank_scores)
    for bins_BC in _bins(cloud, cloud.once(_shares)):
        yield scores_R.index_select(0, bins_BC.flatten())


def _rank_scores(cloud: Cloud) -> Tensor:
    """The standardised mid-rank of every bin; 0 for the diagonal."""
    shares_R = cloud.once(_shares)
    counts_R = cloud.once(_even_counts) if shares_R is None else _count(cloud, shares_R)
    scores_R = _standardised(counts_R, cloud)
    return torch.cat([scores_R, scores_R.new_zeros(1)])


def _even_counts(cloud: Cloud) -> Tensor:
    return _count(cloud, None)


def _count(cloud: Cloud, shares_R: Tensor | None) -> Tensor:
    """How many cosines are in every bin but the diagonal's."""
    n_bins = RANK_BINS if shares_R is None else int(shares_R.sum())
    counts_R = torch.zeros(n_bins, dtype=torch.int64, device=cloud.vectors_ND.device)
    for bins_BC in _bins(cloud, shares_R):
        counts_R += torch.bincount(bins_BC.flatten(), minlength=n_bins + 1)[:-1]
    return counts_R


def _shares(cloud: Cloud) -> Tensor | None:
    """Into how many every bin is cut where bins of one width tie too much, as in a cone beside an outlier, else none.

    As its share of the cosines, `RANK_BINS` more in all, so that few are left to tie wherever they lie.
    """
    # Every pair of rows is counted from either side.
    counts_R = cloud.once(_even_counts).double() / 2
    n_pairs = float(counts_R.sum())
    if float((counts_R**3 - counts_R).sum()) <= HARMLESS_TIES * n_pairs**3:
        return None
    return 1 + (counts_R / n_pairs * RANK_BINS).long()


def _bins(cloud: Cloud, shares_R: Tensor | None) -> Iterator[Tensor]:
    """Blocks of the bin of every cosine; the diagonal goes to a bin of its own, the last.

    Bins have one width, or, with shares, are each cut into that many of one width.
    """
    first_R = None if shares_R is None else shares_R.cumsum(0) - shares_R
    least = cloud.once(_least_cosine)
    # A cone without width has no ranks: all its cosines share a bin, which `_standardised` refuses.
    per_unit = RANK_BINS / (1 - least) if least < 1 else 0.0
    for rows, cosines_BC in cloud.cosines.blocks():
        places_BC = (cosines_BC - least) * per_unit
        if shares_R is None or first_R is None:
            bins_BC = places_BC.clamp_(0, RANK_BINS - 1).int()
            bins_BC[:, rows].fill_diagonal_(RANK_BINS)
        else:
            bins_BC = _cut(places_BC, shares_R, first_R)
            bins_BC[:, rows].fill_diagonal_(int(shares_R.sum()))
        yield bins_BC


def _cut(places_BC: Tensor, shares_R: Tensor, first_R: Tensor) -> Tensor:
    """The finer bin of every cosine from its place among bins of one width."""
    wide_BC = places_BC.clamp(0, RANK_BINS - 1).int()
    shares_BC = shares_R[wide_BC]
    within_BC = ((places_BC - wide_BC) * shares_BC).long().clamp_(min=0)
    return first_R[wide_BC] + torch.minimum(within_BC, shares_BC - 1)


def _least_cosine(cloud: Cloud) -> float:
    """A lower bound of the cosines between rows: two rows within an angle t of the mean are within 2t of each other."""
    sum_D = cloud.unit_sum_D
    least = float((cloud.unit_ND @ sum_D.to(cloud.unit_ND)).min() / torch.linalg.vector_norm(sum_D))
    return 2 * least**2 - 1 if least > 0 else -1.0


def _standardised(counts_R: Tensor, cloud: Cloud) -> Tensor:
    """The mid-rank of every place in an order that holds so many cosines, centred; the squares over all sum to 1."""
    ranks_R = counts_R.cumsum(0) - (counts_R - 1) / 2
    centred_R = ranks_R.double() - (int(counts_R.sum()) + 1) / 2
    square = float((counts_R * centred_R.square()).sum())
    _check_differ(square > 0.0, cloud)
    return (centred_R / math.sqrt(square)).to(cloud.vectors_ND.dtype)


def _check_differ(differ: bool, cloud: Cloud) -> None:
    if not differ:
        raise ValueError(
            f"RSA correlates the cosines between rows, which must differ; those of {cloud.name} ({len(cloud)} rows) "
            "do not; pass more, and more different, texts"
        )


_perfect = partial(AlignmentMetric, optimum=1.0, higher_is_better=True)

METRICS: dict[str, AlignmentMetric] = {
    "cosine_gap": AlignmentMetric(
        function=cosine_gap, optimum=None, higher_is_better=True, invariances=COSINE, centred=False, unit="cosine"
    ),
    "cosine_gap_centred": AlignmentMetric(
        function=cosine_gap_centred,
        optimum=None,
        higher_is_better=True,
        invariances=CENTRED_COSINE,
        centred=True,
        unit="cosine",
    ),
    "linear_cka": _perfect(function=linear_cka, invariances=SECOND_MOMENT, centred=True, unit="similarity"),
    "linear_cka_debiased": _perfect(
        function=linear_cka_debiased, invariances=SECOND_MOMENT, centred=True, unit="similarity"
    ),
    "rsa": _perfect(function=rsa, invariances=WITHIN_COSINE, centred=False, unit="correlation"),
}
