"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """The cache of converted checkpoints: `SUITE_CACHE`, or one in the repository, so that conversion is paid once."""
    default = Path(__file__).resolve().parent.parent / ".cache" / "suite"
    return Path(os.environ.setdefault("SUITE_CACHE", str(default)))
