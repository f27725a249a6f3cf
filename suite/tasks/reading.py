"""Tables of hub repositories as they are stored, by way of `datasets`: data files only, never code of a repository."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.tasks.cache import cache_root
from suite.tasks.source import HubSource
from suite.tasks.text_column import TextColumn, map_tables

if TYPE_CHECKING:
    import pyarrow

MAPPED_ROWS = 20_000
"""Rows from which columns of text stay in their file."""
BATCH_ROWS = 10_000
"""Rows handed over at once: the 392,702 rows of XNLI's training set take 2.5 s, one at a time 14.6 s."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """The columns of one file that an entry names, wherever they were read."""

    where: str
    """What errors call it: repository, configuration and split, or the path of a file."""
    name: str
    """What notes call it."""
    source: str
    """Repository and revision, or whose directory it lies in, as reports give it."""
    columns: Mapping[str, Sequence[Any]]
    """Every column that the entry names, row by row."""
    oddities: tuple[str, ...] = ()
    """What was undone in reading it or is odd about the file, with counts."""


def read_hub(source: HubSource, language: str, split: str, hub_root: Path | None) -> Table:
    """One configuration and split of a repository, from the hub or from `<hub root>/<repository>`.

    Args:
        source: The repository and its columns.
        language: One of the source's.
        split: Of the repository.
        hub_root: Local hub mirror.

    Raises:
        ValueError: one line: an absent mirror, repository, configuration or split, a repository that is gated or out of
            reach, a damaged file, missing columns.
    """
    configuration = source.configurations[language]
    name = f"{configuration}/{split}"
    table = _table(source.repository, source.revision, configuration, split, hub_root)
    wanted = dict.fromkeys((*source.text_columns, *source.other_columns))
    missing = [column for column in wanted if column not in table.column_names]
    if missing:
        raise ValueError(
            f"{source.repository} {name}: lacks the columns {missing}, it has {sorted(table.column_names)}; correct "
            f"the entry of {source.name!r} or get the published file"
        )
    where = f"{source.repository} {name}"
    columns = {column: _values(table, column, where) for column in wanted}
    return Table(where=where, name=name, source=source.stated, columns=columns)


def _values(table: pyarrow.Table, column: str, where: str) -> Sequence[Any]:
    import pyarrow as pa

    if len(table) >= MAPPED_ROWS and table.schema.field(column).type in (pa.string(), pa.large_string()):
        with suppress(pa.ArrowInvalid):
            table[column].validate(full=True)  # of UTF-8, which is otherwise found where it is decoded
            return TextColumn(table[column])
    try:
        found: list[Any] = table[column].to_pylist()
    except UnicodeDecodeError as error:
        bad = f"byte 0x{error.object[error.start]:02x}, {error.reason}"
        raise ValueError(f"{where}: column {column!r} has text that is not UTF-8 ({bad}); get the file anew") from None
    return found


@lru_cache(maxsize=128)
def _table(
    repository: str, revision: str | None, configuration: str, split: str, hub_root: Path | None
) -> pyarrow.Table:
    mirror = None if hub_root is None else hub_root / repository
    if mirror is None:
        _check_reach(repository, revision)
    elif not mirror.is_dir():
        raise ValueError(f"the hub mirror {hub_root} has no repository {repository}; add it there or unset SUITE_HUB")
    try:
        with _quiet():
            return _load(repository if mirror is None else str(mirror), configuration, split, revision)
    except (ValueError, OSError, RuntimeError) as error:
        place = mirror or f"{repository} on the hub"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = (
            "copy what the hub has there, or unset SUITE_HUB"
            if mirror
            else "set SUITE_HUB to a local mirror that has it"
        )
        raise ValueError(f"cannot read {configuration}/{split} from {place}: {reason.rstrip('.')}; {remedy}") from None


@lru_cache(maxsize=128)
def _check_reach(repository: str, revision: str | None) -> None:
    """One request for a repository's README, because the download repeats a failing one for 24 s.

    Raises:
        ValueError: one line: the hub is out of reach, or the repository gated, renamed or unknown.
    """
    import huggingface_hub as hub
    from huggingface_hub import errors

    if hub.is_offline_mode():
        return  # what was downloaded before is read from the cache
    url = hub.hf_hub_url(repository, "README.md", repo_type="dataset", revision=revision)
    try:
        hub.get_hf_file_metadata(url)
    except errors.EntryNotFoundError:
        return  # a repository may lack a README
    except errors.GatedRepoError:
        reason = f"it is gated: ask for access at {url.partition('/resolve/')[0]} and set HF_TOKEN"
    except errors.RevisionNotFoundError:
        reason = f"it has no revision {revision}: correct the entry's revision"
    except errors.RepositoryNotFoundError:
        reason = "there is none that you may read (renamed, private or gone): correct the entry's repository"
    except (OSError, ValueError, errors.HTTPError) as error:  # type: ignore[attr-defined]  # httpx's, not listed
        reason = f"the hub is out of reach ({type(error).__name__}): set HF_HUB_OFFLINE=1 to read what was had before"
    else:
        return
    raise ValueError(f"cannot read {repository} from the hub, {reason}, or set SUITE_HUB to a local mirror that has it")


def _load(path: str, configuration: str, split: str, revision: str | None) -> pyarrow.Table:
    """A repository on the hub, kept in the cache, or a directory, read anew.

    `datasets` names its copy of a directory's data by the directory alone and would not see that a file was replaced.
    """
    from datasets import load_dataset

    if Path(path).is_dir():
        stream = load_dataset(path, configuration, split=split, streaming=True).with_format("arrow")
        return map_tables(stream.iter(batch_size=BATCH_ROWS))
    cache = str(cache_root() / "datasets")
    whole = load_dataset(path, configuration, split=split, revision=revision, cache_dir=cache).with_format("arrow")
    table: pyarrow.Table = whole[:]
    return table


@contextmanager
def _quiet() -> Iterator[None]:
    """Bars and lines of a library do not belong among those of a study; they are as they were afterwards."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from datasets.utils.logging import CRITICAL, get_verbosity, set_verbosity

    bars, verbosity = not are_progress_bars_disabled(), get_verbosity()
    disable_progress_bars()
    set_verbosity(CRITICAL)  # a damaged file is told by the error
    try:
        yield
    finally:
        set_verbosity(verbosity)
        if bars:
            enable_progress_bars()
