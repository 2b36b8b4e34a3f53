"""The Numba CPU backend: kernels that LLVM compiles where no C compiler is."""
