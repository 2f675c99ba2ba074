"""Builds taskbelief_policy for colcon; `sim2real` comes with the project itself, not from here."""

from setuptools import setup

NAME = "taskbelief_policy"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    zip_safe=True,
    description="The nodes that serve a bundle: over topics, or next to the bus in one process.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "policy_node = taskbelief_policy.policy_node:main",
            "direct_node = taskbelief_policy.direct_node:main",
        ],
    },
)
