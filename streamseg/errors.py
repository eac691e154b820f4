"""Errors for people: what was wrong, with which value, and what to type next.

`StreamsegError` is the one root and the command line its one catcher: it prints an `error:` and a `hint:` line and
exits with 1. Anything else that escapes is a bug.
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
    """A result cannot be written or shown: folder taken or not writable, disk full, no display."""


class FrameError(Exception):
    """One frame cannot be used; the message is the reason, short and free of paths, so that equal ones can be counted.

    It never ends a run: whoever drives the source skips the frame and puts the reason into the manifest.
    """


class StopRequested(Exception):
    """Somebody asked, through a sink (key q in the window), to end the run in good order."""
