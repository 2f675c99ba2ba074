"""The benchmark of the loops with ROS 2 around them: `python benchmarks/ros.py --soak-s 600`."""

import tyro

from training.benchmarks.ros import print_bench_ros

if __name__ == "__main__":
    tyro.cli(print_bench_ros)
