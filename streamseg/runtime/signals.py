"""How processes end. Ctrl-C and SIGTERM: the first asks, so that files get closed; the second ends the process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(stop: Callable[[], None] | None = None) -> Iterator[threading.Event]:
    """While inside, the first signal sets the event and calls `stop`; whichever comes next kills the process."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield event
        return

    def handle(number: int, _stack: object) -> None:
        if event.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        event.set()
        if stop:
            stop()

    previous = {number: signal.getsignal(number) for number in NUMBERS}
    for number in NUMBERS:
        signal.signal(number, handle)
    try:
        yield event
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def terminable() -> Iterator[None]:
    """While inside, SIGTERM is what Ctrl-C is, an exception, so that what is half done is removed on the way out."""
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or before != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def follow_parent() -> None:
    """Have this process end when the one that started it has, by whatever: nobody else would take its result, or end
    it where it hangs."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
