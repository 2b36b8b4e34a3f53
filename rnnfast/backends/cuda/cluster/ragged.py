"""The bits of flags, by which the cluster kernels know what a visit of a row does."""

LIVE, CUT = 1, 2
"""The visit is live, a reset cuts after it."""
