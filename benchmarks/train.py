"""The training benchmark without the command line: `python benchmarks/train.py --threads 2`."""

import tyro

from training.benchmarks.train import print_bench_train

if __name__ == "__main__":
    tyro.cli(print_bench_train)
