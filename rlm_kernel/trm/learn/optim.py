"""AdamATan2 with the paper's settings, sign-SGD for the puzzle embedding, and the running mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class AdamATan2(torch.optim.Optimizer):
    """Adam with ``atan2(m, sqrt(v))`` in place of a quotient, so that there is no epsilon.

    "Scaling Exponents Across Parameterizations and Optimizers" (Everett et al., 2024). As in the
    kernel that the reference uses, only v is corrected for its start by a quotient of its own; m
    is by the size of the step.

    Args:
        params: what is learned.
        lr: the size of a step.
        betas: of the running means of the gradient and of its square.
        weight_decay: decoupled, times ``lr``.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Learn from the gradients."""
        for group in self.param_groups:
            lr, (b1, b2) = group["lr"], group["betas"]
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            for p in params:
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
            grads = [p.grad for p in params]
            ms, vs = ([self.state[p][k] for p in params] for k in ("m", "v"))
            number = self.state[params[0]]["step"]
            torch._foreach_lerp_(ms, grads, 1 - b1)
            torch._foreach_mul_(vs, b2)
            torch._foreach_addcmul_(vs, grads, grads, 1 - b2)
            roots = torch._foreach_sqrt(vs)
            torch._foreach_div_(roots, (1 - b2**number) ** 0.5)
            torch._foreach_mul_(params, 1 - lr * group["weight_decay"])
            for p, m, root in zip(params, ms, roots, strict=True):
                p.add_(torch.atan2(m, root), alpha=-lr / (1 - b1**number))


@torch.no_grad()
def sign_sgd(table: Tensor, rows: Tensor, grads: Tensor, lr: float, weight_decay: float) -> None:
    """Move the rows of a table that were used, and no other, by the signs of their gradients.

    Args:
        table: (rows, width); it may have a million rows.
        rows: (batch,), which were used; one may have been several times.
        grads: (batch, width), the gradient of each use.
        lr: the size of a step.
        weight_decay: decoupled, times ``lr``.
    """
    # Where each row is used first: there its gradients are summed. (To ask for the different ones
    # would wait for the device to say how many there are.)
    first = (rows[:, None] == rows).to(torch.uint8).argmax(1)
    whole = torch.zeros_like(grads).index_add_(0, first, grads)
    moved = table[rows] * (1 - lr * weight_decay) - lr * whole[first].sign()
    table[rows] = moved


class Mean:
    """The exponential moving mean of a model's weights, which is what is evaluated and kept."""

    def __init__(self, params: dict[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in params.items()}

    @torch.no_grad()
    def update(self, params: dict[str, Tensor]) -> None:
        """Take in the weights after a step."""
        torch._foreach_lerp_(
            [self.shadow[name] for name in params], list(params.values()), 1 - self.decay
        )
