"""Stochastic depth."""

from __future__ import annotations

from torch import Tensor, nn


class DropPath(nn.Module):
    """Drops a residual branch of single samples while training (Huang et al., ECCV 2016).

    The samples that stay are divided by the probability to stay, so that the expectation does not change. In
    evaluation mode nothing happens.

    Args:
        probability: of being dropped, in [0, 1).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """Return ``branch`` (B, ...) with some samples zero."""
        if not self.training or not self.probability:
            return branch
        stay = 1.0 - self.probability
        kept = branch.new_empty(branch.shape[0], *[1] * (branch.ndim - 1)).bernoulli_(stay)
        return branch * kept / stay

    def extra_repr(self) -> str:
        """Return the probability, for printing."""
        return f"{self.probability:g}"
