"""The one error that a user can cause."""


class UserError(Exception):
    """A mistake or a condition that the user can mend: one line saying what, where and what to do.

    The command line prints the message alone and exits with code 2.
    """
