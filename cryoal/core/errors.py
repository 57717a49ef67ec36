"""The one error a user can cause, and the one warning they should read."""


class CryoalError(Exception):
    """Something the user can put right: it names the place, what was expected, what to do next.

    The command line prints it as one line and exits with code 2. Anything else that is raised
    is a bug and crashes with a traceback.
    """


class MachineError(CryoalError):
    """The disk, the memory or the network failed, not the input: exit code 1, and one line."""
