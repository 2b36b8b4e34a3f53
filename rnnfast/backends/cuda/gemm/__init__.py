"""Matrix products with float32's accuracy on tensor cores: float32 in, float32 out, every sum in a fixed order."""
