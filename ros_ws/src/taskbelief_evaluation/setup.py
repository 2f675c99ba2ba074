"""Builds taskbelief_evaluation for colcon; `sim2real` comes with the project, not from here."""

from setuptools import setup

NAME = "taskbelief_evaluation"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    zip_safe=True,
    description="Brings the hand's nodes up, records them, and measures what a policy is worth.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "conduct = taskbelief_evaluation.conduct:main",
            "supervise = taskbelief_evaluation.supervise:main",
            "recorder_node = taskbelief_evaluation.recorder_node:main",
            "evaluate_node = taskbelief_evaluation.evaluate_node:main",
            "bench_node = taskbelief_evaluation.bench_node:main",
        ],
        # `ros2 taskbelief ...` and a check of `ros2 doctor`, where ros2cli is installed.
        "ros2cli.command": [
            "taskbelief = taskbelief_evaluation.ros2_command:TaskbeliefCommand",
        ],
        "ros2cli.extension_point": [
            "taskbelief_evaluation.verb = taskbelief_evaluation.ros2_command:Verb",
        ],
        "taskbelief_evaluation.verb": [
            "bundle = taskbelief_evaluation.ros2_command:BundleVerb",
            "belief = taskbelief_evaluation.ros2_command:BeliefVerb",
            "gap = taskbelief_evaluation.ros2_command:GapVerb",
        ],
        "ros2doctor.checks": [
            "TaskbeliefCheck = taskbelief_evaluation.ros2_doctor:TaskbeliefCheck",
        ],
    },
)
