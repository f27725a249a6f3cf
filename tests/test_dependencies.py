"""Laws of the pinned set: complete, exact, of licences that go with Apache-2.0, and above the known holes."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
FREE = re.compile(
    r"Apache|BSD|MIT|ISC|PSF|Python Software Foundation|MPL|Mozilla|LGPL|CNRI|Zlib|CC0|BSL|HPND|Unlicense", re.I
)
COPYLEFT = re.compile(r"(?<!L)GPL|AGPL|SSPL|Commons Clause|non-?commercial|proprietary", re.I)
READ_BY_HAND = {"huey": "MIT", "skops": "MIT"}
"""Licences of packages whose metadata do not name theirs."""


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def required() -> dict[str, Distribution]:
    """Everything that the suite, its extras and its tests pull in, as installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    left = [Requirement(line) for line in project["dependencies"]]
    left += [Requirement(line) for extra in project["optional-dependencies"].values() for line in extra]
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        for extra in ("", *sorted(one.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                continue  # for another system or Python
            more = (Requirement(line) for line in found[name].requires or ())
            left += [need for need in more if need.marker is None or need.marker.evaluate({"extra": extra})]
    return found


def licence_of(package: Distribution) -> str:
    facts = package.metadata
    classifiers = [line for line in facts.get_all("Classifier") or [] if line.startswith("License ::")]
    first_line = (facts.get("License") or "").strip().partition("\n")[0]
    known = READ_BY_HAND.get(canonicalize_name(facts["Name"]))
    return known or facts.get("License-Expression") or " ".join([*classifiers, first_line])


def test_every_package_that_is_pulled_in_is_pinned_at_the_version_installed(
    required: dict[str, Distribution], audit: ModuleType
) -> None:
    pins = audit.read_pins(ROOT / "constraints.txt")
    assert len(required) > 100
    assert sorted(f"{name}=={required[name].version}" for name in set(required) - set(pins)) == []
    for name, package in required.items():
        assert Version(package.version).public == pins[name].public, name


def test_nothing_is_pinned_that_nobody_needs(required: dict[str, Distribution], audit: ModuleType) -> None:
    assert sorted(set(audit.read_pins(ROOT / "constraints.txt")) - set(required)) == []


def test_every_licence_goes_with_apache_2(required: dict[str, Distribution]) -> None:
    for name, package in required.items():
        licence = licence_of(package)
        assert FREE.search(licence) and not COPYLEFT.search(licence), f"{name}: {licence!r}"


def test_no_pin_has_a_hole_that_is_listed(audit: ModuleType) -> None:
    assert audit.below_floor(audit.read_pins(ROOT / "constraints.txt")) == []


def test_a_pin_below_a_floor_is_named_with_its_advisory_and_the_remedy(audit: ModuleType) -> None:
    lines = audit.below_floor({"torch": Version("2.5.1"), "jinja2": Version("3.1.6")})
    assert lines == ["torch 2.5.1 has CVE-2025-32434 (code in a checkpoint that is read); take 2.6.0 or later"]


def test_every_listed_hole_is_of_a_package_that_is_pinned(audit: ModuleType) -> None:
    floors = tomllib.loads((ROOT / ".ci" / "advisories.toml").read_text())
    assert set(floors) <= set(audit.read_pins(ROOT / "constraints.txt"))


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", "2.13.0+cpu"),
        ("seqeval-1.2.2.tar.gz", "1.2.2"),
        ("something.exe", None),
    ],
)
def test_a_version_is_read_from_the_name_of_a_file(filename: str, version: str | None, audit: ModuleType) -> None:
    assert audit.version_of(filename) == (None if version is None else Version(version))
