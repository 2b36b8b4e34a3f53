"""What backends written in Python share."""
