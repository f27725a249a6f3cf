"""Attention on packed tokens, in padded blocks of texts of similar length.

Shape legend: T tokens, D hidden size, R texts of a block, L tokens of the longest, H heads, d = D / H, P how many of
queries, keys and values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from suite.batch import Batch, Group


def attend(q: Tensor, k: Tensor, v: Tensor, group: Group) -> Tensor:
    """Scaled dot-product attention of one block, each `[R, H, L, d]`; padding is never attended to."""
    mask = None if group.hide_BL is None else ~group.hide_BL[:, None, None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def attend_and_drop(q: Tensor, k: Tensor, v: Tensor, group: Group, mask: Tensor | None) -> Tensor:
    """The same with a dropout mask on the shares, [R, H, queries, keys]; none drops nothing."""
    scores = torch.matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-1, -2))
    if group.hide_BL is not None:
        scores = scores.masked_fill_(group.hide_BL[:, None, None, :], float("-inf"))
    shares = scores.softmax(-1)
    return torch.matmul(shares if mask is None else shares * mask, v)


def split_by_group(x_TD: Tensor, batch: Batch) -> tuple[Tensor, ...]:
    """The tokens of every block.

    The backward pass of a split joins the gradients; of slices each would fill a matrix of the whole with zeros.
    """
    return torch.split(x_TD, [group.stop - group.start for group in batch.groups])


def split_heads(block_TD: Tensor, group: Group, parts: int, heads: int) -> Tensor:
    """Queries, keys and values of a block, or some of them: [T, P x D] to [P, R, H, L, d]."""
    if group.pad_BL is not None:
        block_TD = _Pad.apply(block_TD, group.pad_BL, group.slots_T)  # type: ignore[no-untyped-call]  # torch's is
    return block_TD.view(group.rows, group.length, parts, heads, -1).permute(2, 0, 3, 1, 4)


def join_heads(mixed: Tensor, group: Group) -> Tensor:
    """What a block attended to, [R, H, L, d], as [T, D]."""
    flat = mixed.transpose(1, 2).reshape(group.rows * group.length, -1)
    return flat if group.slots_T is None else flat.index_select(0, group.slots_T)


class _Pad(torch.autograd.Function):
    """Packed tokens to a padded block; what stands in the padding is some real token, which the mask hides.

    Because the mask hides it, no gradient reaches the padding, so the backward pass is the reverse selection instead of
    PyTorch's scatter-add.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad_BL: Tensor, slots_T: Tensor) -> Tensor:
        ctx.save_for_backward(slots_T)
        return x.index_select(0, pad_BL)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad.index_select(0, ctx.saved_tensors[0]), None, None


@dataclass(frozen=True, slots=True)
class Blocks:
    """The attention of a layer, forward and backward written out: the numbers of `attend_and_drop`, bit for bit."""

    groups: Sequence[Group]
    masks: Sequence[Tensor | None]
    """Dropout mask of each block, [R, H, L, L]; none drops nothing."""
    heads: int

    def forward(self, qkv_T3D: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What every token attends to, [T, D], and what the backward pass needs."""
        out_TD = qkv_T3D.new_empty(len(qkv_T3D), qkv_T3D.shape[1] // 3)
        saved = []
        for group, mask in zip(self.groups, self.masks, strict=True):
            block = split_heads(qkv_T3D[group.start : group.stop], group, 3, self.heads)
            qkv = block.clone(memory_format=torch.contiguous_format).flatten(1, 2)
            q, k, v = qkv.unbind(0)
            q.mul_(1 / math.sqrt(q.shape[-1]))
            scores = torch.bmm(q, k.transpose(1, 2))
            if group.hide_BL is not None:
                hide = group.hide_BL[:, None, None, :]
                scores.view(group.rows, self.heads, group.length, group.length).masked_fill_(hide, float("-inf"))
            shares = scores.softmax(-1)
            kept = shares if mask is None else shares * mask.view_as(shares)
            _write_heads(torch.bmm(kept, v)[None], group, out_TD[group.start : group.stop])
            saved += [qkv, shares, kept]
        return out_TD, saved

    def backward(self, grad_TD: Tensor, saved: Sequence[Tensor]) -> Tensor:
        """The gradient with respect to queries, keys and values, [T, 3 D]."""
        out_T3D = grad_TD.new_empty(len(grad_TD), 3 * grad_TD.shape[1])
        for number, (group, mask) in enumerate(zip(self.groups, self.masks, strict=True)):
            qkv, shares, kept = saved[3 * number : 3 * number + 3]
            q, k, v = qkv.unbind(0)
            grad = self._by_head(grad_TD[group.start : group.stop], group)
            to_qkv = torch.empty_like(qkv)
            to_q, to_k, to_v = to_qkv.unbind(0)
            torch.bmm(kept.transpose(1, 2), grad, out=to_v)
            to_shares = torch.bmm(grad, v.transpose(1, 2))
            if mask is not None:
                to_shares.mul_(mask.view_as(to_shares))
            to_scores = torch.ops.aten._softmax_backward_data(to_shares, shares, -1, shares.dtype)
            torch.bmm(to_scores, k, out=to_q)
            to_q.mul_(1 / math.sqrt(q.shape[-1]))
            torch.bmm(to_scores.transpose(1, 2), q, out=to_k)
            _write_heads(to_qkv, group, out_T3D[group.start : group.stop])
        return out_T3D

    def _by_head(self, block_TD: Tensor, group: Group) -> Tensor:
        """The gradient of a block, [T, D] to [R x H, L, d]; none reaches what padding attended to."""
        if group.slots_T is not None:
            padded = block_TD.new_zeros(group.rows * group.length, block_TD.shape[1])
            block_TD = padded.index_copy_(0, group.slots_T, block_TD)
        return block_TD.view(group.rows, group.length, self.heads, -1).transpose(1, 2).flatten(0, 1)


def _write_heads(parts: Tensor, group: Group, out: Tensor) -> None:
    """Write [P, R x H, L, d] into `out`, [T, P x D]."""
    blocks = parts.view(len(parts), group.rows, -1, group.length, parts.shape[-1]).permute(1, 3, 0, 2, 4)
    if group.slots_T is None:
        out.view(blocks.shape).copy_(blocks)
    else:
        torch.index_select(blocks.reshape(group.rows * group.length, -1), 0, group.slots_T, out=out)
