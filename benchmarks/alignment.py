"""All alignment metrics at once against every metric on its own from the library that has it.

    python benchmarks/alignment.py [--rows 1000] [--dimension 384] [--languages 4]

Prints, from one run on one machine: per metric how far the peer's value is from ours and the ratio of times; then the
ratios of whole tasks: one language pair, several languages that share the source, and `measure` against calling the
metrics one by one. The best of five rounds taken in turns, float32 on both sides.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.stats import skew, spearmanr
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from suite.alignment import ALIGNMENT, measure, measure_languages
from suite.alignment.probe import RIDGE

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another implementation of a metric."""

    library: str
    function: Callable[[Matrix, Matrix], float]
    tolerance: float = 1e-4
    """How far the values may be apart: rounding, unless the peer computes something slightly else."""


def neighbours(candidates: Matrix, queries: Matrix, k: int) -> tuple[Matrix, NDArray[np.int64]]:
    """Cosines and indices of the k nearest candidates."""
    found = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(candidates).kneighbors(queries)
    return 1 - found[0], found[1]


def p1(best: NDArray[np.int64]) -> float:
    """The share of queries that found their own row."""
    return float((best == np.arange(len(best))).mean())


def cosine_p1(x: Matrix, y: Matrix) -> float:
    """Nearest neighbours, both ways."""
    return (p1(neighbours(y, x, 1)[1][:, 0]) + p1(neighbours(x, y, 1)[1][:, 0])) / 2


def strong_p1(x: Matrix, y: Matrix) -> float:
    """Nearest neighbours among both languages; the nearest is the row itself."""
    forward, backward = (neighbours(np.vstack([a, b]), a, 2)[1][:, 1] - len(a) for a, b in ((x, y), (y, x)))
    return (p1(forward) + p1(backward)) / 2


