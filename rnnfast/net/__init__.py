"""The description of a net: sizes and options, parameters, initial values, files."""
