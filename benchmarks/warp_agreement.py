"""MuJoCo Warp against MuJoCo: `python benchmarks/warp_agreement.py --families valve_turn`."""

import tyro

from training.benchmarks.agreement import print_agreement

if __name__ == "__main__":
    tyro.cli(print_agreement)
