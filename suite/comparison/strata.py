"""Blocks of scores joined item by item: translations, and an item with its perturbed form, count once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Per-seed, per-item values of one block, the weight of its mean, and which items they are of."""

    where: str
    """Language, empty where the same id in two languages is the same item."""
    items: tuple[str, ...]
    values_SN: NDArray[np.float64]
    weight: float


def join_items(blocks: Sequence[Weighted]) -> list[NDArray[np.float64]]:
    """Weighted sums of the blocks that share items, one matrix [S, n] per group of them.

    The sum of the matrices' means is the weighted sum of the blocks' means: a block that has only some of its group's n
    items counts n / n_block times for those and 0 for the others.
    """
    return [_summed([blocks[i] for i in kin]) for kin in kindred([(block.where, block.items) for block in blocks])]


def kindred(blocks: Sequence[tuple[str, tuple[str, ...]]]) -> list[list[int]]:
    """Places of the blocks that share items, group by group; of each block `Weighted.where` and `Weighted.items`.

    Two blocks without an item in common are of one group where others join them.
    """
    groups: list[list[int]] = []
    for place, block in enumerate(blocks):
        kin = [group for group in groups if _shares_items([blocks[i] for i in group], block)]
        # A block may join groups that had nothing in common so far.
        groups = [group for group in groups if group not in kin] + [[*(i for group in kin for i in group), place]]
    return groups


def _shares_items(group: Sequence[tuple[str, tuple[str, ...]]], block: tuple[str, tuple[str, ...]]) -> bool:
    (where, first), (place, items) = group[0], block
    if where != place:
        return False
    # Equal tuples are told at once, as parallel blocks share theirs; sets are for the blocks that have only some items.
    return first == items or any(not set(own).isdisjoint(items) for _, own in group)


def _summed(group: Sequence[Weighted]) -> NDArray[np.float64]:
    first = group[0]
    if are_one_to_one([block.items for block in group]):
        total_SN = first.weight * first.values_SN
        for block in group[1:]:
            total_SN += block.weight * block.values_SN
        return total_SN
    return _scattered(group)


def are_one_to_one(items: Sequence[tuple[str, ...]]) -> bool:
    """Whether blocks have the same items in the same order, each once."""
    return all(own == items[0] for own in items) and len(set(items[0])) == len(items[0])


def numbered(items: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """The distinct items of several blocks, in order; each one's place is its number."""
    return {item: i for i, item in enumerate(dict.fromkeys(item for own in items for item in own))}


def _scattered(group: Sequence[Weighted]) -> NDArray[np.float64]:
    """The sum where blocks have different items, or one item several times."""
    index = numbered([block.items for block in group])
    total_SN = np.zeros((group[0].values_SN.shape[0], len(index)))
    for block in group:
        columns = [index[item] for item in block.items]
        np.add.at(total_SN.T, columns, block.weight * len(index) / len(columns) * block.values_SN.T)
    return total_SN


def only(block: Weighted, items: Sequence[str]) -> Weighted:
    """The block on these items alone, or whole when it has none of them (a subset with items of its own)."""
    wanted = set(items)
    keep = [i for i, item in enumerate(block.items) if item in wanted]
    if not keep:
        return block
    return replace(block, items=tuple(block.items[i] for i in keep), values_SN=block.values_SN[:, keep])


def not_among(block: Weighted, items: Sequence[str]) -> Weighted:
    """The block without these items; some are left."""
    left = set(items)
    keep = [i for i, item in enumerate(block.items) if item not in left]
    return replace(block, items=tuple(block.items[i] for i in keep), values_SN=block.values_SN[:, keep])
