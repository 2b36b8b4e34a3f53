"""Other libraries: what makes nets of ours part of them, a file for each, imported only when it is asked for."""
