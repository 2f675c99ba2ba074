"""`taskbelief bringup`: its options reach the nodes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sim2real.bringup import verb
from sim2real.bringup.graph import Graph
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW

BUNDLE = Path(__file__).parents[2] / "bundles" / "valve_turn"


@pytest.fixture
def made(monkeypatch) -> list[Graph]:
    """The graphs that would have been brought up."""
    graphs: list[Graph] = []
    monkeypatch.setattr(verb, "ros_environment", dict)
    monkeypatch.setattr(verb, "become_supervisor", lambda graph, *_: graphs.append(graph))
    return graphs


def test_another_hand_is_that_of_every_node_and_of_the_emulated_bus(made, tmp_path, monkeypatch):
    own = tmp_path / "own"
    shutil.copytree(DCLAW.parent, own)
    monkeypatch.chdir(tmp_path)

    verb.bringup(BUNDLE, robot="emulated", robot_config="own", port=str(tmp_path / "port"))

    (graph,) = made
    assert {node.parameters.get("robot_config") for node in graph.nodes} == {str(own)}
    assert graph.emulator is not None
    assert graph.emulator.robot_config == str(own)


def test_a_robot_may_be_named_and_no_bundle_moves_another_hand(made):
    with pytest.raises(BadInput) as refused:
        verb.bringup(BUNDLE, robot="emulated", robot_config="dclaw4")

    assert (refused.value.field, made) == ("robot.name", [])
    assert "found 'dclaw', expected dclaw4" in str(refused.value)
