"""Where explorer and student have been, early and late: counts over two observed numbers."""

from __future__ import annotations

import torch
from torch import Tensor

NUM_BINS = 40
"""along each of the two numbers, over [-1, 1]; the outermost hold what lies beyond"""
WHO, WHEN = ("teacher", "student"), ("early", "late")


class Visits:
    """Observations of the first iteration and of the latest, counted; part of a learner's state."""

    def __init__(self, first_column: int = 0) -> None:
        """`first_column` is where in an observation the two numbers begin."""
        self._columns = slice(first_column, first_column + 2)
        self.numbers = {
            f"visits/{who}/{when}": torch.zeros(NUM_BINS, NUM_BINS) for who in WHO for when in WHEN
        }
        """by who and when, (bins, bins): the second axis is the second number"""

    def note(self, **observations: Tensor) -> None:
        """An iteration's observations (T, B, O) by who; of a single number the second is zero."""
        for who, observation in observations.items():
            rows = observation.flatten(0, 1).cpu()[:, self._columns]
            if rows.shape[1] == 1:
                rows = torch.cat([rows, torch.zeros_like(rows)], 1)
            cell = ((rows + 1.0) / 2.0 * NUM_BINS).long().clamp(0, NUM_BINS - 1)
            counts = torch.zeros(NUM_BINS, NUM_BINS)
            counts.index_put_(tuple(cell.T), torch.ones(len(cell)), accumulate=True)
            if not self.numbers[f"visits/{who}/early"].any():
                self.numbers[f"visits/{who}/early"].copy_(counts)
            self.numbers[f"visits/{who}/late"].copy_(counts)
