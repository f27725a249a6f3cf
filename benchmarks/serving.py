"""How soon `suite ui` answers and what memory it takes, against `mlflow server` as it comes.

    python benchmarks/serving.py [--runs 100] [--without-peer]

Both serve a copy of one sqlite database with RUNS tracked runs of some 150 metrics. Printed, one after the other on one
machine: seconds from the command to the first answer of /health; then memory of all processes, before and after an
experiment was opened (the page and its files, the experiment, a page of 100 runs, the histories of two metrics, as a
browser asks for them). USS is memory that ending the processes would free, RSS counts shared pages once per process.
The peer, which starts four workers and job runners, takes about a minute. Contract: `suite ui` answers within 15 s, and
takes less than 0.5 GB (USS) after an experiment was opened.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
SECONDS, BYTES = 15.0, 500e6
"""What `suite ui` promises."""
LIMIT = 300.0
"""Seconds after which a server is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of a process and all it started, bytes."""

    processes: int
    uss: int
    rss: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one server took."""

    seconds: float
    """To the first answer."""
    ready: Memory
    opened: Memory


def main() -> None:
    """Measure both and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--without-peer", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="suite-benchmark-") as folder:
        homes = [Path(folder) / name for name in ("ours", "peer")]
        fill(homes[0], arguments.runs)
        shutil.copytree(homes[0], homes[1])
        ours = serve([sys.executable, "-m", "suite", "ui", "--port"], homes[0])
        show("suite ui", ours)
        kept = ours.seconds < SECONDS and ours.opened.uss < BYTES
        print(f"contract: within {SECONDS:.0f} s and under {BYTES / 1e9:.1f} GB: {'kept' if kept else 'broken'}")
        if not arguments.without_peer:
            peer = serve([sys.executable, "-m", "mlflow", "server", "--port"], homes[1])
            show("mlflow server", peer)
            print(
                f"its time / ours {peer.seconds / ours.seconds:.1f}x, memory {peer.opened.uss / ours.opened.uss:.1f}x"
            )


def show(name: str, served: Served) -> None:
    """Print one server's lines."""
    print(f"{name}: first answer after {served.seconds:.1f} s")
    for when, memory in (("ready", served.ready), ("experiment opened", served.opened)):
        sizes = f"USS {memory.uss / 1e9:.2f} GB, RSS {memory.rss / 1e9:.2f} GB"
        print(f"  {when:<20}{memory.processes:>3} processes, {sizes}")


def fill(home: Path, runs: int) -> None:
    """A database with that many runs, by the suite's own tracker."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from tracking_studies import make_record, make_spec, make_study, save_run

    from suite.tracking import Tracker

    study = make_study(home / "study")
    folders = [save_run(make_record(make_spec(study, "adversarial", seed=seed)), home) for seed in range(runs)]
    with Tracker(f"sqlite:///{home / 'mlflow.db'}", study.name) as tracker:
        tracker.sync(folders)


def serve(command: list[str], home: Path) -> Served:
    """Start a server, wait for it, open an experiment, stop it."""
    port = free_port()
    unset = ("MLFLOW_TRACKING_URI", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION")
    environment = {k: v for k, v in os.environ.items() if k not in unset} | {
        "PYTHONPATH": str(ROOT),
        "SUITE_HOME": str(home),
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{home / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    begun = time.perf_counter()
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(port)], env=environment, stdout=log, stderr=log, cwd=home, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        while not answers(url):
            if process.poll() is not None or time.perf_counter() - begun > LIMIT:
                sys.exit((home / "log").read_text()[-2000:])
            time.sleep(0.1)
        seconds, ready = time.perf_counter() - begun, memory_of(process.pid)
        open_experiment(url)
        return Served(seconds=seconds, ready=ready, opened=memory_of(process.pid))
    finally:
        stop(process)


def free_port() -> int:
    """A port nobody listens on."""
    from suite.tracking.server import _free_port

    return _free_port()


def answers(url: str) -> bool:
    """Whether /health says so."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return answer.status == 200
    except (OSError, urllib.error.HTTPError):
        return False


def memory_of(number: int) -> Memory:
    """Of a process and everything below it."""
    root, found = psutil.Process(number), []
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            found.append(process.memory_full_info())
    return Memory(processes=len(found), uss=sum(f.uss for f in found), rss=sum(f.rss for f in found))


def open_experiment(url: str) -> None:
    """Ask for what a browser does."""
    page = get(f"{url}/").decode()
    for path in re.findall(r'(?:src|href)="(?:\./|/)?(static-files/[^"]+)"', page):
        get(f"{url}/{path}")
    found = ask(url, "experiments/search", {"max_results": 25})["experiments"]
    number = max(int(one["experiment_id"]) for one in found)
    get(f"{url}/ajax-api/2.0/mlflow/experiments/get?experiment_id={number}")
    runs = ask(url, "runs/search", {"experiment_ids": [str(number)], "max_results": 100})["runs"]
    for metric in ("train/loss", "validation.accuracy/en"):
        which = "&".join(f"run_id={run['info']['run_id']}" for run in runs)
        get(f"{url}/ajax-api/2.0/mlflow/metrics/get-history-bulk?{which}&metric_key={metric}&max_results=25000")


def get(url: str) -> bytes:
    """The body of an answer."""
    with urllib.request.urlopen(url, timeout=120) as answer:
        return bytes(answer.read())


def ask(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A JSON question and its answer."""
    request = urllib.request.Request(
        f"{url}/ajax-api/2.0/mlflow/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return dict(json.loads(get(request)))  # type: ignore[arg-type]  # urlopen takes both


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and all it started."""
    below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    for one in (*below, process):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            one.kill()


if __name__ == "__main__":
    main()
