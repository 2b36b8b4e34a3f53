"""The reference backend: what every backend computes, in plain NumPy."""
