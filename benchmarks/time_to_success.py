"""Wall clock to a success rate: `python benchmarks/time_to_success.py --out runs/timed`."""

import sys

import tyro

from sim2real.contract.errors import BadInput
from training.benchmarks.time_to_success import print_time_to_success

if __name__ == "__main__":
    try:
        sys.exit(tyro.cli(print_time_to_success))
    except BadInput as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(2)
