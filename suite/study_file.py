"""Study files: TOML, three levels at most, read strictly. Every fault is told on one line with its exact path.

A typo or a wrong type is refused with the nearest known name; the laws themselves are in the records.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Callable
from datetime import date, time
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from suite.comparison_spec import ClaimsFile, ComparisonSpec, PublishedClaim
from suite.evaluation_spec import EvaluationSpec, ExternalSpec
from suite.naming import nearest
from suite.spec import RefitSpec, StudySpec, TuneSpec
from suite.trial_spec import AlignmentSpec, MethodSpec, Range, Scale, TaskSpec, TrainSpec


def load_study(path: Path) -> StudySpec:
    """Read and validate a study file.

    Raises:
        ValueError: one line naming the file, the exact path of the key, the law and the remedy.
    """
    table = _read(path, "study")
    try:
        return _STUDY.validate_json(json.dumps(_fold_parameters(table)))
    except ValidationError as error:
        raise ValueError(f"{path}: {_explain(error)}") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise ValueError(f"{path}: {error}") from None


def _read(path: Path, kind: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        day = _find(table, lambda value: isinstance(value, date | time))
        big = _find(table, lambda value: isinstance(value, int) and not -(2**63) <= value < 2**63)
    except FileNotFoundError:
        raise ValueError(f"no {kind} file at {path}") from None
    except OSError as error:
        raise ValueError(f"the {kind} file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    except RecursionError:
        raise ValueError(
            f"{path} is no {kind} file: three levels are its deepest, and it goes on for hundreds"
        ) from None
    if day:
        raise ValueError(f"{path}: {_path(day)}: dates and times have no place in a {kind} file; quote what is a text")
    if big:
        raise ValueError(f"{path}: {_path(big)}: a whole number is below 2^63, as TOML has them; write a smaller one")
    return table


def load_claims(path: Path) -> tuple[PublishedClaim, ...]:
    """Read a file of published claims: `[[claim]]` tables and nothing else.

    Raises:
        ValueError: as `load_study`.
    """
    try:
        return _CLAIMS.validate_json(json.dumps(_read(path, "claims"))).claim
    except ValidationError as error:
        raise ValueError(f"{path}: {_explain(error, ClaimsFile)}") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise ValueError(f"{path}: {error}") from None


def _find(value: Any, wanted: Callable[[Any], bool], loc: tuple[int | str, ...] = ()) -> tuple[int | str, ...] | None:
    """Where the first such value stands."""
    if wanted(value):
        return loc
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((found for key, item in inner if (found := _find(item, wanted, (*loc, key)))), None)


def _fold_parameters(table: dict[str, Any]) -> dict[str, Any]:
    """Move a method's own keys under `parameters`: the file stays flat, the record stays strict."""
    methods = table.get("method")
    if not isinstance(methods, list):
        return table
    return {**table, "method": [_fold(m) if isinstance(m, dict) else m for m in methods]}


def _fold(method: dict[str, Any]) -> dict[str, Any]:
    name = {"name": method["name"]} if "name" in method else {}
    return {**name, "parameters": {k: v for k, v in method.items() if k != "name"}}


def _explain(error: ValidationError, record: type = StudySpec) -> str:
    """Every distinct fault on one line: path, law, value, and the nearest known name of a typo.

    Where several kinds of value may stand, each kind complains: what is wrong deepest inside is what was meant.
    """
    places: dict[str, list[Any]] = {}
    for fault in error.errors(include_url=False):
        places.setdefault(_path(fault["loc"]), []).append(fault)
    deepest = [place for place in places if not any(p.startswith((f"{place}.", f"{place}[")) for p in places)]
    return "; ".join(_describe(places[place], place, record) for place in deepest)


def _path(loc: tuple[int | str, ...]) -> str:
    """`("scale", 1, "chekpoint")` as `scale[1].chekpoint`, without pydantic's union tags."""
    written = ""
    for place, part in enumerate(loc):
        if isinstance(part, int):
            written += f"[{part}]"
        elif place and (part in _UNION_TAGS or part.startswith(("tuple[", "literal[")) or part == "parameters"):
            continue
        else:
            key = part if part.replace("-", "_").isidentifier() else repr(part)
            written += f".{key}" if written else key
    return written


_UNION_TAGS = {"bool", "int", "float", "str", "Range"}
_KINDS = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "tuple_type": "a list",
    "dataclass_type": "a table",
    "finite_number": "finite",
}


def _describe(faults: list[Any], where: str, record: type) -> str:
    fault = next((f for f in faults if f["type"] in ("value_error", "finite_number")), faults[0])
    if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        siblings = _known_keys(fault["loc"][:-1], record)
        guess = nearest(str(fault["loc"][-1]), siblings)
        meant = f"; did you mean {guess!r}?" if guess else f"; known here: {', '.join(siblings)}"
        return f"{where}: unknown key{meant}"
    if fault["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{where}: required key is missing"
    if fault["type"] == "value_error":
        law, names = str(fault["ctx"]["error"]), "Range" not in fault["loc"]
        return f"{where}{'.' if names else ': '}{law}" if where else law
    wanted = ["finite"] if fault["type"] == "finite_number" else _wanted(faults)
    listed = where in ("scale", "method", "claim", "evaluation.external") and isinstance(fault["input"], dict)
    plural = f"; write [[{where}]]" if listed else ""
    return f"{where}: should be {' or '.join(wanted)}, got {_shown(fault['input'])}{plural}"


def _wanted(faults: list[Any]) -> list[str]:
    """What may stand at a place, in words of TOML."""
    kinds = dict.fromkeys(_KINDS.get(f["type"], f["msg"].removeprefix("Input should be ")) for f in faults)
    return [kind for kind in kinds if kind != "a whole number" or "a number" not in kinds]


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _known_keys(loc: tuple[int | str, ...], record: Any) -> list[str]:
    """Keys known at the place of an error, by walking the field types from the outermost record."""
    for part in loc:
        if isinstance(part, int) or part in _UNION_TAGS - {"Range"}:
            continue
        record = _RECORDS.get(part, Range if part == "Range" or record is MethodSpec else record)
    return [f.name for f in dataclasses.fields(record)]


_RECORDS: dict[str | int, Any] = {
    "task": TaskSpec,
    "scale": Scale,
    "method": MethodSpec,
    "train": TrainSpec,
    "tune": TuneSpec,
    "refit": RefitSpec,
    "evaluation": EvaluationSpec,
    "external": ExternalSpec,
    "alignment": AlignmentSpec,
    "comparison": ComparisonSpec,
    "claim": PublishedClaim,
}
_STUDY = TypeAdapter(StudySpec)
_CLAIMS = TypeAdapter(ClaimsFile)
