"""The loss, its gradients and what is made of them are the paper's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch isn't here: pip install 'rlm-kernel[trm]'")

from rlm_kernel.trm.learn.losses import NOT_ASKED, loss_of  # noqa: E402
from rlm_kernel.trm.learn.model import Model  # noqa: E402
from rlm_kernel.trm.learn.optim import AdamATan2, Mean, sign_sgd  # noqa: E402
from rlm_kernel.trm.net import Net  # noqa: E402

from .models_trm import MIXERS, reference, small, weights  # noqa: E402


def model_of(config: Any, state: dict[str, Any]) -> Any:
    model = Model(config)
    model.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    return model


@pytest.mark.parametrize("mixer", MIXERS)
def test_loss_and_gradients_are_the_references(mixer: str) -> None:
    config, found = reference(mixer)
    model = model_of(config, weights(config))
    cells, puzzle, labels = (
        torch.tensor(found[name]).long() for name in ("inputs", "puzzle_identifiers", "labels")
    )
    y, _ = model.step(model.embed(cells, puzzle), *model.start(len(cells)))
    loss = loss_of(*model.heads(y), labels).total
    assert abs(loss.item() - float(found["loss"])) < 1e-5
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    told = [name for name in found if name.startswith("grad:inner.")]
    assert told
    for name in told:
        off = np.abs(grads[name.removeprefix("grad:inner.")].numpy() - found[name]).max()
        assert off < 1e-4


@pytest.mark.parametrize("inner", [2, 0])
@pytest.mark.parametrize("mixer", MIXERS)
def test_torch_and_numpy_give_the_same(mixer: str, inner: int) -> None:
    config = small(mixer, inner=inner)
    state = weights(config)
    model, net = model_of(config, state).double(), Net(config, state, np.float64)
    cells = np.random.default_rng(0).integers(0, config.vocab, (3, config.length))
    puzzle = np.array([1, 0, 0])
    y, z = model.step(model.embed(*map(torch.tensor, (cells, puzzle))), *model.start(3))
    a, b = net.start(3)
    for _ in range(config.outer):
        a, b = net.cycle(net.embed(cells, puzzle), a, b)
    # The rotations of the attention are of single precision in torch.
    assert np.abs(y.detach().numpy().swapaxes(0, 1) - a).max() < 1e-4
    assert np.abs(z.detach().numpy().swapaxes(0, 1) - b).max() < 1e-4


@pytest.mark.parametrize("mixer", MIXERS)
def test_gradients_are_those_of_numpys_loss(mixer: str) -> None:
    # Through the last cycle only: what comes before it is fixed.
    config = small(mixer, outer=1)
    state = weights(config)
    rng = np.random.default_rng(1)
    cells = rng.integers(0, config.vocab, (2, config.length))
    labels = rng.integers(0, config.vocab, (2, config.length))

    def loss(state: dict[str, Any]) -> float:
        net = Net(config, state, np.float64)
        y, _ = net.cycle(net.embed(cells), *net.start(2))
        logits, q = net.heads(y)
        s = np.where(logits < 0, 1 / (1 - logits), logits + 1)
        chosen = np.take_along_axis(s, labels[..., None], -1)[..., 0] / s.sum(-1)
        right = (logits.argmax(-1) == labels).all(-1)
        halt = np.log1p(np.exp(-q)) + (1 - right) * q
        return float((-np.log(chosen).mean(-1) + 0.5 * halt).sum())

    model = model_of(config, state).double()
    y, _ = model.step(model.embed(torch.tensor(cells), torch.zeros(2).long()), *model.start(2))
    total = loss_of(*model.heads(y), torch.tensor(labels)).total
    assert abs(total.item() - loss(state)) < 1e-6
    total.backward()
    for name, p in model.named_parameters():
        way = rng.standard_normal(p.shape)
        ahead, behind = (
            loss({**state, name: state[name].astype(np.float64) + sign * 1e-5 * way})
            for sign in (1, -1)
        )
        assert abs((ahead - behind) / 2e-5 - float((p.grad.numpy() * way).sum())) < 1e-3, name


def test_cells_that_are_not_asked_count_for_nothing() -> None:
    logits = torch.randn(1, 4, 6)
    labels = torch.tensor([[1, NOT_ASKED, 2, NOT_ASKED]])
    changed = logits.clone()
    changed[:, [1, 3]] = 7.0
    one, other = (loss_of(each, torch.zeros(1), labels).total for each in (logits, changed))
    assert one == other


def test_a_step_of_adam_atan2_is_as_the_paper_has_it() -> None:
    p = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    adam = AdamATan2([p], lr=0.1, betas=(0.9, 0.95), weight_decay=0.5)
    x, m, v = p.detach().numpy().astype(np.float64), np.zeros(3), np.zeros(3)
    for t in range(1, 4):
        g = np.array([0.3, -0.1, 0.0]) * t
        p.grad = torch.tensor(g, dtype=torch.float32)
        adam.step()
        m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g * g
        x = x * (1 - 0.1 * 0.5)
        x = x - 0.1 / (1 - 0.9**t) * np.arctan2(m, np.sqrt(v) / np.sqrt(1 - 0.95**t))
        assert np.allclose(p.detach().numpy(), x, atol=1e-6)


def test_sign_sgd_moves_rows_that_were_used_only() -> None:
    table = torch.ones(4, 3)
    grads = torch.tensor([[0.5, -2.0, 0.0], [7.0, 7.0, 7.0], [-0.25, 3.0, 0.0]])
    sign_sgd(table, torch.tensor([2, 0, 2]), grads, lr=0.1, weight_decay=0.2)
    # Row 2 was used twice: by the sign of both gradients' sum.
    moved = [[0.88, 0.88, 0.88], [1.0] * 3, [0.88, 0.88, 0.98], [1.0] * 3]
    assert torch.allclose(table, torch.tensor(moved))


def test_the_mean_follows_the_weights() -> None:
    p = torch.zeros(2)
    mean = Mean({"p": p}, 0.9)
    p += 1
    mean.update({"p": p})
    assert torch.allclose(mean.shadow["p"], torch.tensor([0.1, 0.1]))
