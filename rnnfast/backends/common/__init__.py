"""Pieces that backends written in Python share."""
