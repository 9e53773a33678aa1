"""What stands between the products, with gradients of its own: half of a step was spent there.

Written out, torch keeps and goes over many arrays of the size of a hidden state; here what can be
done in place is, and backwards only the result and one number for each norm are needed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

EPS = 1e-5


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """Give silu(gate) * up."""
    return _Gated.apply(gate, up)


def added(h: Tensor, more: Tensor, over: int) -> Tensor:
    """Give the sum, divided by its root mean square over an axis."""
    return _Added.apply(h, more, over)


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return torch.nn.functional.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        share = torch.sigmoid(gate)
        silu = gate * share
        slope = gate.sub(silu).add_(1).mul_(share)  # of silu
        return slope.mul_(up).mul_(grad), silu.mul_(grad)


class _Added(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, more: Tensor, over: int) -> Tensor:
        total = h + more
        scale = total.square().mean(over, keepdim=True).add_(EPS).rsqrt_()
        normal = total.mul_(scale)
        ctx.over = over
        ctx.save_for_backward(normal, scale)
        return normal

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        normal, scale = ctx.saved_tensors
        along = (grad * normal).mean(ctx.over, keepdim=True)
        back = torch.addcmul(grad, normal, along, value=-1).mul_(scale)
        return back, back, None
