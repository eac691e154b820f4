"""Open a page in the user's browser, if there is a display."""

from __future__ import annotations

import os
import sys
import webbrowser


def display() -> str:
    """Return the name of the display, from DISPLAY or WAYLAND_DISPLAY; "" if there is none."""
    return os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or ""


def has_display() -> bool:
    """Return whether a window can be expected to open. Only Linux needs a `display`."""
    return not sys.platform.startswith("linux") or bool(display())


def open_in_browser(url: str) -> bool:
    """Return whether a browser was started. Without a display none is: a text browser would occupy the terminal."""
    if not has_display():
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
