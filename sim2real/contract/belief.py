"""The Gaussian task belief in natural parameters: a product of one factor per transition.

PEARL (Rakelly et al. 2019, eq. 2 and its code) multiplies the encoder's Gaussian factors; the
product has *no* prior factor, and with no context at all the belief is the prior N(0, I). Running
sums of 1/σ² and μ/σ² make an update constant in time and memory and independent of the order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]

MIN_VARIANCE = 1e-7
"""a factor is never taken to be surer than this (the reference clamps here too)"""


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussianBelief:
    """Independent Gaussians over L latent dimensions, with leading batch axes `...`.

    Sums are kept in float64: after 10,000 transitions they still equal the batch product.
    """

    precision: NDArray[np.float64]
    """(..., L) sum of 1/σ² over the factors; zero where nothing was seen"""
    weighted_mean: NDArray[np.float64]
    """(..., L) sum of μ/σ² over the factors"""
    num_transitions: int
    """factors multiplied so far"""

    @classmethod
    def prior(cls, latent_size: int, batch_shape: tuple[int, ...] = ()) -> GaussianBelief:
        """No evidence yet: exactly N(0, I)."""
        zeros = np.zeros((*batch_shape, latent_size))
        return cls(precision=zeros, weighted_mean=zeros, num_transitions=0)

    def observe(self, mean: Float, variance: Float) -> GaussianBelief:
        """The belief after one more factor per batch element, both (..., L)."""
        precision = 1.0 / np.maximum(variance.astype(np.float64), MIN_VARIANCE)
        return GaussianBelief(
            precision=self.precision + precision,
            weighted_mean=self.weighted_mean + mean * precision,
            num_transitions=self.num_transitions + 1,
        )

    @property
    def variance(self) -> Float:
        """(..., L)"""
        if self.num_transitions == 0:
            return np.ones_like(self.precision)
        return np.asarray(1.0 / self.precision)

    @property
    def mean(self) -> Float:
        """(..., L)"""
        if self.num_transitions == 0:
            return np.zeros_like(self.weighted_mean)
        return np.asarray(self.weighted_mean / self.precision)

    def sample(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(..., L) one draw of the latent: what posterior sampling holds for an episode."""
        noise = rng.standard_normal(self.precision.shape)
        return (self.mean + np.sqrt(self.variance) * noise).astype(np.float32)

    def kl_from_prior(self) -> Float:
        """(...,) KL(belief || N(0, I)) in nats, summed over latent dimensions."""
        mean, variance = self.mean, self.variance
        terms = variance + mean**2 - 1.0 - np.log(variance)
        return np.asarray(0.5 * np.sum(terms, axis=-1))
