"""Every alignment metric against a case worked by hand, or a naive implementation that shares no code with it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.stats import skew, spearmanr
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from suite import alignment
from suite.alignment import ALIGNMENT, Cloud, Pair, cosines, measure, measure_languages, resolve
from suite.alignment.cosines import top_k
from suite.alignment.neighbours import hubness, mutual_knn
from suite.alignment.probe import RIDGE, language_probe

Matrix = NDArray[np.float64]
Oracle = Callable[[Matrix, Matrix], float]


def draw(
    seed: int, n_rows: int = 60, dimension: int = 12, noise: float = 1.0, offset: float = 0.7
) -> tuple[Tensor, Tensor]:
    """A source language around an offset (anisotropic, as encoders are) and its noisy translations."""
    generator = torch.Generator().manual_seed(seed)
    x_ND = torch.randn(n_rows, dimension, generator=generator, dtype=torch.float64) + offset
    return x_ND, x_ND + noise * torch.randn(n_rows, dimension, generator=generator, dtype=torch.float64)


def vectors(*rows: tuple[float, ...]) -> Tensor:
    """A matrix written row by row."""
    return torch.tensor(rows, dtype=torch.float64)


def on_circle(*degrees: float) -> Tensor:
    """Unit vectors in the plane at these angles."""
    return vectors(*((math.cos(math.radians(angle)), math.sin(math.radians(angle))) for angle in degrees))


# --- oracles: numpy on whole matrices, argsort and loops ------------------------------------------------------------


def cosine_matrix(x: Matrix, y: Matrix) -> Matrix:
    x_unit, y_unit = (v / np.sqrt((v**2).sum(axis=1, keepdims=True)) for v in (x, y))
    cosines: Matrix = np.einsum("id,jd->ij", x_unit, y_unit)
    return cosines


def order(scores: Matrix) -> NDArray[np.int64]:
    return np.argsort(-scores, axis=1, kind="stable")


def p1(scores: Matrix) -> float:
    return float(np.mean(order(scores)[:, 0] == np.arange(len(scores))))


def density(scores: Matrix) -> Matrix:
    means: Matrix = -np.sort(-scores, axis=1)[:, :10].mean(axis=1)
    return means


def csls(x: Matrix, y: Matrix) -> Matrix:
    s = cosine_matrix(x, y)
    return 2 * s - density(s)[:, None] - density(s.T)[None, :]


def margin(x: Matrix, y: Matrix) -> Matrix:
    s = cosine_matrix(x, y)
    return s / ((density(s)[:, None] + density(s.T)[None, :]) / 2)


def strong(x: Matrix, y: Matrix) -> float:
    own = cosine_matrix(x, x)
    np.fill_diagonal(own, -np.inf)
    return p1(np.hstack([cosine_matrix(x, y), own]))


def mexa(x: Matrix, y: Matrix) -> float:
    s, hits = cosine_matrix(x, y), 0
    for i in range(len(s)):
        others = [s[i, j] for j in range(len(s)) if j != i] + [s[j, i] for j in range(len(s)) if j != i]
        hits += s[i, i] > max(others)
    return hits / len(s)


def gap(x: Matrix, y: Matrix) -> float:
    s = cosine_matrix(x, y)
    return float(np.diag(s).mean() - s[~np.eye(len(s), dtype=bool)].mean())


def centred(v: Matrix) -> Matrix:
    deviations: Matrix = v - v.mean(axis=0)
    return deviations


def cka(x: Matrix, y: Matrix) -> float:
    k, q = (centred(v) @ centred(v).T for v in (x, y))
    return float((k * q).sum() / np.sqrt((k * k).sum() * (q * q).sum()))


def hsic_1(x: Matrix, y: Matrix) -> float:
    n, ones = len(x), np.ones(len(x))
    k, q = (v @ v.T * (1 - np.eye(n)) for v in (x, y))
    total = (
        np.trace(k @ q) + ones @ k @ ones * (ones @ q @ ones) / ((n - 1) * (n - 2)) - 2 / (n - 2) * ones @ k @ q @ ones
    )
    return float(total / (n * (n - 3)))


def cka_debiased(x: Matrix, y: Matrix) -> float:
    return hsic_1(x, y) / math.sqrt(hsic_1(x, x) * hsic_1(y, y))


def rsa(x: Matrix, y: Matrix) -> float:
    upper = np.triu_indices(len(x), 1)
    return float(spearmanr(cosine_matrix(x, x)[upper], cosine_matrix(y, y)[upper]).statistic)


def neighbour_sets(v: Matrix, k: int) -> list[set[int]]:
    s = cosine_matrix(v, v)
    np.fill_diagonal(s, -np.inf)
    return [set(row[:k].tolist()) for row in order(s)]


def mutual(x: Matrix, y: Matrix) -> float:
    return float(np.mean([len(a & b) / 10 for a, b in zip(neighbour_sets(x, 10), neighbour_sets(y, 10), strict=True)]))


def occurrences(x: Matrix, y: Matrix) -> NDArray[np.int64]:
    return np.bincount(order(cosine_matrix(x, y))[:, :10].ravel(), minlength=len(x))


def isoscore(v: Matrix) -> float:
    """Rudman et al. 2022, algorithm 1, step by step."""
    d = v.shape[1]
    components = np.linalg.svd(centred(v), full_matrices=True)[2]
    diagonal = np.diag(np.cov(centred(v) @ components.T, rowvar=False))
    normalised = np.sqrt(d) * diagonal / np.linalg.norm(diagonal)
    defect = np.linalg.norm(normalised - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    return float(((d - defect**2 * (d - np.sqrt(d))) ** 2 - d) / (d * (d - 1)))


def mean_cosine(v: Matrix) -> float:
    return float(cosine_matrix(v, v)[~np.eye(len(v), dtype=bool)].mean())


def procrustes(x: Matrix, y: Matrix) -> float:
    a, b = (centred(v) / np.linalg.norm(centred(v)) for v in (x, y))
    rotation, _ = orthogonal_procrustes(a, b)
    return float(((a @ rotation - b) ** 2).sum() / 2)


def probe(x: Matrix, y: Matrix) -> float:
    """Refit without each pair in turn, the intercept as a column of its own without a ridge."""
    n, d = x.shape
    rows, labels = np.vstack([x, y]), np.repeat([1.0, -1.0], n)
    ridge = RIDGE * (centred(rows) ** 2).sum() / d
    penalty = np.diag([ridge] * d + [0.0])
    design, hits = np.hstack([rows, np.ones((2 * n, 1))]), 0.0
    for i in range(n):
        kept = np.ones(2 * n, dtype=bool)
        kept[[i, n + i]] = False
        weights = np.linalg.solve(design[kept].T @ design[kept] + penalty, design[kept].T @ labels[kept])
        hits += float(design[i] @ weights > 0) + float(design[n + i] @ weights < 0)
    return float(hits / (2 * n))


def displacement(x: Matrix, y: Matrix) -> float:
    return float(np.linalg.norm(x - y, axis=1).mean() / np.linalg.norm(x, axis=1).mean())


def both_ways(name: str, forward: Oracle) -> dict[str, Oracle]:
    return {
        name: lambda x, y: (forward(x, y) + forward(y, x)) / 2,
        f"{name}_forward": forward,
        f"{name}_backward": lambda x, y: forward(y, x),
    }


ORACLES: dict[str, Oracle] = {
    **both_ways("cosine_p1", lambda x, y: p1(cosine_matrix(x, y))),
    **both_ways("strong_p1", strong),
    **both_ways("csls_p1", lambda x, y: p1(csls(x, y))),
    **both_ways("margin_p1", lambda x, y: p1(margin(x, y))),
    "xsim": lambda x, y: 1 - p1(margin(x, y)),
    "margin_score": lambda x, y: float(np.diag(margin(x, y)).mean()),
    "mexa": mexa,
    "cosine_p1_centred": lambda x, y: ORACLES["cosine_p1"](centred(x), centred(y)),
    "csls_p1_centred": lambda x, y: ORACLES["csls_p1"](centred(x), centred(y)),
    "cosine_gap": gap,
    "cosine_gap_centred": lambda x, y: gap(centred(x), centred(y)),
    "linear_cka": cka,
    "linear_cka_debiased": cka_debiased,
    "rsa": rsa,
    "mutual_knn": mutual,
    **both_ways("hubness", lambda x, y: float(skew(occurrences(x, y)))),
    **both_ways("never_retrieved", lambda x, y: float(np.mean(occurrences(x, y) == 0))),
    "isoscore": lambda x, y: isoscore(y),
    "isoscore_source": lambda x, y: isoscore(x),
    "anisotropy": lambda x, y: mean_cosine(y),
    "anisotropy_source": lambda x, y: mean_cosine(x),
    "procrustes_residual": procrustes,
    "language_probe": probe,
    "relative_displacement": displacement,
}


def test_every_metric_has_an_oracle() -> None:
    assert set(ORACLES) == set(ALIGNMENT)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize(("n_rows", "dimension"), [(60, 12), (25, 40), (12, 3)])
def test_metric_agrees_with_its_oracle(name: str, n_rows: int, dimension: int) -> None:
    x_ND, y_ND = draw(3, n_rows, dimension, offset=1.5)
    # The others are exact up to rounding; RSA ranks in bins, and one tie among P pairs of rows moves it by up to 6/P^2.
    tolerance = 24 / (n_rows * (n_rows - 1) / 2) ** 2 if name == "rsa" else 1e-10
    assert ALIGNMENT[name](x_ND, y_ND) == pytest.approx(ORACLES[name](x_ND.numpy(), y_ND.numpy()), abs=tolerance)


@pytest.mark.parametrize("name", ORACLES)
def test_single_precision_agrees_with_double(name: str) -> None:
    x_ND, y_ND = draw(4, 200, 32)
    value = ALIGNMENT[name](x_ND.float(), y_ND.float())
    assert value == pytest.approx(ORACLES[name](x_ND.numpy(), y_ND.numpy()), abs=2e-5)


# --- by hand --------------------------------------------------------------------------------------------------------


def test_p1_of_two_rows_by_hand() -> None:
    """Both sources are nearest to their own target; target 1 is nearer to source 0 (cosine 0.995) than to its own."""
    values = measure(
        vectors((1, 0), (0, 1)), vectors((1, 0), (1, 0.1)), ["cosine_p1", "cosine_p1_forward", "cosine_p1_backward"]
    )
    assert values == {"cosine_p1": 0.75, "cosine_p1_forward": 1.0, "cosine_p1_backward": 0.5}


def test_exchanged_translations_are_never_found() -> None:
    x_ND = vectors((1, 0), (0, 1))
    values = measure(x_ND, x_ND.flip(0), ["cosine_p1", "csls_p1", "mexa", "xsim", "cosine_gap"])
    assert values == {"cosine_p1": 0.0, "csls_p1": 0.0, "mexa": 0.0, "xsim": 1.0, "cosine_gap": -1.0}


def test_csls_and_margin_forgive_a_hub() -> None:
    """Target 0 is nearest to all three sources by cosine; discounting its neighbourhood gives two of them back."""
    x_ND, y_ND = on_circle(10, 40, -40), on_circle(0, 85, -85)
    values = measure(x_ND, y_ND, ["cosine_p1_forward", "csls_p1_forward", "margin_p1_forward"])
    assert values == {"cosine_p1_forward": 1 / 3, "csls_p1_forward": 1.0, "margin_p1_forward": 1.0}


def test_strong_alignment_counts_the_own_language() -> None:
    """Source 1 is 12 degrees from its translation, 15 from the other target, but only 10 from source 0."""
    x_ND, y_ND = on_circle(0, 10), on_circle(-5, 22)
    values = measure(x_ND, y_ND, ["cosine_p1_forward", "strong_p1_forward"])
    assert values == {"cosine_p1_forward": 1.0, "strong_p1_forward": 0.5}


@pytest.mark.parametrize("name", ["cosine_p1", "csls_p1", "margin_p1"])
def test_among_identical_rows_the_first_is_retrieved(name: str) -> None:
    """Rows 0 and 2 are the same text in both languages: one hit for the two, wherever the duplicates stand."""
    x_ND = vectors((1, 0.1, 0.1), (0.1, 1, 0.1), (1, 0.1, 0.1), (0.1, 0.1, 1))
    for way in ("forward", "backward"):
        assert measure(x_ND, x_ND, [f"{name}_{way}"]) == {f"{name}_{way}": 0.75}


def test_mexa_counts_ties_as_misses() -> None:
    x_ND = vectors((1, 0), (1, 0), (0, 1))
    assert measure(x_ND, x_ND, ["mexa"]) == {"mexa": pytest.approx(1 / 3)}


def test_hubness_by_hand() -> None:
    """One of three targets is the nearest of all sources: N_1 = (3, 0, 0), skewness 1/sqrt(2)."""
    x_ND, y_ND = vectors((1, 0.1), (1, 0), (1, -0.1)), vectors((1, 0), (0, 1), (0, -1))
    pair = Pair.of(x_ND, y_ND)
    assert hubness(pair, "forward", k=1) == pytest.approx(1 / math.sqrt(2))
    assert alignment.neighbours.never_retrieved(pair, "forward", k=1) == pytest.approx(2 / 3)


def test_no_hubs_where_all_rows_are_retrieved_equally() -> None:
    assert hubness(Pair.of(torch.eye(3), torch.eye(3)), k=1) == 0.0


def test_mutual_knn_by_hand() -> None:
    """Two close couples on a circle; exchanging one partner of each leaves no row its nearest neighbour."""
    x_ND = on_circle(0, 10, 50, 65)
    assert mutual_knn(Pair.of(x_ND, x_ND), k=1) == 1.0
    assert mutual_knn(Pair.of(x_ND, x_ND[[0, 2, 1, 3]]), k=1) == 0.0


def test_rotation_leaves_no_procrustes_residual() -> None:
    x_ND, _ = draw(0)
    rotation_DD = torch.linalg.qr(draw(1, 12, 12)[0]).Q
    assert measure(x_ND, 5 * x_ND @ rotation_DD + 3, ["procrustes_residual"]) == {
        "procrustes_residual": pytest.approx(0, abs=1e-9)
    }


def test_displacement_by_hand() -> None:
    """Translations 5 and 0 away: the mean is 2.5, in units of the mean source norm 2 it is 1.25."""
    x_ND, y_ND = vectors((1, 0), (3, 0)), vectors((4, 4), (3, 0))
    assert alignment.displacements(x_ND, y_ND).tolist() == [5.0, 0.0]
    assert alignment.displacements(x_ND, y_ND, "linf").tolist() == [4.0, 0.0]
    assert measure(x_ND, y_ND, ["relative_displacement"]) == {"relative_displacement": 1.25}
    assert alignment.displacement_ratio(x_ND, y_ND, 2.0) == 1.25
    assert alignment.displacement_ratio(x_ND, y_ND, torch.tensor([10.0, 1.0])) == 0.25
    assert alignment.share_within_radius(x_ND, y_ND, 4.9) == 0.5
    assert alignment.share_within_radius(x_ND, y_ND, 5.0) == 1.0


# --- limits the sources state ---------------------------------------------------------------------------------------


def test_isoscore_is_near_one_when_isotropic_and_zero_on_a_line() -> None:
    generator = torch.Generator().manual_seed(0)
    ball_ND = torch.randn(20_000, 5, generator=generator)
    line_ND = torch.randn(500, 1, generator=generator) * torch.tensor([[1.0, -2.0, 0.5, 0.0, 3.0]]) + 7
    disk_ND = ball_ND * torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
    scores = [measure(v, v, ["isoscore"])["isoscore"] for v in (ball_ND, disk_ND, line_ND)]
    # Two of five dimensions used evenly: (2 - 1)/(5 - 1).
    assert scores == [pytest.approx(1, abs=0.01), pytest.approx(0.25, abs=1e-3), pytest.approx(0, abs=1e-6)]


def test_debiased_cka_of_unrelated_gaussians_is_zero_on_average_and_plain_cka_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    pairs = [torch.randn(2, 30, 90, generator=generator) for _ in range(60)]
    values = [measure(x, y, ["linear_cka", "linear_cka_debiased"]) for x, y in pairs]
    debiased = np.array([value["linear_cka_debiased"] for value in values])
    assert abs(debiased.mean()) < 3 * debiased.std(ddof=1) / math.sqrt(len(debiased))
    assert np.mean([value["linear_cka"] for value in values]) == pytest.approx(90 / (90 + 30), abs=0.03)


def test_language_probe_finds_an_offset_and_nothing_else() -> None:
    x_ND, y_ND = draw(5, 400, 20)
    assert language_probe(Pair.of(x_ND, y_ND + 3)) > 0.95
    assert 0.4 < language_probe(Pair.of(x_ND, y_ND)) < 0.6


def test_rsa_in_bins_is_exact_to_six_digits_in_a_narrow_cone() -> None:
    """All cosines lie above 0.9997, beyond the upper layers of any encoder."""
    x_ND, y_ND = draw(6, 300, 32, offset=100.0)
    assert cosine_matrix(x_ND.numpy(), x_ND.numpy()).min() > 0.9997
    assert measure(x_ND, y_ND, ["rsa"])["rsa"] == pytest.approx(rsa(x_ND.numpy(), y_ND.numpy()), abs=1e-6)


@pytest.mark.parametrize(("spread", "tolerance"), [(0.05, 1e-6), (0.01, 1e-6), (0.0005, 1e-4)])
def test_rsa_in_a_narrow_cone_beside_an_outlier_is_scipys(spread: float, tolerance: float) -> None:
    x_ND, y_ND = beside_an_outlier(spread)
    expected = rsa(x_ND.numpy(), y_ND.numpy())
    assert 0.7 < expected < 0.95
    assert measure(x_ND, y_ND, ["rsa"])["rsa"] == pytest.approx(expected, abs=tolerance)


def beside_an_outlier(spread: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x_ND, noise_ND = (torch.randn(200, 16, generator=generator, dtype=torch.float64) for _ in range(2))
    x_ND = spread * x_ND + 5
    x_ND[0] = -x_ND[0]
    return x_ND, x_ND + spread / 2 * noise_ND


# --- ties, blocks, sharing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_candidates", "k"), [(5, 5), (40, 3), (2500, 11), (3001, 1)])
def test_top_k_is_a_stable_sort_cut_off(n_candidates: int, k: int) -> None:
    """Small integers tie all over the place."""
    scores_QC = torch.randint(0, 50, (64, n_candidates), generator=torch.Generator().manual_seed(k)).float()
    expected = scores_QC.sort(dim=1, descending=True, stable=True)
    nearest = top_k(scores_QC, k)
    assert torch.equal(nearest.values_QK, expected.values[:, :k])
    assert torch.equal(nearest.indices_QK, expected.indices[:, :k])


def test_blocks_do_not_move_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    x_ND, y_ND = draw(6, 150)
    whole = measure(x_ND, y_ND)
    for constant, value in {"HELD_ROWS": 0, "BLOCK_CELLS": 1, "BLOCK_ROWS": 7}.items():
        monkeypatch.setattr(cosines, constant, value)
    assert measure(x_ND, y_ND) == {name: pytest.approx(value, abs=1e-9) for name, value in whole.items()}


class LargestTensor(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches the number of elements of every tensor an operation returns."""

    n_elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        returned = func(*args, **(kwargs or {}))
        for value in returned if isinstance(returned, tuple | list) else (returned,):
            if isinstance(value, Tensor):
                self.n_elements = max(self.n_elements, value.numel())
        return returned


