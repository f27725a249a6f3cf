"""How the records of a study refuse what breaks a law."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ConfigDict

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Records take known keys of the right type only."""


def law(holds: bool, message: str) -> None:
    """Refuse what breaks a law; the message begins with the field's name, so that a path can go before it."""
    if not holds:
        raise ValueError(message)


@contextmanager
def at_key(place: str) -> Iterator[None]:
    """Name the key of the study file that a fault is at."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
