"""Wall clock on the half circle beside the reference: `python benchmarks/half_circle.py --reference
OYSTER --out runs/half_circle`."""

import sys

import tyro

from sim2real.contract.errors import BadInput
from training.benchmarks.half_circle import print_half_circle

if __name__ == "__main__":
    try:
        tyro.cli(print_half_circle)
    except BadInput as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(2)