def test_rsa_beside_an_outlier_is_the_same_held_or_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x_ND, y_ND = beside_an_outlier(0.01)
    held = measure(x_ND, y_ND, ["rsa"])["rsa"]
    for constant, value in {"HELD_ROWS": 0, "BLOCK_CELLS": 1, "BLOCK_ROWS": 7}.items():
        monkeypatch.setattr(cosines, constant, value)
    assert measure(x_ND, y_ND, ["rsa"])["rsa"] == pytest.approx(held, abs=1e-9)


def test_many_rows_never_make_a_square_matrix() -> None:
    n_rows = 8193
    x_ND, y_ND = draw(7, n_rows, 8)
    with LargestTensor() as largest:  # type: ignore[no-untyped-call]
        values = measure(x_ND.float(), y_ND.float(), ["csls_p1", "mutual_knn", "rsa"])
    assert largest.n_elements < n_rows**2 / 50
    assert values["csls_p1"] > 10 / n_rows


def test_languages_and_layers_in_one_sweep_equal_one_by_one() -> None:
    x_LND = torch.stack([draw(seed)[0] for seed in (1, 2)])
    targets: dict[str, Tensor | list[Tensor]] = {
        "de": torch.stack([draw(seed)[1] for seed in (1, 2)]),
        "sw": [draw(seed)[1] for seed in (8, 9)],
    }
    found = {
        (row.layer, row.language): row.values
        for row in measure_languages(x_LND, targets, ["csls_p1", "rsa", "linear_cka"])
    }
    assert found == {
        (layer, language): measure(x_LND[layer], y_LND[layer], ["csls_p1", "rsa", "linear_cka"])
        for layer in (0, 1)
        for language, y_LND in targets.items()
    }


