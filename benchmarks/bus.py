"""The servo bus benchmark without the command line: `python benchmarks/bus.py --soak-s 600`."""

import tyro

from sim2real.hardware.bus_benchmark import print_bench_bus

if __name__ == "__main__":
    tyro.cli(print_bench_bus)
