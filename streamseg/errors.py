"""The errors that users meet: what was wrong, with which value, and what to do next.

`StreamsegError` is their base class: the command line catches it, prints an `error:` and a `hint:` line and exits with
1. Any other exception that reaches the command line is a bug.
"""


class StreamsegError(Exception):
    """An error with a `message`, what was wrong and with which value, and a `hint`, what to do next (one line each)."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)  # pickle needs both, to return the error from another process
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
    """One frame cannot be used. It never ends a run: the frame is skipped, and run.json counts the reason.

    The message is the reason, short and without paths, so that equal reasons can be counted.
    """


class StopRequested(Exception):
    """The user stops the run (key q in the window)."""
