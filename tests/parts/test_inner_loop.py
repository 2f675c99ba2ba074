"""Inner gradient steps: against finite differences, closed forms and plain loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from training.parts.inner_loop import (
    MetaGradient,
    adapt,
    call_for_each_task,
    for_each_task,
    inner_step,
    likelihood_ratio_loss,
    log_likelihood_loss,
    of_task,
    parameters_of,
)
from training.parts.policies import CategoricalPolicy, DiagonalGaussianPolicy

NUM_TASKS, NUM_STEPS = 3, 40


def policy_of(
    dtype: torch.dtype = torch.float64, activation: str = "tanh"
) -> DiagonalGaussianPolicy:
    policy = DiagonalGaussianPolicy(
        2,
        (5,),
        2,
        initial_log_std=-0.3,
        generator=torch.Generator().manual_seed(0),
        activation=activation,  # type: ignore[arg-type]
        bounds_mean=False,
    ).to(dtype)
    with torch.no_grad():  # the last layer starts small: make every derivative show
        policy.network.layers[-1].weight.mul_(50.0)
    return policy


def batch_of(seed: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Steps of K tasks, the last five of them padding."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(NUM_TASKS, NUM_STEPS, *shape, generator=generator, dtype=dtype)

    is_valid = torch.ones(NUM_TASKS, NUM_STEPS, dtype=dtype)
    is_valid[:, -5:] = 0
    return {
        "observation": random(2),
        "action": random(2),
        "advantage": random(),
        "old_log_density": -2.0 + 0.1 * random(),
        "is_valid": is_valid,
    }


def loss_of(policy: nn.Module, *, ratio: bool = False) -> Callable[[Any, Any], Tensor]:
    def loss(parameters: dict[str, Tensor], data: dict[str, Tensor]) -> Tensor:
        distribution = functional_call(policy, parameters, (data["observation"],))
        density = distribution.log_density(data["action"])
        if ratio:
            return likelihood_ratio_loss(
                density, data["old_log_density"], data["advantage"], data["is_valid"]
            )
        return log_likelihood_loss(density, data["advantage"], data["is_valid"])

    return loss


def outer_loss(
    policy: nn.Module, parameters: dict[str, Tensor], step_size: Any = 0.3, **settings: Any
) -> Tensor:
    """Two inner steps, and the ratio loss of a third batch under what came out."""
    loss = loss_of(policy)
    adapted = adapt(
        loss, parameters, [batch_of(1), batch_of(2)], step_size, num_tasks=NUM_TASKS, **settings
    )
    return torch.func.vmap(loss_of(policy, ratio=True))(adapted, batch_of(3)).mean()


def flat(values: dict[str, Tensor] | tuple[Tensor, ...]) -> Tensor:
    tensors = values.values() if isinstance(values, dict) else values
    return torch.cat([value.reshape(-1) for value in tensors])


def meta_gradient(policy: nn.Module, **settings: Any) -> Tensor:
    parameters = parameters_of(policy)
    loss = outer_loss(policy, parameters, **settings)
    return flat(torch.autograd.grad(loss, list(parameters.values())))


def numerical(function: Callable[[], Tensor], values: list[Tensor], width: float = 1e-5) -> Tensor:
    """Central differences of `function`, element by element of `values`, which it reads."""
    slopes = []
    with torch.no_grad():
        for value in values:
            elements = value.view(-1)
            for index in range(len(elements)):
                kept = elements[index].item()
                elements[index] = kept + width
                above = function()
                elements[index] = kept - width
                slopes.append((above - function()) / (2 * width))
                elements[index] = kept
    return torch.stack(slopes)


def test_m1_meta_gradient_equals_finite_differences_and_not_the_first_order_one() -> None:
    policy = policy_of()
    parameters = parameters_of(policy)
    expected = numerical(lambda: outer_loss(policy, parameters), list(policy.parameters()))
    exact, biased = (
        meta_gradient(policy),
        meta_gradient(policy, meta_gradient=MetaGradient.FIRST_ORDER),
    )

    torch.testing.assert_close(exact, expected, rtol=1e-5, atol=1e-7)
    assert (biased - exact).norm() > 0.05 * exact.norm()


def test_m1_first_order_gradient_is_that_at_the_adapted_parameters() -> None:
    policy = policy_of()
    loss, batch = loss_of(policy), batch_of(1)
    adapted = adapt(loss, parameters_of(policy), [batch], 0.3, num_tasks=NUM_TASKS)
    adapted = {name: value.detach().requires_grad_() for name, value in adapted.items()}
    outer = torch.func.vmap(loss_of(policy, ratio=True))(adapted, batch_of(3)).mean()
    expected = [grad.sum(0) for grad in torch.autograd.grad(outer, list(adapted.values()))]

    parameters = parameters_of(policy)
    first = adapt(
        loss, parameters, [batch], 0.3,
        num_tasks=NUM_TASKS, meta_gradient=MetaGradient.FIRST_ORDER,
    )  # fmt: skip
    outer = torch.func.vmap(loss_of(policy, ratio=True))(first, batch_of(3)).mean()
    got = torch.autograd.grad(outer, list(parameters.values()))
    torch.testing.assert_close(flat(got), flat(tuple(expected)))


@pytest.mark.parametrize("inside", [True, False], ids=["in_torch_func", "in_autograd"])
def test_m1_second_order_is_right_over_the_fused_layer(inside: bool) -> None:
    """float32, where the fast layer applies, against the same network out of `nn.Linear`."""
    policy = policy_of(torch.float32)
    ordinary = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 2))
    for mine, theirs in zip(policy.network.parameters(), ordinary.parameters(), strict=True):
        theirs.data.copy_(mine)
    batch, later = (
        {name: value.float() for name, value in batch_of(seed).items()} for seed in (1, 3)
    )

    def squared_error(network: nn.Module, parameters: Any, data: dict[str, Tensor]) -> Tensor:
        mean = functional_call(network, parameters, (data["observation"],))
        return (mean - data["action"]).square().mean()

    def gradient(network: nn.Module) -> Tensor:
        own = parameters_of(network)

        def loss(parameters: Any, data: Any) -> Tensor:
            return squared_error(network, parameters, data)

        if inside:
            adapted = adapt(loss, own, [batch], 0.3, num_tasks=NUM_TASKS)
            outer = torch.func.vmap(loss)(adapted, later).mean()
        else:
            first = {name: value[0] for name, value in batch.items()}
            slopes = torch.autograd.grad(loss(own, first), list(own.values()), create_graph=True)
            moved = {name: own[name] - 0.3 * slope for name, slope in zip(own, slopes)}
            outer = loss(moved, {name: value[0] for name, value in later.items()})
        return flat(torch.autograd.grad(outer, list(own.values())))

    torch.testing.assert_close(gradient(policy.network), gradient(ordinary), rtol=1e-4, atol=1e-6)


def test_m2_step_size_of_zero_changes_nothing_and_leaves_the_plain_gradient() -> None:
    policy = policy_of()
    parameters = parameters_of(policy)
    adapted = adapt(loss_of(policy), parameters, [batch_of(1)], 0.0, num_tasks=NUM_TASKS)
    batch, loss = batch_of(3), loss_of(policy, ratio=True)
    plain = torch.stack(
        [loss(parameters, {name: value[k] for name, value in batch.items()}) for k in range(3)]
    ).mean()
    expected = torch.autograd.grad(plain, list(parameters.values()))

    assert all((adapted[name] == value).all() for name, value in parameters.items())
    torch.testing.assert_close(meta_gradient(policy, step_size=0.0), flat(expected))


def test_m3_tasks_side_by_side_equal_one_after_the_other() -> None:
    policy, loss = policy_of(), loss_of(policy_of())
    batch = batch_of(1)
    together = adapt(loss, parameters_of(policy), [batch, batch], 0.3, num_tasks=NUM_TASKS)
    for task in range(NUM_TASKS):
        own = {name: value[task] for name, value in batch.items()}
        parameters = parameters_of(policy)
        for _ in range(2):
            slopes = torch.autograd.grad(loss(parameters, own), list(parameters.values()))
            parameters = {
                name: (value - 0.3 * slope).detach().requires_grad_()
                for (name, value), slope in zip(parameters.items(), slopes, strict=True)
            }
        torch.testing.assert_close(flat(of_task(together, task)), flat(parameters))


def test_m8_advantages_of_zero_leave_every_bit() -> None:
    policy, batch = policy_of(), batch_of(1)
    batch["advantage"] = torch.zeros_like(batch["advantage"])
    adapted = adapt(loss_of(policy), parameters_of(policy), [batch], 0.3, num_tasks=NUM_TASKS)

    for name, value in parameters_of(policy).items():
        assert torch.equal(adapted[name], value.expand_as(adapted[name]))


def test_r5_padding_moves_no_task() -> None:
    policy, batch = policy_of(), batch_of(1)
    spoilt = dict(batch)
    spoilt["advantage"] = torch.where(batch["is_valid"] > 0, batch["advantage"], 1e6)
    one, other = (
        adapt(loss_of(policy), parameters_of(policy), [each], 0.3, num_tasks=NUM_TASKS)
        for each in (batch, spoilt)
    )

    assert torch.equal(flat(one), flat(other))


def test_m9_frozen_parameters_stay_and_the_others_move_as_before() -> None:
    policy = policy_of()
    settings: dict[str, Any] = {"num_tasks": NUM_TASKS}
    free = adapt(loss_of(policy), parameters_of(policy), [batch_of(1)], 0.3, **settings)
    held = adapt(
        loss_of(policy), parameters_of(policy), [batch_of(1)], 0.3, frozen=["log_std"], **settings
    )

    assert (held["log_std"] == policy.log_std).all()
    assert not torch.equal(free["log_std"], held["log_std"])
    rest = [name for name in free if name != "log_std"]
    assert all(torch.equal(free[name], held[name]) for name in rest)


def test_learnt_step_sizes_get_the_gradient_of_finite_differences() -> None:
    policy = policy_of()
    generator = torch.Generator().manual_seed(9)
    sizes: dict[str, Tensor] = {
        name: 0.1 + 0.2 * torch.rand(value.shape, generator=generator, dtype=torch.float64)
        for name, value in parameters_of(policy).items()
    }
    sizes["log_std"] = torch.tensor(0.05, dtype=torch.float64)  # one for the whole parameter
    for size in sizes.values():
        size.requires_grad_()
    gradient = flat(
        torch.autograd.grad(
            outer_loss(policy, parameters_of(policy), step_size=sizes), list(sizes.values())
        )
    )
    with torch.no_grad():
        expected = numerical(
            lambda: outer_loss(policy, parameters_of(policy), step_size=sizes),
            list(sizes.values()),
        )

    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-7)
    scalar = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    outer_loss(policy, parameters_of(policy), step_size=scalar).backward()
    assert scalar.grad is not None and scalar.grad != 0


def test_wrong_names_are_refused() -> None:
    policy = policy_of()
    parameters = for_each_task(parameters_of(policy), NUM_TASKS)
    for settings in (
        {"step_size": {"log_std": 0.1}},
        {"step_size": 0.1, "frozen": ["log_sdt"]},
        {"step_size": dict.fromkeys(parameters, 0.1), "frozen": ["log_std"]},
    ):
        with pytest.raises(ValueError, match="log_std"):
            inner_step(loss_of(policy), parameters, batch_of(1), **settings)


def test_pm2_ratio_loss_has_the_plain_gradient_where_the_policy_is_the_old_one() -> None:
    policy, batch = policy_of(), {name: value[0] for name, value in batch_of(1).items()}
    parameters = parameters_of(policy)
    density = policy(batch["observation"]).log_density(batch["action"])
    batch["old_log_density"] = density.detach()
    weights = list(policy.parameters())
    slopes = [
        flat(torch.autograd.grad(loss_of(policy, ratio=ratio)(parameters, batch), weights))
        for ratio in (False, True)
    ]

    torch.testing.assert_close(*slopes)
    ratio = loss_of(policy, ratio=True)(parameters, batch)
    valid = batch["is_valid"] > 0
    torch.testing.assert_close(ratio, -batch["advantage"][valid].mean())


@pytest.mark.parametrize("kind", ["gaussian", "categorical"])
def test_each_task_acts_with_its_own_parameters(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    policy: nn.Module = (
        policy_of(torch.float32)
        if kind == "gaussian"
        else CategoricalPolicy(2, (5,), 4, generator=generator)
    )
    parameters = {
        name: torch.randn(NUM_TASKS, *value.shape, generator=generator)
        for name, value in policy.named_parameters()
    }
    rows = torch.randn(NUM_TASKS, 7, 2, generator=generator)
    together = call_for_each_task(policy, parameters, rows)

    assert all(values.shape[:2] == (NUM_TASKS, 7) for values in together)
    together.sample(generator)
    for task in range(NUM_TASKS):
        alone = functional_call(policy, of_task(parameters, task), (rows[task],)).expanded()
        for got, expected in zip(together, alone, strict=True):
            torch.testing.assert_close(got[task], expected)
