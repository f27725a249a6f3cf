"""The layout of docs/architecture.md as a test: imports point down, and services have one importer each."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import suite

ROOT = Path(suite.__file__).parent
FLOORS = [
    {
        *(
            "naming",
            "law",
            "cause",
            "ownership",
            "canonical",
            "comparison_spec",
            "evaluation_spec",
            "trial_spec",
            "spec",
            "study_file",
        ),
        *("records", "results", "look_log", "scores"),
        *("palette", "stats"),
    },
    {"seeding", "batch", "methods", "alignment"},
    {"tasks", "models", "kinds"},
    {
        "checkpoint",
        "schedule",
        "training",
        "attacks",
        "evaluation",
        "texts",
        "workspace",
        "assembly",
        "provenance",
        "trial",
    },
    {
        "storage",
        "receipts",
        "running",
        "plan",
        "plan_task",
        "part",
        "probe",
        "tuning",
        "tracking",
        "comparison",
        "report",
        "pipeline",
        "replay",
        "archive",
        "working",
        "executors",
    },
    {"console", "cli", "__main__"},
]
FLOOR = {module: height for height, modules in enumerate(FLOORS) for module in modules}
FILES = sorted(ROOT.rglob("*.py"))
ALLOWED_AT_THE_BOTTOM = {"numpy", "scipy", "pydantic"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.append(node.module or "")
            if node.module == "suite":
                found += [f"suite.{alias.name}" for alias in node.names if (ROOT / alias.name).exists()]
    return found


def test_every_module_stands_on_a_floor() -> None:
    modules = {module_of(path) for path in FILES} - {"__init__"}
    assert modules == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    here = module_of(path)
    if here == "__init__":
        return
    for name in imports(path):
        if name.startswith("suite."):
            there = name.split(".")[1]
            assert FLOOR[there] <= FLOOR[here], f"{here} (floor {FLOOR[here]}) imports {there} (floor {FLOOR[there]})"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_bottom_floor_knows_no_more_than_numpy_scipy_and_pydantic(path: Path) -> None:
    import sys

    if FLOOR.get(module_of(path)) != 0:
        return
    roots = {name.split(".")[0] for name in imports(path)}
    assert roots <= ALLOWED_AT_THE_BOTTOM | {"suite"} | set(sys.stdlib_module_names)


@pytest.mark.parametrize(("package", "home"), [("optuna", "tuning"), ("mlflow", "tracking")])
def test_a_service_has_one_importer(package: str, home: str) -> None:
    importers = {module_of(p) for p in FILES if any(n.split(".")[0] == package for n in imports(p))}
    assert importers == {home}


def test_only_the_command_line_prints() -> None:
    printers = {
        module_of(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printers <= {"cli"}


def test_modules_of_one_floor_do_not_import_each_other_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for path in FILES:
        here = module_of(path)
        for node in ast.parse(path.read_text()).body:  # at import time only; functions may look back lazily
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("suite."):
                there = str(node.module).split(".")[1]
                if there != here:
                    edges.setdefault(here, set()).add(there)

    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        return any(n == goal or (n not in seen and reaches(n, goal, seen | {n})) for n in edges.get(start, set()))

    assert not [m for m in edges if reaches(m, m, set())]
