"""How every command of ours ends: 0 done, 1 a known error (`error:` and `hint:`), 2 usage, 130 interrupted."""

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
from streamseg.text.terminal import say

DEBUG = "STREAMSEG_DEBUG"
NO_MEMORY = "there is not enough memory", "use smaller pictures (--size), or end other programs"
CACHES = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torch"}
"""Libraries that would write into the home or the temporary folder: what they keep lies in our cache."""
CV_NO_MEMORY = -4
"""OpenCV's Error::StsNoMem."""
SHORT = re.compile("DefaultCPUAllocator|bad_alloc|[Cc]annot allocate memory|failed to map segment")
"""What PyTorch on a CPU, C++ and the loader of libraries say."""


def run_command(command: click.Command, name: str) -> None:
    """Run a console script; never returns."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a letter shows another one
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
        say(_usage(usage))
        sys.exit(usage.exit_code)
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        # the reader of stdout has gone (| head): the rest has nowhere to go, and Python must not try at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as problem:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        message, hint = explained(problem)
        say("error: " + message.replace("\n", " "))
        say("hint: " + hint.replace("\n", " "))
        sys.exit(1)


def _usage(problem: click.ClickException) -> str:
    """As click shows it, but as text, so that what somebody typed can be cleaned."""
    shown = io.StringIO()
    problem.show(file=shown)
    return shown.getvalue().rstrip("\n")


def explained(problem: Exception) -> tuple[str, str]:
    """What went wrong, and what to do, in words for people; also of what libraries raise and nobody foresaw."""
    kind, said = f"{type(problem).__module__}.{type(problem).__name__}", str(problem).strip()
    if isinstance(problem, StreamsegError):
        return problem.message, problem.hint
    if _is_memory(problem):
        return NO_MEMORY
    if isinstance(problem, ImportError):
        return (
            f"a library cannot be loaded: {said}",
            "`streamseg doctor` reports what this machine has; or install it again, as the README says",
        )
    if kind == "cv2.error":
        reason = said.splitlines()[-1] if said else "an error without a word"
        return f"OpenCV cannot work on this picture: {reason}", "leave the picture out, or convert it"
    if isinstance(problem, UnicodeError):
        return f"a text is not Unicode: {said}", "rename the file, or save it as UTF-8"
    if isinstance(problem, OSError):
        where = f": {problem.filename!r}" if problem.filename else ""
        return f"{problem.strerror or said}{where}", "check the path, its permissions and the space on the disk"
    if isinstance(problem, ValueError) and said == "embedded null byte":
        return "a path holds the character NUL, which no file's name can have", "check the paths that were given"
    if isinstance(problem, RuntimeError) and said.startswith("Symlink loop"):  # pathlib, before Python 3.13
        return f"a link leads to itself: {said.split(' from ')[-1]}", "check the path"
    return f"unexpected {type(problem).__name__}: {said}", "this is a bug: please report it with --debug's output"


def _is_memory(problem: BaseException | None) -> bool:
    """Whether memory was short: of Python and NumPy, of torch on a GPU, of OpenCV; or for a library to be loaded or to
    compute with, which has no type of its own, and which others may have wrapped."""
    while problem is not None:
        if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":
            return True
        if type(problem).__name__ == "error" and getattr(problem, "code", 0) == CV_NO_MEMORY:
            return True
        if isinstance(problem, (RuntimeError, ImportError, OSError)) and SHORT.search(str(problem)):
            return True
        problem = problem.__cause__ or problem.__context__
    return False
