"""Rows of which no example can be made: refused unless an entry expects them, then left out and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from suite.tasks.reading import Table


def usable(found: Sequence[str | None], droppable: Collection[str], where: str, *, unit: str = "row") -> list[int]:
    """Places of the rows without a defect.

    Args:
        found: The defect of every row of a file, or none.
        droppable: Defects that the entry expects.
        where: The file, as errors call it.
        unit: What a row is.

    Raises:
        ValueError: one line with counts: a defect that is not expected, or no row left.
    """
    bad = {i: defect for i, defect in enumerate(found, start=1) if defect and defect not in droppable}
    if bad:
        first = f"{'row' if unit == 'row' else 'number'} {next(iter(bad))}"
        raise ValueError(
            f"{where}: no example can be made of {len(bad)} of {len(found)} {unit}s ({_counted(bad.values())}), the "
            f"first is {first}; repair the file"
        )
    keep = [i for i, defect in enumerate(found) if not defect]
    if not keep:
        raise ValueError(f"{where}: no {unit} is left of {len(found)}; get the file anew")
    return keep


def check_unique(ids: Sequence[str], where: str) -> None:
    """Refuse rows of which two have one id, as a ValueError of one line with counts."""
    repeated = len(ids) - len({*ids})
    if repeated:
        raise ValueError(f"{where}: ids are unique, {repeated} of {len(ids)} are repeated; repair the file")


def dropped(found: Sequence[str | None], *, unit: str = "row") -> tuple[int, str]:
    """How many rows have a defect, and the words for it with the count of each."""
    defects = [defect for defect in found if defect]
    return len(defects), f"{len(defects)} of {len(found)} {unit}s dropped ({_counted(defects)})"


def note_on(table: Table, counts: Iterable[tuple[int, str]]) -> str:
    """What notes say of a file: of some counts those above 0, each in its words, then what was odd in reading it."""
    return named_note(table.name, (*(words for count, words in counts if count), *table.oddities))


def named_note(name: str, said: Sequence[str]) -> str:
    """What was said of a file after its name; empty where nothing was."""
    return f"{name}: {' and '.join(said)}" if said else ""


def _counted(defects: Iterable[str]) -> str:
    return ", ".join(f"{kind}: {n}" for kind, n in sorted(Counter(defects).items()))
