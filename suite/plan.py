"""What a study resolves to, and whether all it names exists: everything that can be refused is refused here."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.law import at_key
from suite.methods import check_hyperparameters, hyperparameters, resolve_method
from suite.models.checkpoints import CheckpointFacts, check_checkpoint
from suite.models.repositories import HubUnreachableError, NotMirroredError
from suite.plan_task import check_task
from suite.spec import StudySpec
from suite.tasks import Task, subsets_left_out
from suite.tasks.xtreme import xtreme_root
from suite.trial_spec import MethodSpec, Range, Scalar, Scale, Value
from suite.workspace import check_device, hub_root

DISK_BYTES_PER_RUN = 2_000_000
"""Record, predictions, spool and tracking database of one run, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A study as it will be run."""

    study: StudySpec
    task: Task
    scales: tuple[Scale, ...]
    methods: tuple[MethodSpec, ...]
    unreached: tuple[str, ...] = ()
    """Checkpoints of the chosen scales that are not on this machine while the hub does not answer: all else has been
    checked."""
    unmirrored: tuple[str, ...] = ()
    """Why checkpoints of the chosen scales cannot be read that are pinned on the hub and that the mirror has not."""

    @property
    def left_out(self) -> dict[str, str]:
        """Named subsets that are not defined for the task, to what they are defined for."""
        return subsets_left_out(self.study.evaluation, self.task)

    @property
    def tuning_runs(self) -> int:
        """Tuning trials of the chosen scales and methods."""
        return len(self.scales) * len(self.methods) * self.study.tune.trials

    @property
    def refit_runs(self) -> int:
        """Refits of the chosen scales and methods."""
        return len(self.scales) * len(self.methods) * len(self.study.refit.seeds)

    @property
    def runs(self) -> int:
        """Every run, the looks at untouched checkpoints included."""
        return self.tuning_runs + self.refit_runs + len(self.scales)


def plan(study: StudySpec, scales: tuple[str, ...] = (), methods: tuple[str, ...] = ()) -> Plan:
    """Resolve a study (or a part of it) and check everything it names without loading weights or texts.

    Raises:
        ValueError: one line with the law, the value and the remedy.
    """
    root = hub_root(study.hub)
    if root is not None and not root.is_dir():
        raise ValueError(f"the hub mirror {root} is not a directory; set SUITE_HUB or the study's `hub`, or drop it")
    xtreme_root()  # refuses a directory that does not exist
    check_device()
    task = check_task(study)
    found = {scale.name: _check_scale(study, scale, root) for scale in study.scale}
    _check_alignment(study)
    _check_disk(study, [facts for facts in found.values() if isinstance(facts, CheckpointFacts)])
    chosen_scales = tuple(study.find_scale(name) for name in dict.fromkeys(scales)) or study.scale
    chosen_methods = tuple(study.find_method(name) for name in dict.fromkeys(methods)) or study.method
    of_chosen = [(scale.checkpoint, found[scale.name]) for scale in chosen_scales]
    return Plan(
        study=study,
        task=task,
        scales=chosen_scales,
        methods=chosen_methods,
        unreached=tuple(dict.fromkeys(name for name, facts in of_chosen if isinstance(facts, HubUnreachableError))),
        unmirrored=tuple(dict.fromkeys(str(facts) for _, facts in of_chosen if isinstance(facts, NotMirroredError))),
    )


def _check_scale(
    study: StudySpec, scale: Scale, root: Path | None
) -> CheckpointFacts | HubUnreachableError | NotMirroredError:
    """What is known of a scale's checkpoint; why nothing is, where it is not here and may well exist."""
    facts: CheckpointFacts | HubUnreachableError | NotMirroredError
    layers = scale.layers
    try:
        facts = check_checkpoint(scale.checkpoint, revision=scale.revision, layers=scale.layers, hub_root=root)
    except HubUnreachableError as error:
        facts = error
    except NotMirroredError as error:
        facts = NotMirroredError(f"scale {scale.name!r}: {error}")
    except ValueError as error:
        raise ValueError(f"scale {scale.name!r}: {error}") from None
    if isinstance(facts, CheckpointFacts):
        _check_length(study, scale, facts)
        _check_layer(study, scale, facts)
        layers = facts.layers
    for number, method in enumerate(study.method):
        with at_key(f"method[{number}]"):
            check_method(method, layers)
    return facts


