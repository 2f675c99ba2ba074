"""The hand and its policy, torque on, nothing moving yet.

    ros2 launch launch/dclaw.launch.py robot:=emulated bundle:=bundles/valve_turn

`--show-args` lists the arguments. What runs, and in which order, is `sim2real/bringup/graph.py`.
"""

from launch import LaunchDescription

from sim2real.bringup.graph import DCLAW_ARGUMENTS, dclaw_graph_from
from taskbelief_evaluation.launching import declared, graph_of


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` asks for."""
    return LaunchDescription(
        [*declared(DCLAW_ARGUMENTS), graph_of(DCLAW_ARGUMENTS, dclaw_graph_from)]
    )
