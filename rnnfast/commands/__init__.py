"""What `rnnfast run`, `show` and `convert` do with a model's file."""
