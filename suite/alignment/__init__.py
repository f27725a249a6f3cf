"""Alignment statistics: how a multilingual encoder places translations, by layer and language pair.

    from suite.alignment import ALIGNMENT, measure

    measure(x_ND, y_ND, ["csls_p1", "linear_cka"])  # {"csls_p1": 0.93, "linear_cka": 0.81}

A metric is a function of a `Pair` and an entry of `METRICS` in the file of its family. The pair computes what metrics
share (unit vectors, cosines, neighbours, second moments) at the first request, so that asking for all of them costs
little more than the dearest one.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.alignment import displacement, geometry, neighbours, probe, retrieval, similarity
from suite.alignment.cloud import Cloud
from suite.alignment.displacement import displacement_ratio, displacements, share_within_radius
from suite.alignment.metric import AlignmentMetric, Direction, Invariance
from suite.alignment.pair import Pair
from suite.naming import unknown

ALIGNMENT: dict[str, AlignmentMetric] = {
    **retrieval.METRICS,
    **similarity.METRICS,
    **neighbours.METRICS,
    **geometry.METRICS,
    **probe.METRICS,
    **displacement.METRICS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerAlignment:
    """The metrics of one layer and one target language."""

    layer: int
    """Position in the sequence of layers given."""
    language: str
    values: dict[str, float]


def resolve(name: str) -> AlignmentMetric:
    """The metric of a name in `ALIGNMENT`, or of `package.module:attribute`.

    The attribute is an `AlignmentMetric`, or a function of a `Pair`, of which then nothing is declared.

    Raises:
        ValueError: an unknown name, or an attribute that cannot be imported or called.
    """
    if name in ALIGNMENT:
        return ALIGNMENT[name]
    if ":" not in name:
        raise ValueError(unknown("alignment metric", name, ALIGNMENT))
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"alignment metric {name!r} must name package.module:function; {error}; check the path"
        ) from error
    if isinstance(found, AlignmentMetric):
        return found
    if not callable(found):
        raise ValueError(
            f"alignment metric {name!r} must be a function of a Pair; got {type(found).__name__}; pass one"
        )
    return AlignmentMetric(
        function=found, optimum=None, higher_is_better=True, invariances=frozenset(), centred=False, unit=""
    )


def check_metric(name: str) -> None:
    """Resolve a metric, and measure random vectors with one that comes from elsewhere, before a study depends on it.

    Raises:
        ValueError: as `resolve`, or a function of something else than a `Pair`, or of which no number comes.
    """
    metric = resolve(name)
    if name in ALIGNMENT:
        return
    draw = torch.Generator().manual_seed(0)
    try:
        float(metric.function(Pair.of(torch.randn(32, 8, generator=draw), torch.randn(32, 8, generator=draw))))
    except Exception as error:  # whatever somebody's function does with a pair
        raise ValueError(
            f"alignment metric {name!r} must be a function of a Pair that gives a number; of random vectors it gives "
            f"{type(error).__name__} ({error}); pass such a function"
        ) from error


def measure(x_ND: Tensor, y_ND: Tensor, metrics: Iterable[str] | None = None) -> dict[str, float]:
    """Measure row-aligned source and target vectors, sharing the work between metrics; all metrics by default.

    Raises:
        ValueError: an unknown metric (before any work), or vectors a metric is not defined on.
    """
    return _measure(Pair.of(x_ND, y_ND), _resolve_all(metrics))


def measure_languages(
    source_LND: Sequence[Tensor] | Tensor,
    targets_LND: Mapping[str, Sequence[Tensor] | Tensor],
    metrics: Iterable[str] | None = None,
) -> Iterator[LayerAlignment]:
    """Measure every layer and target language, layer by layer; the source side of a layer is computed once.

    Vectors are given per layer [N, D], as a tensor [L, N, D] or a sequence; one layer's matrices are held at a time.

    Raises:
        ValueError: as `measure`, or a language with another number of layers.
    """
    resolved, n_layers = _resolve_all(metrics), len(source_LND)
    for language, target_LND in targets_LND.items():
        if len(target_LND) != n_layers:
            raise ValueError(f"every language needs {n_layers} layers; {language} has {len(target_LND)}; encode alike")
    for layer in range(n_layers):
        source = Cloud(source_LND[layer], name=f"source of layer {layer}")
        for language, target_LND in targets_LND.items():
            pair = Pair(source, Cloud(target_LND[layer], name=f"{language} of layer {layer}"))
            yield LayerAlignment(layer=layer, language=language, values=_measure(pair, resolved))


def _resolve_all(metrics: Iterable[str] | None) -> dict[str, AlignmentMetric]:
    return dict(ALIGNMENT) if metrics is None else {name: resolve(name) for name in metrics}


def _measure(pair: Pair, metrics: Mapping[str, AlignmentMetric]) -> dict[str, float]:
    return {name: metric.function(pair) for name, metric in metrics.items()}


__all__ = [
    "ALIGNMENT",
    "AlignmentMetric",
    "Cloud",
    "Direction",
    "Invariance",
    "LayerAlignment",
    "Pair",
    "check_metric",
    "displacement_ratio",
    "displacements",
    "measure",
    "measure_languages",
    "resolve",
    "share_within_radius",
]
