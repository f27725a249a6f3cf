"""Training methods, one file each. A method is a function and one entry in `METHODS`."""

from __future__ import annotations

import inspect
import math
import pkgutil
from typing import Any

from suite.methods.adversarial import ADVERSARIAL
from suite.methods.data_augmentation import DATA_AUGMENTATION
from suite.methods.interface import EMBEDDINGS, Loss, Method, Model, StepStreams, site_layer
from suite.methods.random_perturbation import RANDOM_PERTURBATION
from suite.methods.standard import STANDARD
from suite.naming import nearest, unknown

__all__ = ["METHODS", "Loss", "Method", "Model", "StepStreams", "check_hyperparameters", "resolve_method"]

METHODS: dict[str, Method] = {
    "standard": STANDARD,
    "adversarial": ADVERSARIAL,
    "random-perturbation": RANDOM_PERTURBATION,
    "data-augmentation": DATA_AUGMENTATION,
}


def resolve_method(name: str) -> Method:
    """The method of a name; a name with a colon is `package.module:attribute` outside this package.

    Raises:
        ValueError: nothing of that name; the message lists the known ones and the nearest.
    """
    if name in METHODS:
        return METHODS[name]
    if ":" not in name:
        raise ValueError(unknown("method", name, METHODS))
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"method {name!r} cannot be imported: {error}") from None
    if not isinstance(found, Method):
        raise ValueError(f"{name!r} is a {type(found).__name__}, not a suite.methods.Method")
    return found


def hyperparameters(method: Method) -> dict[str, inspect.Parameter]:
    """The hyperparameters of a method: the keyword-only parameters of its loss."""
    signature = inspect.signature(method.loss, eval_str=True)
    return {p.name: p for p in signature.parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def check_hyperparameters(name: str, given: dict[str, Any], *, layers: int | None = None) -> None:
    """Hold hyperparameters (single values) to their method's signature.

    Raises:
        ValueError: an unknown or missing name, a wrong type, or a value the method refuses.
    """
    known = hyperparameters(resolve_method(name))
    for key, value in given.items():
        if key not in known:
            guess = nearest(key, known)
            meant = f"; did you mean {guess!r}?" if guess else f"; it takes: {', '.join(known) or 'none'}"
            raise ValueError(f"method {name!r} has no hyperparameter {key!r}{meant}")
        wanted = known[key].annotation
        fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and wanted is not bool):
            raise ValueError(f"{name}.{key} is {wanted.__name__}, got {value!r}")
    missing = [k for k, p in known.items() if p.default is inspect.Parameter.empty and k not in given]
    if missing:
        raise ValueError(f"method {name!r} needs {', '.join(missing)}")
    _check_values(name, given, layers)


def _check_values(name: str, given: dict[str, Any], layers: int | None) -> None:
    """Laws that hold for a hyperparameter wherever it occurs."""
    for key, value in given.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}.{key} is finite, got {value}")
    for key in ("radius", "noise", "neighbours", "step_size"):
        if given.get(key, 0) < 0:
            raise ValueError(f"{name}.{key} is not negative, got {given[key]}")
    for key in ("steps", "samples", "copies"):
        if given.get(key, 1) < 1:
            raise ValueError(f"{name}.{key} is at least 1, got {given[key]}")
    choices = {"norm": ("l2", "linf"), "per": ("token", "sentence"), "distribution": ("gaussian", "uniform")}
    for key, values in choices.items():
        if key in given and given[key] not in values:
            raise ValueError(f"{name}.{key} is one of {', '.join(values)}, got {given[key]!r}")
    if not 0 <= given.get("clean_weight", 0) <= 1:
        raise ValueError(f"{name}.clean_weight is 0 to 1, got {given['clean_weight']}")
    site_layer(given.get("site", EMBEDDINGS), layers)
