"""Draws every Mermaid diagram of the documentation as an SVG file in this folder.

    npm pack @mermaid-js/tiny && tar xf mermaid-js-tiny-*.tgz
    python docs/diagrams/draw.py package/dist/mermaid.tiny.js

Needs Chromium (`apt install chromium`). Only who changes a diagram has to run it; drawings without a source go.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from hook import BLOCK, FOLDER, drawing_of

PAGE = """<meta charset="utf-8"><body><pre class="mermaid">{source}</pre><script src="{script}"></script><script>
mermaid.initialize({{startOnLoad: true, htmlLabels: false, theme: "neutral", deterministicIds: true,
deterministicIDSeed: "{seed}", flowchart: {{htmlLabels: false, nodeSpacing: 22, rankSpacing: 22, padding: 6}}}});
</script></body>"""


def draw(source: str, script: Path) -> str:
    """The SVG of a Mermaid source. Raises RuntimeError where Chromium draws none."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        seed = drawing_of(source).stem
        page.write_text(PAGE.format(source=html.escape(source), script=script.resolve().as_uri(), seed=seed))
        flags = ["--headless", "--no-sandbox", "--virtual-time-budget=20000", f"--user-data-dir={folder}/profile"]
        done = subprocess.run(["chromium", *flags, "--dump-dom", page.as_uri()], capture_output=True, text=True)
    found = re.search(r"<svg.*?</svg>", done.stdout, re.DOTALL)
    if not found or "Syntax error" in found[0]:
        raise RuntimeError(f"no drawing of:\n{source}\n{done.stderr[-500:]}")
    return re.sub(r"\n\s*", " ", found[0]) + "\n"  # one line: a blank one would end the HTML block in Markdown


def main() -> None:
    wanted = {}
    for page in sorted(FOLDER.parent.glob("*.md")):
        wanted |= {drawing_of(source): source for source in BLOCK.findall(page.read_text(encoding="utf-8"))}
    for path in set(FOLDER.glob("*.svg")) - set(wanted):
        path.unlink()
    for path, source in wanted.items():
        if not path.is_file():
            path.write_text(draw(source, Path(sys.argv[1])), encoding="utf-8")


if __name__ == "__main__":
    main()
