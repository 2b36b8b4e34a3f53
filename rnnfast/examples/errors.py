"""The error for what a user can put right: a command line prints its text on one line, without a traceback."""


class UserError(Exception):
    """Says that what was asked for cannot be done; the text says what was expected, what came and what to do."""
