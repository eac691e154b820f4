"""Puts drawn diagrams in the place of Mermaid sources, so that the built pages need no script for them.

Each ```mermaid block of a page has its drawing in this folder, named by a hash of the block; `draw.py` makes them. A
block that has changed since has none, and the build fails.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def drawing_of(source: str) -> Path:
    """Where the drawing of a Mermaid source lies."""
    return FOLDER / f"{hashlib.sha256(source.encode()).hexdigest()[:12]}.svg"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """MkDocs calls this for each page, before it is rendered. Raises FileNotFoundError where a drawing is absent."""

    def drawn(block: re.Match[str]) -> str:
        path = drawing_of(block[1])
        if not path.is_file():
            raise FileNotFoundError(f"{page.file.src_uri}: a diagram has no drawing; see docs/diagrams/draw.py")
        return f'<div class="diagram">{path.read_text(encoding="utf-8")}</div>'

    return BLOCK.sub(drawn, markdown)
