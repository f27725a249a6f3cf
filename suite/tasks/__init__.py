"""Tasks and adversarial subsets: a catalogue of declarative entries, each an import away from its data.

Importing this package reads no data and imports neither numpy nor `datasets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suite.naming import unknown
from suite.tasks.bucc import BUCC_PAIRS
from suite.tasks.code_mixing import with_lexicon
from suite.tasks.copa import COPA, XCOPA
from suite.tasks.examples import Examples, ParallelText
from suite.tasks.external import external_subset
from suite.tasks.home_intents import HOME_INTENTS
from suite.tasks.hub import hub_task
from suite.tasks.lareqa import LAREQA
from suite.tasks.mewsli_x import MEWSLI_X
from suite.tasks.mlqa import MLQA
from suite.tasks.pan_x import PAN_X, PAN_X_DEV
from suite.tasks.paws_x import PAWS_X, PAWS_X_DEV
from suite.tasks.sib200 import SIB200
from suite.tasks.siqa import SIQA
from suite.tasks.source import HubSource, Part
from suite.tasks.squad import SQUAD, XQUAD
from suite.tasks.subsets import SUBSETS
from suite.tasks.tatoeba import TATOEBA, TATOEBA_INTO_ENGLISH
from suite.tasks.tydiqa import TYDIQA
from suite.tasks.types import Subset, Task
from suite.tasks.ud_pos import UD_POS, UD_POS_2_5
from suite.tasks.xnli import XNLI, XNLI_DEV

if TYPE_CHECKING:
    from suite.evaluation_spec import EvaluationSpec

__all__ = [
    "Examples",
    "HubSource",
    "ParallelText",
    "Part",
    "SUBSETS",
    "Subset",
    "TASKS",
    "Task",
    "hub_task",
    "resolve_subset",
    "resolve_task",
    "study_subsets",
    "subsets_left_out",
]

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        HOME_INTENTS,
        SIB200,
        XNLI,
        XNLI_DEV,
        PAWS_X,
        PAWS_X_DEV,
        PAN_X,
        PAN_X_DEV,
        UD_POS,
        UD_POS_2_5,
        SQUAD,
        XQUAD,
        MLQA,
        TYDIQA,
        COPA,
        XCOPA,
        SIQA,
        TATOEBA,
        TATOEBA_INTO_ENGLISH,
        BUCC_PAIRS,
        LAREQA,
        MEWSLI_X,
    )
}
"""Every task by name."""


def resolve_task(name: str) -> Task:
    """The task of that name, or of `package.module:attribute` (a `Task` or a function that makes one).

    Raises:
        ValueError: the name is unknown, or what it names is no task.
    """
    if ":" not in name:
        if name not in TASKS:
            raise ValueError(unknown("task", name, TASKS))
        return TASKS[name]
    found = _resolve(name, "task")
    try:
        task = found() if callable(found) else found
    except TypeError as error:
        raise ValueError(f"{name} is called without arguments and makes a suite.tasks.Task, but {error}") from None
    if not isinstance(task, Task):
        raise ValueError(f"{name} is a {type(task).__name__}, not a suite.tasks.Task nor a function that makes one")
    return task


def resolve_subset(name: str) -> Subset:
    """The subset of that name, or of `package.module:attribute`; ValueError as for tasks."""
    if ":" not in name:
        if name not in SUBSETS:
            raise ValueError(unknown("subset", name, SUBSETS))
        return SUBSETS[name]
    found = _resolve(name, "subset")
    if not isinstance(found, Subset):
        raise ValueError(f"{name} is a {type(found).__name__}, not a suite.tasks.Subset")
    return found


def study_subsets(evaluation: EvaluationSpec, task: Task) -> list[Subset]:
    """The subsets of a study that are defined for its task: those it names, with its lexicon, and those in files."""
    named = [with_lexicon(resolve_subset(name), evaluation.lexicon) for name in evaluation.subsets]
    chosen = named + [external_subset(external) for external in evaluation.external]
    return [subset for subset in chosen if _applies(subset, task)]


def subsets_left_out(evaluation: EvaluationSpec, task: Task) -> dict[str, str]:
    """The named subsets that are not defined for a task, to what they are defined for."""
    named = [(name, resolve_subset(name)) for name in evaluation.subsets]
    return {name: ", ".join(subset.defined_for) for name, subset in named if not _applies(subset, task)}


def _applies(subset: Subset, task: Task) -> bool:
    """Whether a subset is defined for a task; one of ours looks itself at the examples of a task that is not ours."""
    foreign = TASKS.get(task.name) is not task and SUBSETS.get(subset.name) is not None
    return foreign or subset.applies_to(task)


def _resolve(name: str, kind: str) -> object:
    import pkgutil

    try:
        found: object = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"cannot import the {kind} {name!r}: {error}") from None
    return found
