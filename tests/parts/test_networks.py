"""Networks from seeds."""

from typing import Any

import pytest
import torch

from training.parts.networks import Mlp, TwinCritic, frozen_copy


def make(seed: int, **changes: Any) -> Mlp:
    return Mlp(3, (8, 8), 2, generator=torch.Generator().manual_seed(seed), **changes)


def test_p13_equal_seeds_give_equal_networks_and_global_randomness_plays_no_part() -> None:
    torch.manual_seed(1)
    first = make(0)
    torch.manual_seed(2)
    second, other = make(0), make(1)
    rows = torch.randn(5, 3)

    assert torch.equal(first(rows), second(rows))
    assert not torch.equal(first(rows), other(rows))


def test_p6_twin_critics_start_different() -> None:
    critic = TwinCritic(3, (8,), generator=torch.Generator().manual_seed(0))
    first, second = critic(torch.randn(5, 3))

    assert not torch.allclose(first, second)


def test_layer_norm_makes_hidden_layers_blind_to_scale() -> None:
    rows = 1e3 * torch.randn(64, 3)

    assert make(0, uses_layer_norm=True)(rows).abs().max() < 10
    assert make(0)(rows).abs().max() > 10


def test_frozen_copy_is_a_copy_and_frozen() -> None:
    network = make(0)
    target = frozen_copy(network)
    with torch.no_grad():
        network.layers[0].weight.add_(1.0)

    assert not torch.equal(target.layers[0].weight, network.layers[0].weight)
    assert not any(parameter.requires_grad for parameter in target.parameters())


@pytest.mark.parametrize("uses_layer_norm", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_hidden_layers_have_the_activation_asked_for(
    activation: str, uses_layer_norm: bool
) -> None:
    network = make(0, activation=activation, uses_layer_norm=uses_layer_norm)
    rows = expected = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    for layer, norm in zip(network.layers[:-1], network.norms):
        expected = getattr(torch, activation)(norm(layer(expected)))

    torch.testing.assert_close(network(rows), network.layers[-1](expected))
