"""The C backend: librnnfast, called through cffi."""
