"""Exit codes of the command line."""

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
SIGNALLED = 128
"""Plus the number of the signal that ended a command; INTERRUPTED is that of Ctrl-C."""
