"""The mathematics of every cell on single numbers, which both Numba targets compile."""
