"""Refusals: values, arrays, arrays that share memory, words of the command line."""
