"""What an entry of the catalogue has from its repository, whatever kind of task it is."""

from __future__ import annotations

from suite.tasks.source import HubSource
from suite.tasks.types import Load, LoadParallel, Task, TaskKind


def source_task(
    source: HubSource,
    *,
    kind: TaskKind,
    metric: str,
    load: Load,
    parallel_text: LoadParallel,
    parallel: bool = False,
    benchmarks: tuple[str, ...] = (),
    variant_of: str = "",
    trained_on: str = "",
) -> Task:
    """A task whose name, labels, languages, licence and splits are those of its source; the rest as `Task` has it."""
    return Task(
        name=source.name,
        kind=kind,
        labels=source.labels,
        languages=tuple(source.configurations),
        metric=metric,
        licence=source.licence,
        source=source.stated,
        parallel=parallel,
        splits=tuple(source.splits),
        benchmarks=benchmarks,
        variant_of=variant_of,
        trained_on=trained_on,
        xtreme_folder=source.xtreme.folder if source.xtreme else "",
        sources=(source,),
        load=load,
        parallel_text=parallel_text,
    )


def pivot_of(source: HubSource, parallel: bool) -> str | None:
    """The language whose items all others translate: the first of a parallel task, of another none."""
    return next(iter(source.configurations)) if parallel else None


def check_parallel_text(source: HubSource, parallel: bool, given: LoadParallel | None) -> None:
    """Refuse a task that neither is parallel nor names its parallel text, as a ValueError."""
    if given is None and not parallel:
        raise ValueError(f"task {source.name!r} is not parallel, so it names where its parallel_text comes from")
