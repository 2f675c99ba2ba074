"""Tests against real ROS 2: nodes of one worker hear each other and nobody else."""

from __future__ import annotations

import os
import zlib

import pytest

from sim2real.contract.errors import BadInput
from sim2real.ros_environment import ros_environment


def _why_not() -> str:
    """Why no test in this folder can run here; empty where they can."""
    try:
        environment = ros_environment()
    except BadInput as error:
        return str(error)
    is_complete = environment.get("LD_LIBRARY_PATH") == os.environ.get("LD_LIBRARY_PATH")
    if "ROS_DISTRO" in os.environ and not is_complete:
        # With wheels nothing needs to be sourced: there the tests run, and say what is broken.
        return "the workspace is built but not sourced: . ros_ws/install/setup.sh"
    os.environ.update(environment)
    return ""


WHY_NOT = _why_not()


class WithoutRos(pytest.Module):
    """A file of tests that could not even be imported here."""

    def collect(self):
        pytest.skip(WHY_NOT)


def pytest_pycollect_makemodule(module_path, parent):
    return WithoutRos.from_parent(parent, path=module_path) if WHY_NOT else None


@pytest.fixture(scope="session")
def ros_domain_id(worker_id, testrun_uid) -> int:
    """A domain of this worker's own, and most likely of none in another run on this machine."""
    worker = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
    # Not above 101: a domain's ports must stay below those that Linux hands out by itself.
    domain = 1 + (zlib.crc32(testrun_uid.encode()) + worker) % 100
    os.environ["ROS_DOMAIN_ID"] = str(domain)
    return domain


@pytest.fixture
def ros(ros_domain_id):
    """rclpy, initialised in this worker's domain; processes started meanwhile join it."""
    import rclpy

    rclpy.init(args=[], domain_id=ros_domain_id)
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def bench(ros_domain_id, tmp_path):
    """A test's own node, which starts ours as processes of their own; all in this domain."""
    from tests.ros.graph import bench_in

    with bench_in(tmp_path, ros_domain_id) as bench:
        yield bench
