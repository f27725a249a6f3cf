"""Laws of what things may cost, where a count says it: none of them is timed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tracking_studies import make_record, make_spec, make_study, save_run

from suite.records import Progress
from suite.tracking import Server, Tracker, is_uploaded, start_server
from suite.tracking.tracker import FLUSH_SECONDS

REQUESTS = 13
"""Of a run besides its curves: found twice and made, told its params and its ending, data sets, files, views."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("served")
    with start_server(f"sqlite:///{home / 'mlflow.db'}", home, port=0) as running:
        yield running


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a server is asked what; every request still goes out."""
    counted: Counter[str] = Counter()
    send = requests.Session.request

    def request(self: requests.Session, method: str, url: str, *words: Any, **named: Any) -> requests.Response:
        counted[f"{method} {url.partition('/api/')[2].partition('?')[0]}"] += 1
        return send(self, method, url, *words, **named)

    monkeypatch.setattr(requests.Session, "request", request)
    return counted


def test_a_run_costs_a_fixed_number_of_requests_however_long_its_curve(
    server: Server, asked: Counter[str], tmp_path: Path
) -> None:
    study = make_study(tmp_path)
    with Tracker(server.url, "requests") as tracker:
        for seed in (1, 2):  # the first also makes the experiment
            spec = make_spec(study, "adversarial", seed=seed)
            folder = save_run(make_record(spec), tmp_path / "runs")
            asked.clear()
            begun = time.monotonic()
            tracker.start(spec)
            for step in range(1, 301):
                tracker.progress(spec, Progress(step=step, steps=300, metrics={"train/loss": 1 / step}))
            tracker.finish(make_record(spec), folder)
            while not is_uploaded(folder, server.url):
                assert time.monotonic() - begun < 60
                time.sleep(0.02)
            flushes = (time.monotonic() - begun) / FLUSH_SECONDS + 1
    assert sum(asked.values()) <= REQUESTS + flushes, asked
    assert asked["POST 2.0/mlflow/runs/log-batch"] <= 2 + flushes, "final values of a run travel together"


def test_the_pages_are_served_by_a_process_without_torch() -> None:
    """Which `suite ui` would keep in memory for as long as it runs."""
    code = """
        import sys
        import suite.cli, suite.console, suite.storage, suite.study_file
        import suite.tracking.address, suite.tracking.links, suite.tracking.server
        from pathlib import Path
        from suite.cli.stages import _dashboard
        assert _dashboard(suite.study_file.load_study(Path("studies/quickstart.toml"))).startswith("optuna-dashboard ")
        print([name for name in ("torch", "mlflow", "numpy", "transformers") if name in sys.modules])
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
