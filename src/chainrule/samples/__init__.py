"""Per sample: the gradient of each sample's loss, its squared norm, and the Kronecker factors of a layer (K-FAC)."""

from chainrule.samples.gradients import sample_gradients, sample_norms
from chainrule.samples.kronecker import kronecker_factors

__all__ = ["kronecker_factors", "sample_gradients", "sample_norms"]
