"""Policies as others leave them: a folder of the PEARL authors' code, and ONNX graphs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
import yaml
from onnx import TensorProto, helper, numpy_helper

VARIANT = {
    "env_name": "sparse-point-robot",
    "latent_size": 3,
    "net_size": 8,
    "env_params": {"n_tasks": 100, "randomize_tasks": True},
    "algo_params": {
        "sparse_rewards": 1,
        "use_information_bottleneck": True,
        "use_next_obs_in_context": False,
        "num_exp_traj_eval": 2,
        "recurrent": False,
    },
}


def weights(seed, sizes, *, explores=False):
    """By the names of that code: fc0, fc1, …, last_fc."""
    rng = np.random.default_rng(seed)
    names = [f"fc{index}" for index in range(len(sizes) - 2)] + ["last_fc"]
    found = {}
    for name, before, after in zip(names, sizes[:-1], sizes[1:], strict=True):
        found[f"{name}.weight"] = rng.normal(0, before**-0.5, (after, before))
        found[f"{name}.bias"] = rng.normal(0, 0.1, after)
    if explores:
        found["last_fc_log_std.weight"] = rng.normal(size=(sizes[-1], sizes[-2]))
        found["last_fc_log_std.bias"] = rng.normal(size=sizes[-1])
    return {name: value.astype(np.float32) for name, value in found.items()}


def write_reference(folder: Path, **changes):
    """A checkpoint for worlds of two numbers and two actions; its weights by file."""
    variant = {**VARIANT, "algo_params": {**VARIANT["algo_params"], **changes}}
    outcome = 2 if variant["algo_params"]["use_next_obs_in_context"] else 0
    networks = {
        "context_encoder": weights(0, [5 + outcome, 16, 16, 6]),
        "policy": weights(1, [5, 8, 8, 8, 2], explores=True),
        "qf1": weights(2, [7, 8, 1]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "variant.json").write_text(json.dumps(variant))
    for name, network in networks.items():
        save_weights(folder / f"{name}.pth", network)
    return networks


def save_weights(path: Path, network):
    torch.save({name: torch.from_numpy(value) for name, value in network.items()}, path)


def by_hand(network, rows):
    """The network in numpy, in float64."""
    hidden = np.asarray(rows, np.float64)
    for index in range(len(network)):
        if f"fc{index}.weight" in network:
            layer = network[f"fc{index}.weight"], network[f"fc{index}.bias"]
            hidden = np.maximum(hidden @ layer[0].T + layer[1], 0.0)
    return hidden @ network["last_fc.weight"].T + network["last_fc.bias"]


RECURRENT = {
    "schema_version": 1,
    "model": "policy.onnx",
    "observation": "obs",
    "action": "act",
    "previous_action": "before",
    "previous_reward": "paid",
    "begins_episode": "begins",
    "reward": "dense",
    "num_episodes": 2,
    "state": [{"input": "h", "output": "h_next"}],
    "latent": None,
}
_SIZES = {"obs": 2, "before": 2, "paid": 1, "begins": 1, "h": 4}


def write_recurrent(folder: Path, *, scale: float = 1.0, **changes):
    """h' = tanh of everything through matrices, action = tanh(M h'); the matrices by name."""
    rng = np.random.default_rng(5)
    matrices = {name: rng.normal(0, 0.5, (size, 4)) for name, size in _SIZES.items()}
    matrices["out"] = rng.normal(0, 0.5, (4, 2)) * scale
    matrices = {name: value.astype(np.float32) for name, value in matrices.items()}
    nodes = [helper.make_node("MatMul", [name, f"w_{name}"], [f"m_{name}"]) for name in _SIZES]
    nodes += [
        helper.make_node("Sum", [f"m_{name}" for name in _SIZES], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["h_next"]),
        helper.make_node("MatMul", ["h_next", "w_out"], ["last"]),
        helper.make_node("Tanh", ["last"], ["act"]),
    ]

    def tensor(name, size):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])

    graph = helper.make_graph(
        nodes,
        "recurrent",
        [tensor(name, size) for name, size in _SIZES.items()],
        [tensor("act", 2), tensor("h_next", 4)],
        [numpy_helper.from_array(value, f"w_{name}") for name, value in matrices.items()],
    )
    folder.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "policy.onnx")
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({**RECURRENT, **changes}))
    return path, matrices