def test_what_a_cloud_computed_is_computed_once() -> None:
    x_ND, y_ND = draw(1)
    source = Cloud(x_ND)
    pairs = [Pair(source, Cloud(y_ND)), Pair(source, Cloud(y_ND + 1))]
    kept = {id(pair.source.nearest(10).indices_QK) for pair in pairs} | {
        id(source.scatter_DD),
        id(pairs[1].source.scatter_DD),
    }
    assert len(kept) == 2
    assert pairs[0].nearest("forward", 10) is pairs[0].nearest("forward", 10)


def test_half_precision_is_read_as_single() -> None:
    x_ND, y_ND = (v.half() for v in draw(2))
    assert measure(x_ND, y_ND) == measure(x_ND.float(), y_ND.float())


# --- names and refusals ---------------------------------------------------------------------------------------------


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'clss_p1'.*did you mean 'csls_p1'\?.*linear_cka"):
        measure(*draw(0), ["clss_p1"])


def test_a_colon_names_a_function_elsewhere() -> None:
    x_ND, y_ND = draw(0)
    name = "suite.alignment.similarity:rsa"
    assert measure(x_ND, y_ND, [name]) == {name: ALIGNMENT["rsa"](x_ND, y_ND)}


@pytest.mark.parametrize(
    "name", ["suite.nowhere:f", "suite.alignment:nothing", "suite.alignment:ALIGNMENT", ":", "a b:c"]
)
def test_a_colon_name_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="alignment metric"):
        resolve(name)


