"""Hyperparameter search and shared work, both in an Optuna storage. The only package that imports optuna.

One Optuna study per (scale, method) holds its tuning trials; one more, the claims, says which process does what.
"""

from __future__ import annotations

from suite.tuning.claims import Claim, Claims, open_claims
from suite.tuning.search import Search, best, open_study, trial_run_ids
from suite.tuning.service import check_storage, open_storage
from suite.tuning.space import LEARNING_RATE, search_space

__all__ = [
    "LEARNING_RATE",
    "Claim",
    "Claims",
    "Search",
    "best",
    "check_storage",
    "open_claims",
    "open_storage",
    "open_study",
    "search_space",
    "trial_run_ids",
]
