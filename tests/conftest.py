"""Fixtures that several test files share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# One thread a process, before anything imports torch: tests run side by side, one process for each core, and most of
# their encoders are so small that a second thread only waits for the first. What tests start inherits it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many faults were survived, where that was tested."""
    tested = sys.modules.get("fault_studies")
    if tested is not None and tested.SURVIVED:
        kinds = ", ".join(f"{number} x {kind}" for kind, number in tested.SURVIVED.items())
        terminalreporter.write_line(f"{tested.SURVIVED.total()} faults survived: {kinds}")
