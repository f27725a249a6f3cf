"""Laws of smoothing at test time: votes, and certified radii against their closed form (Cohen et al. 2019)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from test_methods import DIMENSION, Linear, make_batch, streams

from suite.batch import sum_by_text
from suite.methods.interface import EMBEDDINGS
from suite.methods.smoothing import ABSTAIN, Counts, certify, count_votes, predict

FEW = settings(deadline=None, derandomize=True, max_examples=60)
VOTES = (
    st.lists(st.tuples(*[st.integers(0, 200)] * 3), min_size=1, max_size=5)
    .map(np.array)
    .filter(lambda v: v.sum(1).all())
)


@FEW
@given(selection=VOTES, alpha=st.sampled_from([0.001, 0.05]), sigma=st.floats(0.01, 10))
def test_a_radius_is_sigma_times_the_quantile_of_the_lower_limit(selection: Counts, alpha: float, sigma: float) -> None:
    estimation = np.flip(selection, 0)
    found = certify(selection, estimation, sigma, alpha)
    for guess, votes, label, radius in zip(selection.argmax(1), estimation, found.labels, found.radii, strict=True):
        exact = binomtest(int(votes[guess]), int(votes.sum()), alternative="greater")
        low = exact.proportion_ci(1 - alpha, method="exact").low
        assert label == (guess if low > 0.5 else ABSTAIN)
        assert radius == pytest.approx(sigma * norm.ppf(low) if low > 0.5 else 0.0, rel=1e-6)


@FEW
@given(votes=VOTES, alpha=st.sampled_from([0.001, 0.05]))
def test_a_prediction_is_a_vote_that_is_won_significantly(votes: Counts, alpha: float) -> None:
    for row, label in zip(votes, predict(votes, alpha), strict=True):
        second, first = np.sort(row)[-2:]
        sure = binomtest(int(first), int(first + second), 0.5).pvalue <= alpha
        assert label == (row.argmax() if sure else ABSTAIN)


def test_a_linear_classifier_is_certified_up_to_its_boundary_and_no_further() -> None:
    """Smoothed, it has its own boundary: the radius tends from below to the distance, in noise on ordinary tokens."""
    batch = make_batch([6, 5, 5, 4, 4, 3])
    model = Linear(matrix=torch.randn(DIMENSION, 2, generator=torch.Generator().manual_seed(1)))
    votes = [
        count_votes(batch, model, streams(), sigma=2.0, samples=count, site=EMBEDDINGS, first=first)
        for first, count in ((0, 100), (100, 3000))
    ]
    found = certify(votes[0], votes[1], 2.0)
    logits = model.finish(batch, model.enter(batch, EMBEDDINGS), EMBEDDINGS)
    free = sum_by_text((~batch.special_T).float(), batch)
    slope = (model.matrix[:, 0] - model.matrix[:, 1]).norm() * free.sqrt() / batch.lengths_B
    distance = ((logits[:, 0] - logits[:, 1]).abs() / slope).numpy()
    sure = found.labels != ABSTAIN
    assert sure.sum() >= 4 and np.array_equal(found.labels[sure], logits.argmax(1).numpy()[sure])
    assert (found.radii[sure] <= distance[sure]).all()
    reachable = sure & (distance < 2.0 * 2)  # 3,000 votes tell probabilities up to about 0.998, 2.8 sigma
    assert reachable.any() and (found.radii[reachable] > distance[reachable] - 0.35).all()


def test_votes_are_counted_per_text_and_copies_are_distinct() -> None:
    batch, model = make_batch(), Linear()
    together = count_votes(batch, model, streams(), sigma=1.0, samples=8, site=EMBEDDINGS)
    parts = [count_votes(batch, model, streams(), sigma=1.0, samples=4, site=EMBEDDINGS, first=f) for f in (0, 4)]
    assert np.array_equal(together, parts[0] + parts[1]) and (together.sum(1) == 8).all()
    moves = model.moves(batch)
    assert not torch.equal(moves[0], moves[1]) and not any(move[batch.special_T].any() for move in moves)


@pytest.mark.parametrize(("sigma", "alpha"), [(0.0, 0.1), (-1.0, 0.1), (1.0, 0.0), (1.0, 1.0)])
def test_what_cannot_be_certified_is_refused(sigma: float, alpha: float) -> None:
    votes = np.array([[5, 1]])
    with pytest.raises(ValueError, match="must hold"):
        certify(votes, votes, sigma, alpha)
    with pytest.raises(ValueError, match="at least 1"):
        count_votes(make_batch(), Linear(), streams(), sigma=1.0, samples=0, site=EMBEDDINGS)
