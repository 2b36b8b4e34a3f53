"""The mathematics of cells on single numbers, for kernels that Numba compiles."""
