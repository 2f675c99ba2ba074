"""`--device`: what is no device, and what this machine does not have, with what to do about it."""

from __future__ import annotations

import pytest
import torch

from sim2real.contract.errors import BadInput
from training.parts.device import require_device, require_device_name


@pytest.fixture
def machine(monkeypatch):
    """Pretend a torch with or without CUDA, and so many GPUs."""

    def pretend(version: str | None, count: int) -> None:
        monkeypatch.setattr(torch.version, "cuda", version)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


@pytest.mark.parametrize(
    "name",
    ["", "quantum", "meta", "mps", "CUDA", "cuda:", "cuda:-1", "cuda:a", "cpu:0", "cpu "],
)
def test_what_is_no_name_is_refused_wherever_it_would_run(name):
    with pytest.raises(BadInput, match=r"--device.*cpu, cuda or cuda:N"):
        require_device_name(name)


@pytest.mark.parametrize(
    ("version", "count", "name", "said"),
    [
        (None, 0, "cuda", "built without CUDA; pytorch.org"),
        ("13.0", 0, "cuda", "finds no GPU that it can use; nvidia-smi"),
        ("13.0", 1, "cuda:1", "one that is there: cpu, cuda:0$"),
        ("13.0", 4, "cuda:4", "cpu, cuda:0 to cuda:3"),
    ],
)
def test_what_is_missing_is_said(machine, version, count, name, said):
    machine(version, count)

    with pytest.raises(BadInput, match=said) as caught:
        require_device(name)

    assert "Torch not compiled" not in str(caught.value)


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "cuda:3"])
def test_what_is_there_is_taken(machine, name):
    machine("13.0", 4)

    require_device(name)
