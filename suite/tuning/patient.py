"""A storage on another host or in another process, which may restart and whose connections may be cut.

Everything that the suite asks of Optuna passes here, so here is where it is asked again. A call that failed may have
been carried out, with only its answer lost. Reading, and writing a value under a name or a step, may be repeated as it
is. A trial that is made, and a trial that ends, must not: what is there is looked at first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from suite.tuning.outage import Outage, T


def spare(storage: BaseStorage, act: Callable[[], object], *, probe: bool = False) -> bool:
    """Do what is made good later, unless the storage is away; says whether it was done."""
    if isinstance(storage, Patient):
        return storage.outage.spare(act, probe)
    act()
    return True


def last_return(storage: BaseStorage) -> float:
    """When a storage came back from being away, by the monotonic clock; minus infinity where it never was."""
    return storage.outage.returned if isinstance(storage, Patient) else -math.inf


class Patient(BaseStorage):
    """Waits for the storage behind it."""

    def __init__(self, storage: BaseStorage, outage: Outage) -> None:
        self.storage = storage
        self.outage = outage

    def _ask(self, call: Callable[..., T], *arguments: Any) -> T:
        answer = self.outage.ask(call, *arguments)
        self.outage.end()
        return answer

    # What must not be done twice

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Make a trial like the template, unless an attempt whose answer was lost has made it.

        A claim holds its owner's token, so no other is like it. Trials that wait to be drawn are alike, and who made
        one does not matter. Without a template nothing tells one trial from another, so nothing is repeated.
        """
        if template_trial is None:
            return self.storage.create_new_trial(study_id)
        attempts = 0

        def create() -> int:
            nonlocal attempts
            attempts += 1
            made = self._like(study_id, template_trial) if attempts > 1 else None
            return self.storage.create_new_trial(study_id, template_trial) if made is None else made

        return self._ask(create)

    def _like(self, study_id: int, template: FrozenTrial) -> int | None:
        wanted = template.state, template.user_attrs, template.system_attrs
        for trial in self.storage.get_all_trials(study_id, deepcopy=False):
            if (trial.state, trial.user_attrs, trial.system_attrs) == wanted:
                return trial._trial_id
        return None

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Begin or end a trial; one that has ended just so was told by an attempt whose answer was lost."""
        try:
            return self._ask(self.storage.set_trial_state_values, trial_id, state, values)
        except UpdateFinishedTrialError:
            there = self.get_trial(trial_id)
            if there.state is not state or there.values != (None if values is None else list(values)):
                raise
            return True

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Make a study; DuplicatedStudyError where it is there, by whomever."""
        return self._ask(self.storage.create_new_study, directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """Delete a study."""
        self.storage.delete_study(study_id)

    # What is the same however often it is written

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Write an attribute of a study."""
        self._ask(self.storage.set_study_user_attr, study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Write an attribute of a study."""
        self._ask(self.storage.set_study_system_attr, study_id, key, value)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Write a parameter of a trial."""
        self._ask(self.storage.set_trial_param, trial_id, param_name, param_value_internal, distribution)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Write a point of a trial's curve."""
        self._ask(self.storage.set_trial_intermediate_value, trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write an attribute of a trial."""
        self._ask(self.storage.set_trial_user_attr, trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write an attribute of a trial."""
        self._ask(self.storage.set_trial_system_attr, trial_id, key, value)

    # What is read

    def get_study_id_from_name(self, study_name: str) -> int:
        """The id of a study."""
        return self._ask(self.storage.get_study_id_from_name, study_name)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """A study's attributes."""
        return self._ask(self.storage.get_study_user_attrs, study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """A study's attributes."""
        return self._ask(self.storage.get_study_system_attrs, study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        """Every study."""
        return self._ask(self.storage.get_all_studies)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """A study's trials by number."""
        return self._ask(self.storage.get_all_trials, study_id, deepcopy, states)

    # What Optuna may answer from memory, which says nothing of the storage

    def get_study_name_from_id(self, study_id: int) -> str:
        """The name of a study."""
        return self.outage.ask(self.storage.get_study_name_from_id, study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """What a study optimises."""
        return self.outage.ask(self.storage.get_study_directions, study_id)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """The id of a trial."""
        return self.outage.ask(self.storage.get_trial_id_from_study_id_trial_number, study_id, trial_number)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial."""
        return self.outage.ask(self.storage.get_trial, trial_id)
