"""Builds taskbelief_hardware for colcon; `sim2real` comes with the project itself."""

from setuptools import setup

NAME = "taskbelief_hardware"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    zip_safe=True,
    description="The node that owns the servo bus.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "camera_node = taskbelief_hardware.camera_node:main",
            "driver_node = taskbelief_hardware.driver_node:main",
        ],
    },
)