@pytest.mark.parametrize(
    ("x_ND", "y_ND", "message"),
    [
        (torch.ones(3, 2), torch.ones(4, 2), "translate each other"),
        (torch.ones(3, 2), torch.ones(3, 5), "translate each other"),
        (torch.ones(1, 2), torch.ones(1, 2), "at least 2 rows"),
        (torch.ones(3), torch.ones(3), "matrix"),
        (torch.ones(3, 2, dtype=torch.int64), torch.ones(3, 2), "floating-point"),
        (torch.ones(3, 2), torch.ones(3, 2).double(), "precision"),
        (torch.tensor([[1.0, math.nan], [1, 1]]), torch.ones(2, 2), "row 0"),
        (torch.ones(2, 2), torch.tensor([[1.0, 1], [math.inf, 1]]), "y_ND must be finite.*row 1"),
    ],
)
def test_what_is_no_pair_of_languages_is_refused(x_ND: Tensor, y_ND: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(x_ND, y_ND, ["cosine_p1"])


@pytest.mark.parametrize("name", ["cosine_p1", "cosine_gap", "rsa", "anisotropy", "mutual_knn"])
def test_a_zero_vector_has_no_cosine(name: str) -> None:
    x_ND, y_ND = draw(0)
    y_ND[17] = 0
    x_ND[17] = 0
    with pytest.raises(ValueError, match=r"1 zero rows, the first is row 17; drop"):
        measure(x_ND, y_ND, [name])


@pytest.mark.parametrize(
    "name", ["linear_cka", "linear_cka_debiased", "isoscore", "procrustes_residual", "language_probe"]
)
def test_rows_that_all_agree_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"vectors that differ"):
        measure(torch.ones(20, 4), torch.ones(20, 4), [name])


