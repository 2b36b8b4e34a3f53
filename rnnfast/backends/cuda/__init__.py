"""The CUDA backend: kernels that Numba compiles for a device, and arrays that live there."""
