"""What the Numba CPU backend compiles: the register tile, matrix products, the time loops."""
