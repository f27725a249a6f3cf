"""Audit the pinned set: known holes, withdrawn versions. Needs the package index and nothing else.

    python .ci/audit.py [--constraints constraints.txt]

1. `advisories.toml`, kept by hand: no pin lies below the first safe version.
2. The index says of every pinned version whether it is there and not withdrawn (PEP 592, over PEP 691).
3. pip-audit, where it is installed, asks the index for its advisories; how many pins it had an answer for is printed,
   because an index that offers none would otherwise look like one that knows of none.

Exit code 1 if a pin fails one of them, 2 if the index cannot be asked.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from shutil import which

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

HERE = Path(__file__).resolve().parent
JSON = "application/vnd.pypi.simple.v1+json"
Pins = dict[str, Version]


def read_pins(path: Path) -> Pins:
    """Version by normalised name."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return {canonicalize_name(name): Version(pin) for name, _, pin in (line.partition("==") for line in lines if line)}


def below_floor(pins: Pins, path: Path = HERE / "advisories.toml") -> list[str]:
    """A line for every pin that has a hole listed by hand."""
    floors = tomllib.loads(path.read_text())
    return [
        f"{name} {pins[name]} has {floor['advisory']} ({floor['hole']}); take {floor['least']} or later"
        for name, floor in floors.items()
        if name in pins and pins[name] < Version(floor["least"])
    ]


def withdrawn(index: str, pin: tuple[str, Version]) -> str | None:
    """What is wrong with a pinned version at the index, if anything."""
    name, version = pin
    request = urllib.request.Request(f"{index.rstrip('/')}/{name}/", headers={"Accept": JSON})
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    mine = [file for file in files if version_of(file["filename"]) == version]
    if not mine:
        return f"{name} {version} is not at the index"
    if all(file.get("yanked") for file in mine):
        return f"{name} {version} was withdrawn: {mine[0]['yanked']}"
    return None


def version_of(filename: str) -> Version | None:
    """The version in the name of a wheel or source archive; None for other files."""
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        return parse_sdist_filename(filename)[1]
    except (ValueError, InvalidVersion):
        return None


def advised(constraints: Path) -> tuple[int, list[str]]:
    """Pins that pip-audit found advice on, and a line for every hole it knows."""
    tool = which("pip-audit")
    if tool is None:
        return 0, []
    command = [tool, "--requirement", str(constraints), "--no-deps", "--disable-pip", "--format", "json"]
    done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    answered = [one for one in json.loads(done.stdout)["dependencies"] if "skip_reason" not in one]
    holes = [
        f"{one['name']} {one['version']} has {hole['id']}; fixed in {', '.join(hole['fix_versions']) or 'no version'}"
        for one in answered
        for hole in one["vulns"]
    ]
    return len(answered), holes


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="hold the pinned set against known holes and withdrawn versions")
    parser.add_argument("--constraints", type=Path, default=HERE.parent / "constraints.txt")
    parser.add_argument("--index", default=os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple"))
    arguments = parser.parse_args()
    pins = read_pins(arguments.constraints)
    try:
        with ThreadPoolExecutor(8) as pool:
            gone = [line for line in pool.map(partial(withdrawn, arguments.index), pins.items()) if line]
    except (urllib.error.URLError, TimeoutError) as error:
        print(f"the package index {arguments.index} cannot be asked: {error}", file=sys.stderr)
        return 2
    answered, holes = advised(arguments.constraints)
    faults = [*below_floor(pins), *gone, *holes]
    print("\n".join(faults), end="\n" * bool(faults))
    print(f"{len(pins)} pins: {len(gone)} withdrawn or missing, {len(faults) - len(gone)} with known holes")
    print(f"the index had advisories to ask for {answered} of them")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
