"""Fixtures that several test files share."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# One thread a process, before anything imports torch: tests run side by side, one process for each core, and most of
# their encoders are so small that a second thread only waits for the first. What tests start inherits it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

if TYPE_CHECKING:
    from team_server import Postgres


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


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    """A PostgreSQL of the module's own."""
    from team_server import postgres, postgres_binaries

    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL on this machine (apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="pip install '.[postgresql]'")
    with postgres(binaries) as running:
        yield running


_SLOWEST = ("faults", "study", "executors", "worker", "ui", "team_server", "tracking", "model")
"""Files of a minute and more, which begin first: a process that began one of them last would be waited for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first, all others as they come."""
    rank = {f"test_{name}.py": place for place, name in enumerate(_SLOWEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


_SURVIVED: Counter[str] = Counter()
"""Faults that were survived in the processes of tests that run side by side."""


def _survived() -> Counter[str]:
    """Faults that were survived in this process, by kind."""
    tested = sys.modules.get("fault_studies")
    return Counter() if tested is None else Counter(tested.SURVIVED)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand them to the process that prints, where this one does not."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["survived"] = dict(_survived())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take them from a process that has ended."""
    _SURVIVED.update(getattr(node, "workeroutput", {}).get("survived", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many faults were survived, where that was tested."""
    survived = _survived() + _SURVIVED
    if survived:
        kinds = ", ".join(f"{number} x {kind}" for kind, number in survived.items())
        terminalreporter.write_line(f"{survived.total()} faults survived: {kinds}")
