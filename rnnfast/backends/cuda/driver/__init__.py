"""The CUDA driver: kernels of ours from source to machine code, and launches that are prepared once."""
