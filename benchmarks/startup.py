"""How long `suite --help` takes against an interpreter that does nothing: whole processes in turn.

.venv/bin/python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "suite --help": [sys.executable, "-m", "suite", "--help"],
}
RUNS = 15


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print both medians and the ratio."""
    times = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(RUNS + 2)][2:]
    for name in COMMANDS:
        print(f"  {name:<16}{1000 * statistics.median(run[name] for run in times):7.0f} ms")
    ratios = [run["suite --help"] / run["python -c pass"] for run in times]
    print(f"  suite --help takes {statistics.median(ratios):.1f} x an empty interpreter, median of {RUNS} pairs")


if __name__ == "__main__":
    main()