def _check_length(study: StudySpec, scale: Scale, facts: CheckpointFacts) -> None:
    if facts.positions is not None and study.train.max_length > facts.positions:
        raise ValueError(
            f"scale {scale.name!r}: train.max_length is at most the {facts.positions} positions of {scale.checkpoint}, "
            f"got {study.train.max_length}; lower it"
        )


def _check_layer(study: StudySpec, scale: Scale, facts: CheckpointFacts) -> None:
    layer = study.evaluation.retrieval_layer
    if layer is not None and layer > facts.layers:
        raise ValueError(
            f"scale {scale.name!r}: evaluation.retrieval_layer is at most its {facts.layers} layers, got {layer}"
        )


def check_method(method: MethodSpec, layers: int | None) -> None:
    """Hold every corner of a method's search space to its signature and laws."""
    annotations = {name: p.annotation for name, p in hyperparameters(resolve_method(method.name)).items()}
    for corner in _corners(method, annotations):
        check_hyperparameters(method.name, corner, layers=layers)


def _corners(method: MethodSpec, annotations: dict[str, type]) -> Iterator[dict[str, Scalar]]:
    ends = {name: _ends(value, annotations.get(name)) for name, value in method.parameters.items()}
    # Laws bind hyperparameters one by one, so the lowest together, the highest together and each choice once suffice.
    yield {name: values[0] for name, values in ends.items()}
    for extra in itertools.zip_longest(*ends.values()):
        yield {
            name: values[0] if value is None else value
            for (name, values), value in zip(ends.items(), extra, strict=True)
        }


def _ends(value: Value, kind: type | None) -> tuple[Scalar, ...]:
    if isinstance(value, Range):
        return (float(value.low), float(value.high)) if kind is float else (value.low, value.high)
    return value if isinstance(value, tuple) else (value,)


def _check_alignment(study: StudySpec) -> None:
    from suite.alignment import check_metric

    for number, metric in enumerate(study.alignment.metrics):
        with at_key(f"alignment.metrics[{number}]"):
            check_metric(metric)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # a name that no disk takes
        raise ValueError(f"SUITE_HOME is a folder, {path} cannot be one ({error.strerror}); choose another") from None


def _check_disk(study: StudySpec, encoders: Sequence[CheckpointFacts]) -> None:
    from suite.storage import home

    folder = next(path for path in (home(), *home().parents) if _exists(path))
    if not folder.is_dir():
        raise ValueError(f"SUITE_HOME is a folder, and {folder} is a file; set SUITE_HOME to a folder of yours")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"SUITE_HOME is written to, but {folder} cannot be; set SUITE_HOME to a folder of yours")
    runs = len(study.scale) * (len(study.method) * (study.tune.trials + len(study.refit.seeds)) + 1)
    # A checkpoint holds weights and two moments, 4 bytes each; a layer has 12 D^2, a trimmed table up to some 100,000
    # rows (15 languages of XNLI). The last one is replaced only when the next is whole.
    checkpoints = [24 * (12 * facts.layers * facts.hidden**2 + 100_000 * facts.hidden) for facts in encoders]
    needed, free = runs * DISK_BYTES_PER_RUN + max(checkpoints, default=0), shutil.disk_usage(folder).free
    if free < needed:
        raise ValueError(
            f"{runs} runs need about {needed / 1e6:.0f} MB under {folder}, {free / 1e6:.0f} MB are free; "
            "make room or set SUITE_HOME to another disk"
        )