@pytest.mark.parametrize(
    "name",
    ["linear_cka", "linear_cka_debiased", "isoscore", "procrustes_residual", "rsa", "cosine_gap_centred"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_language_collapsed_to_one_vector_is_refused_however_its_mean_rounds(name: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x_ND, y_ND = (torch.randn(1, 8, generator=generator).to(dtype).expand(50, 8) for _ in range(2))
    with pytest.raises(ValueError, match=r"differ|zero rows"):
        measure(x_ND, y_ND, [name])


def test_a_probe_of_one_vector_for_both_languages_is_refused_however_its_mean_rounds() -> None:
    x_ND = torch.randn(1, 8, generator=torch.Generator().manual_seed(0)).expand(50, 8)
    with pytest.raises(ValueError, match="vectors that differ"):
        measure(x_ND, x_ND, ["language_probe"])


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_debiased_cka_of_rows_that_are_equally_far_apart_is_refused(rotated: bool, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    y_ND = torch.randn(12, 12, generator=generator, dtype=dtype)
    x_ND = torch.linalg.qr(y_ND).Q if rotated else torch.eye(12, dtype=dtype)
    with pytest.raises(ValueError, match="distances between rows, which must differ; those of x_ND"):
        measure(x_ND, y_ND, ["linear_cka_debiased"])


@pytest.mark.parametrize(
    ("name", "n_rows", "message"),
    [
        ("mutual_knn", 11, "at least 12 rows; got 11"),
        ("hubness", 10, "at least 11 rows; got 10"),
        ("never_retrieved", 10, "at least 11 rows; got 10"),
        ("linear_cka_debiased", 3, "at least 4 rows; got 3"),
        ("rsa", 2, "must differ"),
    ],
)
def test_too_few_rows_are_refused(name: str, n_rows: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(*draw(0, n_rows), [name])


def test_the_ratio_margin_refuses_negative_neighbourhoods() -> None:
    x_ND = vectors((1, 0), (1, 0.1))
    with pytest.raises(ValueError, match="use csls_p1"):
        measure(x_ND, -x_ND, ["margin_p1"])


def test_isotropy_needs_two_dimensions() -> None:
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        measure(*draw(0, 20, 1), ["isoscore"])


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf, torch.ones(3), torch.zeros(60)])
def test_a_radius_is_positive_and_finite(radius: float | Tensor) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        alignment.displacement_ratio(*draw(0), radius)


def test_a_bad_ridge_or_a_language_short_of_layers_is_refused() -> None:
    x_ND, y_ND = draw(0)
    with pytest.raises(ValueError, match="positive ridge"):
        language_probe(Pair.of(x_ND, y_ND), ridge=0.0)
    with pytest.raises(ValueError, match="needs 1 layers; de has 2"):
        list(measure_languages([x_ND], {"de": [y_ND, y_ND]}))
