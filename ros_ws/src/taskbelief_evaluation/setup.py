"""Builds taskbelief_evaluation for colcon; `sim2real` comes with the project, not from here."""

from setuptools import find_packages, setup

PACKAGE = "taskbelief_evaluation"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="taskbelief maintainers",
    maintainer_email="maintainers@taskbelief.org",
    description="Brings the hand's nodes up, records them, and measures what a policy is worth",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "conduct = taskbelief_evaluation.conduct:main",
            "supervise = taskbelief_evaluation.supervise:main",
            "recorder_node = taskbelief_evaluation.recorder_node:main",
            "evaluate_node = taskbelief_evaluation.evaluate_node:main",
            "bench_node = taskbelief_evaluation.bench_node:main",
        ],
    },
)
