"""Gittins indices of a Bernoulli arm: the sure payment per pull that is worth as much as the arm.

In a discounted bandit the best arm is the one of the largest index (Gittins 1979). Two methods of
different make: calibration against a sure payment, and the problem of restarting in a state
(Katehakis and Veinott 1987), where the index is (1 - γ) times the value of a Markov decision
process. Both look `DEPTH` pulls ahead; what lies beyond is worth less than γ^DEPTH / (1 - γ).
"""

from __future__ import annotations

import numpy as np

from training.rules.ties import Array

DEPTH = 400
"""pulls looked ahead; at γ = 0.95 the rest is worth 3e-8"""
_TOLERANCE = 1e-10


def index_by_calibration(
    alpha: int, beta: int, discount: float, *, depth: int = DEPTH, tolerance: float = _TOLERANCE
) -> float:
    """The index of an arm with posterior Beta(alpha, beta), by bisection of the sure payment."""
    low, high = 0.0, 1.0
    while high - low > tolerance:
        payment = (low + high) / 2.0
        if _gain_of_arm(alpha, beta, discount, payment, depth) > 0.0:
            low = payment
        else:
            high = payment
    return (low + high) / 2.0


def _gain_of_arm(alpha: int, beta: int, discount: float, payment: float, depth: int) -> float:
    """How much better a pull and the best afterwards is than the sure payment for ever."""
    sure = payment / (1.0 - discount)
    value = np.maximum(_means(alpha, beta, depth) / (1.0 - discount), sure)
    pulled = value
    for num_pulls in reversed(range(depth)):
        chance = _means(alpha, beta, num_pulls)
        # value[i] belongs to i successes: one more after a success, as many after a failure.
        pulled = chance * (1.0 + discount * value[1:]) + (1.0 - chance) * discount * value[:-1]
        value = np.maximum(pulled, sure)
    return float(pulled[0] - sure)


def _means(alpha: int, beta: int, num_pulls: int) -> Array:
    """(num_pulls + 1,) posterior means after 0 … num_pulls successes."""
    return np.asarray((alpha + np.arange(num_pulls + 1)) / (alpha + beta + num_pulls))


def index_by_restart(
    alpha: int, beta: int, discount: float, *, depth: int = DEPTH, tolerance: float = _TOLERANCE
) -> float:
    """The index of an arm with posterior Beta(alpha, beta), by value iteration.

    In every state one may pull on, or do what one would in Beta(alpha, beta) afresh. A state is
    (successes, failures) since; from those `depth` pulls away the posterior stays as it is.
    """
    successes, failures = np.indices((depth + 1, depth + 1))
    mean = (alpha + successes) / (alpha + beta + successes + failures)
    is_last = successes + failures >= depth
    value = mean / (1.0 - discount)
    while True:
        after_success, after_failure = value.copy(), value.copy()
        after_success[:-1], after_failure[:, :-1] = value[1:], value[:, 1:]
        pulled = mean * (1.0 + discount * after_success) + (1.0 - mean) * discount * after_failure
        pulled = np.where(is_last, mean + discount * value, pulled)
        improved = np.maximum(pulled, pulled[0, 0])
        change = float(np.abs(improved - value).max())
        value = improved
        if change * discount / (1.0 - discount) < tolerance / (1.0 - discount):
            return float((1.0 - discount) * value[0, 0])
