"""Runs a command and sets its exit status: 0 done, 1 an error, 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import io
import os
import re
import sys
import traceback

import click

from streamseg.cache import root
from streamseg.errors import StreamsegError
from streamseg.runtime.signals import terminable
from streamseg.text.terminal import print_stderr

DEBUG = "STREAMSEG_DEBUG"
NO_MEMORY = "there is not enough memory", "use smaller pictures (--size), or end other programs"
CACHES = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torch"}
"""Variable -> subfolder of our cache, for libraries that otherwise write into the home or the temporary folder."""
CV_NO_MEMORY = -4
"""OpenCV's error code `Error::StsNoMem`."""
OUT_OF_MEMORY = re.compile("DefaultCPUAllocator|bad_alloc|[Cc]annot allocate memory|failed to map segment")
"""Matches the messages of PyTorch on a CPU, C++ and the dynamic linker."""


def run_command(command: click.Command, name: str) -> None:
    """Run a console script; never returns."""
    # A process may start without these. Libraries write to numbers 1 and 2, also if an output file has got them.
    for missing, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, missing) is None:
            setattr(sys, missing, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (it stays open)
    for stream in (sys.stdout, sys.stderr):  # print a replacement for a letter that the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")
    for variable, folder in CACHES.items():
        os.environ.setdefault(variable, str(root() / folder))
    with terminable():
        _run(command, name)


def _run(command: click.Command, name: str) -> None:
    try:
        code = command.main(prog_name=name, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as usage:
        print_stderr(_usage_text(usage))
        sys.exit(usage.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print_stderr("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        # the reader of stdout has ended (| head): at exit, Python must not try to write the rest to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as problem:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        message, hint = message_and_hint(problem)
        print_stderr("error: " + message.replace("\n", " "))
        print_stderr("hint: " + hint.replace("\n", " "))
        sys.exit(1)


def _usage_text(problem: click.ClickException) -> str:
    """Return what click prints about wrong usage, as text: `print_stderr` then cleans what the user typed."""
    text = io.StringIO()
    problem.show(file=text)
    return text.getvalue().rstrip("\n")


def message_and_hint(problem: Exception) -> tuple[str, str]:
    """Return message and hint for any exception, also for one that a library raises."""
    kind, text = f"{type(problem).__module__}.{type(problem).__name__}", str(problem).strip()
    if isinstance(problem, StreamsegError):
        return problem.message, problem.hint
    if _is_out_of_memory(problem):
        return NO_MEMORY
    if isinstance(problem, ImportError):
        return (
            f"a library cannot be loaded: {text}",
            "`streamseg doctor` reports what this machine has; or install it again, as the README says",
        )
    if kind == "cv2.error":
        reason = text.splitlines()[-1] if text else "an error without a word"
        return f"OpenCV cannot work on this picture: {reason}", "leave the picture out, or convert it"
    if isinstance(problem, UnicodeError):
        return f"a text is not Unicode: {text}", "rename the file, or save it as UTF-8"
    if isinstance(problem, OSError):
        where = f": {problem.filename!r}" if problem.filename else ""
        return f"{problem.strerror or text}{where}", "check the path, its permissions and the space on the disk"
    if isinstance(problem, ValueError) and text == "embedded null byte":
        return "a path holds the character NUL, which no file's name can have", "check the paths that were given"
    if isinstance(problem, RuntimeError) and text.startswith("Symlink loop"):  # pathlib, before Python 3.13
        return f"a link leads to itself: {text.split(' from ')[-1]}", "check the path"
    return f"unexpected {type(problem).__name__}: {text}", "this is a bug: please report it with --debug's output"


def _is_out_of_memory(problem: BaseException | None) -> bool:
    """Whether an exception, or one that it was raised from, means that there is not enough memory.

    Python and NumPy, torch on a GPU and OpenCV have types or codes for this; other libraries only have messages.
    """
    while problem is not None:
        if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":
            return True
        if type(problem).__name__ == "error" and getattr(problem, "code", 0) == CV_NO_MEMORY:
            return True
        if isinstance(problem, (RuntimeError, ImportError, OSError)) and OUT_OF_MEMORY.search(str(problem)):
            return True
        problem = problem.__cause__ or problem.__context__
    return False
