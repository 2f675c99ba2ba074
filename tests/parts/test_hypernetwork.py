"""Networks whose weights are generated begin as if their condition were not there."""

from __future__ import annotations

import torch

from training.parts.hypernetwork import GeneratedMlp
from training.parts.networks import Mlp


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def generated(seed: int = 0) -> GeneratedMlp:
    """Input 3 and condition 4 to 2."""
    return GeneratedMlp(7, (32, 32), 2, condition_size=4, latent_size=5, generator=generator(seed))


def test_h1_at_first_the_condition_changes_nothing_and_the_network_is_an_ordinary_one():
    network, plain = generated(), Mlp(3, (32, 32), 2, generator=generator())
    values = torch.randn(50, 3, generator=generator(1))
    one, other = (torch.randn(50, 4, generator=generator(seed)) for seed in (2, 3))
    outputs = [network(torch.cat([values, condition], -1)) for condition in (one, other)]

    assert torch.equal(*outputs)
    torch.testing.assert_close(outputs[0], plain(values))
    assert outputs[0].std() > 0.01


def test_h2_the_condition_can_be_learnt_from_at_once_though_its_weights_are_zero():
    network = generated()
    network(torch.randn(50, 7, generator=generator(1))).square().sum().backward()

    for head in network.heads:
        assert (head.weight == 0).all() and head.weight.grad.abs().max() > 0
    with torch.no_grad():
        for head in network.heads:
            head.weight -= 0.1 * head.weight.grad
    values, condition = torch.zeros(2, 3), torch.tensor([[1.0] * 4, [-1.0] * 4])
    one, other = network(torch.cat([values, condition], -1))
    assert not torch.allclose(one, other)


def test_every_row_has_weights_of_its_own():
    network = generated()
    with torch.no_grad():
        for head in network.heads:
            head.weight.normal_(generator=generator(4))
    rows = torch.randn(6, 5, 7, generator=generator(1))

    torch.testing.assert_close(network(rows)[2, 3], network(rows[2, 3]))
