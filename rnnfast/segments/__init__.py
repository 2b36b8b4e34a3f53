"""Time cut up: checkpointing, truncation, and outputs held across the cuts."""
