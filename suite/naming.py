"""Names people read: the nearest known name to a typo, and the one grammar of metric names.

MLflow's charts group at the last slash, so what is compared side by side comes last:
`test.char-noise.accuracy/de`, `alignment.csls_p1.layer-4/de`, `train/loss`, `zero_shot/mean`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to a mistyped one, or none when nothing is close."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The one-line error for a name that is not among the known ones."""
    names = list(known)
    guess = nearest(name, names)
    meant = f"did you mean {guess!r}? Known" if guess else "known"
    return f"unknown {kind} {name!r}; {meant}: {', '.join(names) or 'none'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricName:
    """The parts of a metric's name; writing and parsing are inverse where no part has a dot of its own."""

    family: str
    """`train`, `validation`, `test`, `alignment` or `zero_shot`."""
    metric: str
    """`loss`, `accuracy`, `macro_f1`, `csls_p1`, ...; empty for `zero_shot`, which is of the study's metric."""
    subset: str = ""
    """Adversarial subset, empty for the clean split."""
    layer: int | None = None
    """Transformer layer of an alignment statistic; 0 is the embedding output."""
    last: str
    """What is compared side by side: a language, `mean`, `gap`, or a training quantity."""

    def write(self) -> str:
        """The name as logged to MLflow."""
        layer = "" if self.layer is None else f"layer-{self.layer}"
        parts = [self.family, self.subset, self.metric, layer]
        return ".".join(p for p in parts if p) + "/" + self.last


METRIC_FAMILIES = ("train", "validation", "test", "alignment", "zero_shot")


def metric_name(family: str, last: str, *, metric: str = "", subset: str = "clean", layer: int | None = None) -> str:
    """Write a metric's name; the clean split is not spelt out."""
    return MetricName(
        family=family, metric=metric, subset="" if subset == "clean" else subset, layer=layer, last=last
    ).write()


def parse_metric_name(name: str) -> MetricName:
    """Read a metric's name back; ValueError when it is not of the grammar."""
    head, slash, last = name.rpartition("/")
    family, *middle = head.split(".")
    if not slash or not last or family not in METRIC_FAMILIES:
        raise ValueError(f"a metric name is FAMILY[.SUBSET][.METRIC][.layer-N]/LAST, got {name!r}")
    layer = int(middle.pop().removeprefix("layer-")) if middle and _LAYER.fullmatch(middle[-1]) else None
    metric = middle.pop() if middle and family != "zero_shot" else ""
    return MetricName(family=family, metric=metric, subset=".".join(middle), layer=layer, last=last)


_LAYER = re.compile(r"layer-(0|[1-9][0-9]*)")
