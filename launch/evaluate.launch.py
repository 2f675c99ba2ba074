"""An evaluation of a policy on the hand: runs a plan's episodes, records them, and ends.

    taskbelief plan bundles/valve_turn plan.json --num-tasks 4
    ros2 launch launch/evaluate.launch.py robot:=emulated bundle:=bundles/valve_turn \\
        plan:=plan.json out:=results/valve_turn

Started again with the same arguments it goes on with what is missing.
"""

from launch import LaunchDescription

from sim2real.bringup.graph import EVALUATION_ARGUMENTS, evaluation_graph_from
from taskbelief_evaluation.launching import declared, graph_of


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` asks for."""
    return LaunchDescription(
        [*declared(EVALUATION_ARGUMENTS), graph_of(EVALUATION_ARGUMENTS, evaluation_graph_from)]
    )
