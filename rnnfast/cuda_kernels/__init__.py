"""The kernels that Numba CUDA compiles, and how layers run on them. Plain Python too: the tests' emulator runs them."""
