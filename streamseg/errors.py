"""Errors for users: what was wrong, with which value, and what to do next.

`StreamsegError` is the base class of errors that users meet: the command line catches it, prints an `error:` and a
`hint:` line and exits with 1. Any other exception that reaches the command line is a bug.
"""


class StreamsegError(Exception):
    """A known failure: `message` says what was wrong and with which value, `hint` what to do next (one line each)."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)  # both: a process of a pool hands its error over by these
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class SourceError(StreamsegError):
    """The source as a whole cannot be used: absent, empty, unrecognized, unreadable."""


class ModelError(StreamsegError):
    """A backbone cannot be built, loaded or run: unknown name, weights that do not fit, missing runtime or device."""


class OutputError(StreamsegError):
    """A result cannot be written or shown: folder in use or not writable, disk full, no display."""


class FrameError(Exception):
    """One frame cannot be used; the message is the reason, short and free of paths, so that equal ones can be counted.

    It never ends a run: the frame is skipped, and run.json counts the reason.
    """


class StopRequested(Exception):
    """The user asked to stop the run (key q in the window)."""
