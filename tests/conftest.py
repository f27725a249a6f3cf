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


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint directory of three random layers whose tokenizer reads any language."""
    from tiny import save_checkpoint

    return save_checkpoint(tmp_path_factory.mktemp("tiny") / "tiny-bert")
