"""What a net is: sizes and options, parameters, initial values, files."""