def densities(x: Matrix, y: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """The cosine matrix, and the mean cosine to the ten nearest rows on either side."""
    return cosine_similarity(x, y), neighbours(y, x, 10)[0].mean(axis=1), neighbours(x, y, 10)[0].mean(axis=1)


def csls_p1(x: Matrix, y: Matrix) -> float:
    """CSLS on the whole matrix."""
    cosines, r_x, r_y = densities(x, y)
    scores = 2 * cosines - r_x[:, None] - r_y
    return (p1(scores.argmax(axis=1)) + p1(scores.argmax(axis=0))) / 2


def margin_p1(x: Matrix, y: Matrix) -> float:
    """The ratio margin on the whole matrix."""
    cosines, r_x, r_y = densities(x, y)
    scores = cosines / ((r_x[:, None] + r_y) / 2)
    return (p1(scores.argmax(axis=1)) + p1(scores.argmax(axis=0))) / 2


def mexa(x: Matrix, y: Matrix) -> float:
    """The diagonal against the rest of its row and column."""
    cosines = cosine_similarity(x, y)
    matched = cosines.diagonal().copy()
    np.fill_diagonal(cosines, -np.inf)
    return float((matched > np.maximum(cosines.max(axis=0), cosines.max(axis=1))).mean())


def cosine_gap(x: Matrix, y: Matrix) -> float:
    """The diagonal of the cosine matrix against the rest."""
    cosines = cosine_similarity(x, y)
    return float(cosines.diagonal().mean() - cosines[~np.eye(len(x), dtype=bool)].mean())


def linear_cka(x: Matrix, y: Matrix) -> float:
    """In feature space."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return float(np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def rsa(x: Matrix, y: Matrix) -> float:
    """A rank correlation of the upper triangles."""
    upper = np.triu_indices(len(x), 1)
    return float(spearmanr(cosine_similarity(x)[upper], cosine_similarity(y)[upper]).statistic)


def mutual_knn(x: Matrix, y: Matrix) -> float:
    """Overlap of the neighbours within each language."""
    sets = [neighbours(v, v, 11)[1][:, 1:] for v in (x, y)]
    return float((sets[0][:, :, None] == sets[1][:, None, :]).sum() / (len(x) * 10))


def occurrences(x: Matrix, y: Matrix) -> list[NDArray[np.int64]]:
    """How often each row is retrieved, either way."""
    return [np.bincount(neighbours(b, a, 10)[1].ravel(), minlength=len(x)) for a, b in ((x, y), (y, x))]


def isoscore(_: Matrix, y: Matrix) -> float:
    """Rudman et al. 2022, algorithm 1, with its principal components."""
    d, root = y.shape[1], math.sqrt(y.shape[1])
    variances = np.var(PCA(n_components=d).fit_transform(y), axis=0)
    defect = np.linalg.norm(root * variances / np.linalg.norm(variances) - 1) / math.sqrt(2 * (d - root))
    return float(((d - defect**2 * (d - root)) ** 2 - d) / (d * (d - 1)))


def procrustes_residual(x: Matrix, y: Matrix) -> float:
    """The rotation, applied."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return float(np.linalg.norm(x @ orthogonal_procrustes(x, y)[0] - y) ** 2 / 2)


def language_probe(x: Matrix, y: Matrix) -> float:
    """Ten folds of pairs in place of every pair in turn."""
    rows, labels = np.vstack([x, y]), np.repeat([1, -1], len(x))
    ridge = RIDGE * float(((rows - rows.mean(axis=0)) ** 2).sum()) / x.shape[1]
    groups = np.tile(np.arange(len(x)), 2)
    predicted = cross_val_predict(RidgeClassifier(alpha=ridge), rows, labels, groups=groups, cv=GroupKFold(10))
    return float((predicted == labels).mean())


PEERS: dict[str, Peer] = {
    "cosine_p1": Peer(library="sklearn NearestNeighbors", function=cosine_p1),
    "strong_p1": Peer(library="sklearn NearestNeighbors", function=strong_p1),
    "csls_p1": Peer(library="sklearn NearestNeighbors, numpy", function=csls_p1),
    "margin_p1": Peer(library="sklearn NearestNeighbors, numpy", function=margin_p1),
    "mexa": Peer(library="sklearn cosine_similarity, numpy", function=mexa),
    "cosine_gap": Peer(library="sklearn cosine_similarity, numpy", function=cosine_gap),
    "linear_cka": Peer(library="numpy", function=linear_cka),
    "rsa": Peer(library="scipy spearmanr", function=rsa),
    "mutual_knn": Peer(library="sklearn NearestNeighbors", function=mutual_knn),
    "hubness": Peer(
        library="sklearn NearestNeighbors, scipy skew",
        function=lambda x, y: float(np.mean([skew(counts) for counts in occurrences(x, y)])),
    ),
    "never_retrieved": Peer(
        library="sklearn NearestNeighbors",
        function=lambda x, y: float(np.mean([counts == 0 for counts in occurrences(x, y)])),
    ),
    "isoscore": Peer(library="sklearn PCA (as the authors)", function=isoscore),
    "anisotropy": Peer(
        library="sklearn cosine_similarity",
        function=lambda _, y: float((cosine_similarity(y).sum(dtype=np.float64) - len(y)) / (len(y) * (len(y) - 1))),
    ),
    "procrustes_residual": Peer(library="scipy orthogonal_procrustes", function=procrustes_residual),
    "language_probe": Peer(library="sklearn RidgeClassifier, 10 folds", function=language_probe, tolerance=0.02),
}


def seconds(*runs: Callable[[], object], rounds: int = 5) -> list[float]:
    """The best time of each, taken in turns so that a busy moment of the machine falls on all of them."""
    best = [math.inf] * len(runs)
    for _ in range(rounds):
        for index, run in enumerate(runs):
            start = time.perf_counter()
            run()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


def draw(n_rows: int, dimension: int, n_languages: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Anisotropic vectors with a decaying spectrum, and translations as noisy, shifted copies."""
    generator = torch.Generator().manual_seed(0)
    spread_D = torch.logspace(0, -1, dimension)
    x_ND = torch.randn(n_rows, dimension, generator=generator) * spread_D + 0.5
    targets = {}
    for index in range(n_languages):
        noise_ND = 2.5 * torch.randn(n_rows, dimension, generator=generator) * spread_D
        targets[f"language {index}"] = x_ND + noise_ND + 0.02 * torch.randn(1, dimension, generator=generator)
    return x_ND, targets


def compare(x_ND: Tensor, y_ND: Tensor) -> tuple[float, float]:
    """Print a line per metric; return the summed seconds of ours one by one and of the peers."""
    x, y, ours_total, theirs_total = x_ND.numpy(), y_ND.numpy(), 0.0, 0.0
    print(f"{'metric':20} {'value':>8} {'apart by':>9} {'peer / ours alone':>18}  peer")
    for name, peer in PEERS.items():
        metric = ALIGNMENT[name]
        ours, theirs = seconds(partial(metric, x_ND, y_ND), partial(peer.function, x, y))
        value, apart = metric(x_ND, y_ND), abs(metric(x_ND, y_ND) - peer.function(x, y))
        verdict = "" if apart <= peer.tolerance else "  DISAGREES"
        print(f"{name:20} {value:8.4f} {apart:9.1e} {theirs / ours:17.1f}x  {peer.library}{verdict}")
        ours_total, theirs_total = ours_total + ours, theirs_total + theirs
    return ours_total, theirs_total


def sweep(x_ND: Tensor, targets: dict[str, Tensor]) -> None:
    """Measure every language; the source side is computed once."""
    for _ in measure_languages([x_ND], {name: [y_ND] for name, y_ND in targets.items()}, list(PEERS)):
        pass


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--languages", type=int, default=4)
    options = parser.parse_args()
    x_ND, targets = draw(options.rows, options.dimension, options.languages)
    y_ND, n_languages = targets["language 0"], len(targets)
    print(f"{options.rows} rows, {options.dimension} dimensions, {torch.get_num_threads()} torch thread(s)\n")
    alone, peers = compare(x_ND, y_ND)
    together, swept = seconds(partial(measure, x_ND, y_ND, list(PEERS)), partial(sweep, x_ND, targets))
    print(f"\none language pair, {len(PEERS)} metrics: peers / measure {peers / together:.1f}x")
    print(f"one language pair, {len(PEERS)} metrics: ours one by one / measure {alone / together:.1f}x")
    print(f"{n_languages} languages: measure each / measure_languages {n_languages * together / swept:.2f}x")
    print(f"{n_languages} languages: peers / measure_languages {n_languages * peers / swept:.1f}x")


if __name__ == "__main__":
    main()
