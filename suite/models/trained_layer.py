"""A post-norm transformer layer with its backward pass written out.

An update runs some fifty large matrix products and a thousand small operations between them. Each small one finds
neither its code nor its data in the cache, so what counts is how many there are. Written out, a layer's numbers take a
fifth fewer calls and a third fewer copies than PyTorch's own record of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.autograd.graph import get_gradient_edge

from suite.models.attention import Blocks


class Masks(NamedTuple):
    """Dropout masks of a layer, [T, D] each; none drops nothing."""

    attention: Tensor | None
    ffn: Tensor | None


class Weights(NamedTuple):
    """Parameters of a layer: weights [out, in] and biases [out], scales and shifts [D]."""

    query: Tensor
    query_bias: Tensor
    key: Tensor
    key_bias: Tensor
    value: Tensor
    value_bias: Tensor
    attended: Tensor
    attended_bias: Tensor
    attended_scale: Tensor
    attended_shift: Tensor
    inner: Tensor
    inner_bias: Tensor
    outer: Tensor
    outer_bias: Tensor
    outer_scale: Tensor
    outer_shift: Tensor


def weights_of(layer: Any) -> Weights:
    """The parameters of a Hugging Face BERT layer."""
    this, out = layer.attention.self, layer.attention.output
    dense = layer.intermediate.dense
    modules = (this.query, this.key, this.value, out.dense, out.LayerNorm, dense, layer.output.dense)
    return Weights(*(part for module in (*modules, layer.output.LayerNorm) for part in (module.weight, module.bias)))


class TrainedLayer(torch.autograd.Function):
    """A layer, [T, D] to [T, D]: the output and the gradients of plain operations under autograd, bit for bit.

    Where only the input's gradient is asked for, as by an ascent step, none of a parameter is computed.
    """

    @staticmethod
    def forward(ctx: Any, x_TD: Tensor, blocks: Blocks, masks: Masks, epsilon: float, *parameters: Tensor) -> Tensor:
        """`parameters` are those of `Weights`, in its order."""
        w, size = Weights(*parameters), x_TD.shape[1:]
        qkv_weight = torch.cat((w.query, w.key, w.value))
        qkv_bias = torch.cat((w.query_bias, w.key_bias, w.value_bias))
        attended, saved = blocks.forward(F.linear(x_TD, qkv_weight, qkv_bias))
        first = _drop_(F.linear(attended, w.attended, w.attended_bias), masks.attention).add_(x_TD)
        middle, *first_moments = torch.native_layer_norm(first, size, w.attended_scale, w.attended_shift, epsilon)
        inner = F.linear(middle, w.inner, w.inner_bias)
        active = F.gelu(inner)
        second = _drop_(F.linear(active, w.outer, w.outer_bias), masks.ffn).add_(middle)
        out, *second_moments = torch.native_layer_norm(second, size, w.outer_scale, w.outer_shift, epsilon)
        states = (attended, first, *first_moments, middle, inner, active, second, *second_moments)
        ctx.save_for_backward(x_TD, qkv_weight, *parameters, *states, *saved)
        ctx.blocks, ctx.masks = blocks, masks
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_TD: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input and, where they are asked for, of the parameters."""
        x_TD, qkv_weight, *rest = ctx.saved_tensors
        w, rest = Weights(*rest[: len(Weights._fields)]), rest[len(Weights._fields) :]
        attended, first, mean_1, scale_1, middle, inner, active, second, mean_2, scale_2, *saved = rest
        learn = any(map(_asked_for, w))

        to_second, *to_norm_2 = _norm_backward(
            grad_TD, second, (mean_2, scale_2), (w.outer_scale, w.outer_shift), learn
        )
        to_outer = _drop(to_second, ctx.masks.ffn)
        to_active = torch.mm(to_outer, w.outer)
        to_inner = torch.ops.aten.gelu_backward.grad_input(to_active, inner, grad_input=to_active)
        to_middle = torch.mm(to_inner, w.inner).add_(to_second)
        to_first, *to_norm_1 = _norm_backward(
            to_middle, first, (mean_1, scale_1), (w.attended_scale, w.attended_shift), learn
        )
        to_dense = _drop(to_first, ctx.masks.attention)
        to_qkv = ctx.blocks.backward(torch.mm(to_dense, w.attended), saved)
        to_x = torch.mm(to_qkv, qkv_weight).add_(to_first) if ctx.needs_input_grad[0] else None
        if not learn:
            return (to_x, None, None, None, *(None for _ in w))
        qkv = zip(*(part.chunk(3) for part in _linear_backward(to_qkv, x_TD)), strict=True)
        dense, ffn_in, ffn_out = (
            _linear_backward(*pair) for pair in ((to_dense, attended), (to_inner, middle), (to_outer, active))
        )
        of_parameters = (*(part for pair in qkv for part in pair), *dense, *to_norm_1, *ffn_in, *ffn_out, *to_norm_2)
        return (to_x, None, None, None, *of_parameters)


def _asked_for(parameter: Tensor) -> bool:
    """Whether the backward pass that is running computes a parameter's gradient; asked as PyTorch's checkpointing asks.

    PyTorch will not say of a leaf that `autograd.grad` was asked for by name, so that refusal is a yes.
    """
    if not parameter.requires_grad:
        return False
    try:
        return bool(torch._C._will_engine_execute_node(get_gradient_edge(parameter).node))
    except RuntimeError:
        return True


def _drop(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


def _drop_(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x.mul_(mask)


def _linear_backward(grad_TO: Tensor, x_TI: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of weight and bias."""
    return torch.mm(grad_TO.t(), x_TI), grad_TO.sum(0)


def _norm_backward(
    grad_TD: Tensor, x_TD: Tensor, moments: tuple[Tensor, Tensor], affine: tuple[Tensor, Tensor], learn: bool
) -> Sequence[Tensor]:
    """Gradients of the input of a layer norm, of its scale and of its shift."""
    wanted = [True, learn, learn]
    found: Sequence[Tensor] = torch.ops.aten.native_layer_norm_backward(
        grad_TD, x_TD, x_TD.shape[1:], *moments, *affine, wanted
    )
    return found
