"""One call: its arguments, forward, backward, gradients."""
