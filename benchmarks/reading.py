"""How long it takes to list, compare and export 1,000 finished runs, against `mlflow.search_runs` on the same runs.

    python benchmarks/reading.py [--scales 5] [--seeds 50] [--items 100] [--without-peer]

A study of SCALES x 4 methods x SEEDS refits with 208 metrics each, four subsets in eleven languages, ITEMS predictions
in each, and two tuning trials per scale and method; numbers are made up, files and databases are real. Every figure is
of a process of its own, imports not counted, the first with nothing made before (`cold`), the second when all stands
(`warm`: the suite has its receipts; MLflow keeps nothing). Files are in the system's cache both times.

The suite lists (reads every record that belongs to the study), compares (reads predictions, tests, writes results) and
exports (every table and figure). The peer lists: it returns a DataFrame of the same metrics, params and tags from a
sqlite database, opened directly, the faster way. One run is logged by MLflow's client and its rows are copied in SQL
for the others with their numbers. Contract: the suite's three together take less than 10 s, cold too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = 10.0
"""Seconds."""
EXPERIMENT = "finished"
STAGES = ("list", "compare", "export")


def main() -> None:
    """Build the study, time each part in processes of its own, print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scales", type=int, default=5, help="1 to 12")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--items", type=int, default=100, help="predictions in each language and subset")
    parser.add_argument("--without-peer", action="store_true")
    parser.add_argument("--part", choices=("suite", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps({"suite": read, "peer": search}[arguments.part](arguments.home)))
        return
    with tempfile.TemporaryDirectory(prefix="suite-benchmark-") as folder:
        runs = build(Path(folder), arguments.scales, arguments.seeds, arguments.items)
        ours = [in_process("suite", Path(folder)) for _ in range(2)]
        peers = []
        if not arguments.without_peer:
            load_peer(Path(folder))
            peers = [in_process("peer", Path(folder)) for _ in range(2)]
    show(runs, ours, peers)


def show(runs: int, ours: list[dict[str, float]], peers: list[dict[str, float]]) -> None:
    """Print the table."""
    together = [sum(own[stage] for stage in STAGES) for own in ours]
    print(f"{runs} runs; seconds{'cold':>27}{'warm':>9}")
    for stage in STAGES:
        print(f"  {stage:<32}{ours[0][stage]:>9.2f}{ours[1][stage]:>9.2f}")
    print(f"  {'together':<32}{together[0]:>9.2f}{together[1]:>9.2f}")
    if peers:
        print(f"  {'mlflow.search_runs, lists only':<32}{peers[0]['list']:>9.2f}{peers[1]['list']:>9.2f}")
        for what, own in (("its time / ours, listing", [run["list"] for run in ours]), ("... / all three", together)):
            print(f"  {what:<32}{peers[0]['list'] / own[0]:>8.1f}x{peers[1]['list'] / own[1]:>8.1f}x")
    print(f"contract: under {CONTRACT:.0f} s: {'kept' if max(together) < CONTRACT else 'broken'}")


def in_process(part: str, home: Path) -> dict[str, float]:
    """What one part reports from a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--home", str(home)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SUITE_HOME": str(home), "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("SUITE_STORAGE", None)
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def timed(act: Callable[[], object]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def build(home: Path, scales: int, seeds: int, items: int) -> int:
    """A study whose runs have ended; returns how many refits it has."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from finished_studies import finish_study, write_study

    study = finish_study(write_study(home, scales=scales, seeds=seeds), home, items)
    return len(study.scale) * len(study.method) * len(study.refit.seeds)


def read(home: Path) -> dict[str, float]:
    """Seconds of the suite's three stages, as its command line does them; packages are imported before."""
    for name in ("matplotlib.figure", "pyarrow.parquet", "suite.comparison", "suite.report", "suite.tuning"):
        importlib.import_module(name)
    from suite.pipeline import Pipeline
    from suite.plan import plan
    from suite.report.figures import figures
    from suite.study_file import load_study

    figures()
    pipeline = Pipeline.of(plan(load_study(home / "finished.toml")))
    return {
        "list": timed(pipeline.records),
        "compare": timed(pipeline.compare),
        "export": timed(lambda: pipeline.export(home / "results")),
    }


def search(home: Path) -> dict[str, float]:
    """Seconds in which MLflow lists the same refits as a DataFrame."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{home / 'peer.db'}")
    mlflow.get_experiment_by_name(EXPERIMENT)  # opens the store
    found = []
    seconds = timed(lambda: found.append(mlflow.search_runs(experiment_names=[EXPERIMENT], max_results=50_000)))
    if found[0].filter(like="metrics.").isna().to_numpy().any():
        raise AssertionError("every run has every metric; the copied rows are wrong")
    return {"list": seconds, "runs": len(found[0])}


def load_peer(home: Path) -> None:
    """Put the refits into MLflow's tables: one by its client, the others as copies of its rows with their numbers."""
    from mlflow.tracking import MlflowClient

    from suite.tracking import metrics_of
    from suite.tracking.mirror import Mirror

    records = list(refits(home))
    uri = f"sqlite:///{home / 'peer.db'}"
    mirror = Mirror(uri, EXPERIMENT, None, None)
    first = mirror.start(records[0].spec)
    mirror.log_points(first, {(name, 0): value for name, value in metrics_of(records[0]).items()})
    MlflowClient(uri).set_terminated(first)
    with sqlite3.connect(home / "peer.db") as database:
        for number, record in enumerate(records[1:]):
            copy_run(database, first, f"{number:032x}", metrics_of(record))


def refits(home: Path) -> Iterator[object]:
    """The records of every refit."""
    from suite.records import load_record

    for folder in sorted((home / "finished" / "runs").glob("refit-*")):
        yield load_record(folder / "record.json")


def copy_run(database: sqlite3.Connection, first: str, name: str, values: dict[str, float]) -> None:
    """The rows of a run under another id, each metric with its own value."""
    for table in ("runs", "metrics", "latest_metrics", "params", "tags"):
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        rows = [
            dict(zip(columns, r, strict=True))
            for r in database.execute(f"SELECT * FROM {table} WHERE run_uuid=?", [first])
        ]
        for row in rows:
            row["run_uuid"] = name
            if table.endswith("metrics"):
                row["value"] = values[row["key"]]
        marks = ", ".join("?" for _ in columns)
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", [list(row.values()) for row in rows])


if __name__ == "__main__":
    main()
