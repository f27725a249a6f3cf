"""Randomized smoothing at test time: prediction by vote, and the radius within which the vote cannot change.

Cohen, Rosenfeld and Kolter 2019, "Certified Adversarial Robustness via Randomized Smoothing", Algorithm 1. The radius
is an L2 radius in the space that is perturbed: the Frobenius norm over all token vectors of a text at the site. It
certifies embeddings, not texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv, ndtri

from suite.batch import Batch
from suite.methods.interface import Model, StepStreams
from suite.seeding import gaussian

ABSTAIN = -1
"""The label of a vote that is too close to call; it counts as wrong."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Certificates:
    """What the smoothed classifier says of N texts."""

    labels: NDArray[np.int64]
    """Predicted labels, `ABSTAIN` where the vote decides nothing."""
    radii: NDArray[np.float64]
    """Certified L2 radius, in the units of sigma; 0 where abstained."""


def certify(selection_NC: Counts, estimation_NC: Counts, sigma: float, alpha: float = 0.001) -> Certificates:
    """Label and certified radius of every text (Algorithm 1, CERTIFY).

    With probability at least 1 - alpha per text, the smoothed classifier's label is constant within the radius.

    Args:
        selection_NC: Votes of n0 noisy copies, from which the label is guessed.
        estimation_NC: Votes of n other noisy copies, from which its probability is bounded below (Clopper-Pearson).
        sigma: Standard deviation of the noise per coordinate, > 0.
        alpha: Failure probability, 0 to 1.
    """
    if sigma <= 0 or not 0 < alpha < 1:
        raise ValueError(f"sigma > 0 and 0 < alpha < 1 must hold, got sigma = {sigma}, alpha = {alpha}")
    guessed = selection_NC.argmax(1)
    hits, n = estimation_NC[np.arange(len(guessed)), guessed], estimation_NC.sum(1)
    # The lower Clopper-Pearson limit is a beta quantile; 0 without a single hit.
    lowest = np.where(hits > 0, betaincinv(np.maximum(hits, 1), n - hits + 1, alpha), 0.0)
    sure = lowest > 0.5
    radii = np.where(sure, sigma * ndtri(np.where(sure, lowest, 0.5)), 0.0)
    return Certificates(np.where(sure, guessed, ABSTAIN), radii)


def predict(votes_NC: Counts, alpha: float = 0.001) -> NDArray[np.int64]:
    """Label of every text by vote, `ABSTAIN` unless the winner leads significantly (Algorithm 1, PREDICT)."""
    order = np.argsort(-votes_NC, axis=1, kind="stable")[:, :2]
    first, second = np.take_along_axis(votes_NC, order, 1).T
    p = np.minimum(1.0, 2 * bdtr(second, first + second, 0.5))
    return np.where(p <= alpha, order[:, 0], ABSTAIN)


def count_votes(
    batch: Batch, model: Model, streams: StepStreams, *, sigma: float, samples: int, site: str, first: int = 0
) -> Counts:
    """Votes [B, C] of noisy copies of a batch, in the order of the batch; special tokens are not perturbed.

    Args:
        batch: Packed texts.
        model: The classifier, without dropout.
        streams: Random streams; copy k draws from `attack` at position k.
        sigma: Standard deviation of the Gaussian noise per coordinate.
        samples: Number of copies.
        site: Where the noise enters.
        first: Number of the first copy, so that two calls draw different noise.
    """
    with torch.inference_mode():
        hidden_TD = model.enter(batch, site)
        free_T1 = (~batch.special_T)[:, None].to(hidden_TD.dtype)
        votes: NDArray[np.int64] | None = None
        for copy in range(first, first + samples):
            noise_TD = gaussian(tuple(hidden_TD.shape), streams.numpy("attack", copy), like=hidden_TD) * sigma * free_T1
            logits = model.finish(batch, hidden_TD + noise_TD, site)
            if votes is None:
                votes = np.zeros(tuple(logits.shape), dtype=np.int64)
            votes[np.arange(len(batch)), logits.argmax(1).cpu().numpy()] += 1
    if votes is None:
        raise ValueError(f"samples is at least 1, got {samples}")
    return votes
