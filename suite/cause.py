"""What an error comes from."""

from __future__ import annotations


def root_of(error: BaseException) -> BaseException:
    """The error that others were raised from: what a driver says of a full disk, not what libraries make of it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
